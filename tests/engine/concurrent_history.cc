#include "tests/engine/concurrent_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

namespace braid::test {
namespace {

using Outcome = Attempt::Outcome;

class Judge {
public:
    explicit Judge(const ConcurrentHistory& history) : history_(history) {}

    std::string run() {
        check_end();
        if (!problem_.empty()) return problem_;  // all else goes by positions
        match_attempts();
        check_order();
        for (const Reading& reading : history_.readings) check_reading(reading);
        check_peeks();
        return problem_;
    }

private:
    void note(std::string problem) {
        if (problem_.empty()) problem_ = std::move(problem);
    }
    void check_end();
    void match_attempts();
    void place(const Attempt& attempt);
    void check_order();
    void check_reading(const Reading& reading);
    void check_extent(const Reading& reading);
    void check_peeks();
    void check_peek(const Peek& peek);
    [[nodiscard]] std::uint64_t position_of(const std::string& segment,
                                            std::uint64_t sequence) const;
    [[nodiscard]] std::uint64_t over_before(Moment moment, bool durable) const;

    const ConcurrentHistory& history_;
    std::string problem_;
    std::unordered_map<std::string, std::uint64_t> position_of_payload_;
    std::map<std::string, std::vector<std::uint64_t>> positions_;  // of segments, by sequence − 1
    std::vector<const Attempt*> at_position_;                      // by position − 1
    std::vector<const Attempt*> order_;                            // of those in the store
    // (ended, last position so far) of commits by their end; of all, and of durable ones.
    std::vector<std::pair<Moment, std::uint64_t>> over_[2];
};

/// Positions, and the sequences of each segment, are 1, 2, 3 …
void Judge::check_end() {
    for (const Delivered& entry : history_.end) {
        if (entry.position != position_of_payload_.size() + 1)
            note(
                fmt::format("position {} follows {}", entry.position, position_of_payload_.size()));
        auto& positions = positions_[entry.segment];
        positions.push_back(entry.position);
        if (entry.sequence != positions.size())
            note(fmt::format("{}: sequence {} at position {}, expected {}", entry.segment,
                             entry.sequence, entry.position, positions.size()));
        if (!position_of_payload_.emplace(entry.payload, entry.position).second)
            note(fmt::format("'{}' is in the store twice", entry.payload));
    }
    at_position_.resize(history_.end.size());
}

/// What was done is there, where its receipt says; what was refused isn't; nothing else is.
void Judge::match_attempts() {
    for (const Attempt& attempt : history_.attempts) {
        const bool there =
            !attempt.payloads.empty() && position_of_payload_.contains(attempt.payloads.front());
        if (attempt.outcome == Outcome::refused && there)
            note(fmt::format("'{}' was refused, and is there", attempt.payloads.front()));
        if (attempt.outcome == Outcome::done && !there)
            note(fmt::format("'{}' was acknowledged, and is not there", attempt.payloads.front()));
        if (there) place(attempt);
    }
    for (std::size_t i = 0; i < at_position_.size(); ++i)
        if (at_position_[i] == nullptr)
            note(fmt::format("nobody committed what is at position {}", i + 1));
}

void Judge::place(const Attempt& attempt) {
    const std::uint64_t first = position_of_payload_.at(attempt.payloads.front());
    for (std::size_t i = 0; i < attempt.payloads.size(); ++i) {
        const auto found = position_of_payload_.find(attempt.payloads[i]);
        if (found == position_of_payload_.end() || found->second != first + i)
            return note(fmt::format("the transaction of '{}' isn't there as a whole",
                                    attempt.payloads.front()));
        at_position_[first + i - 1] = &attempt;
    }
    if (attempt.outcome != Outcome::done) return;
    if (attempt.first != first || attempt.last != first + attempt.payloads.size() - 1)
        note(fmt::format("the receipt of '{}' says positions {} to {}, it is at {}",
                         attempt.payloads.front(), attempt.first, attempt.last, first));
}

/// Real time and timestamps go the way of the positions.
void Judge::check_order() {
    Moment latest_begin = 0;
    std::uint64_t timestamp = 0;
    for (std::size_t i = 0; i < at_position_.size(); ++i) {
        const Attempt* attempt = at_position_[i];
        if (attempt == nullptr || (i > 0 && at_position_[i - 1] == attempt)) continue;
        order_.push_back(attempt);
        if (attempt->outcome != Outcome::done) continue;
        if (attempt->ended < latest_begin)
            note(fmt::format("position {} was over before one with a smaller position began",
                             attempt->first));
        latest_begin = std::max(latest_begin, attempt->begun);
        if (attempt->timestamp < timestamp)
            note(fmt::format("the timestamp goes back at position {}", attempt->first));
        timestamp = attempt->timestamp;
        over_[0].emplace_back(attempt->ended, attempt->last);
        if (attempt->durable) over_[1].emplace_back(attempt->ended, attempt->last);
    }
    for (auto& over : over_) {
        std::sort(over.begin(), over.end());
        for (std::size_t i = 1; i < over.size(); ++i)
            over[i].second = std::max(over[i].second, over[i - 1].second);
    }
}

/// The highest position of what was over by then. What is durable has all before it durable.
std::uint64_t Judge::over_before(Moment moment, bool durable) const {
    const auto& over = over_[durable ? 1 : 0];
    const auto at = std::lower_bound(over.begin(), over.end(), std::pair{moment, std::uint64_t{0}});
    return at == over.begin() ? 0 : std::prev(at)->second;
}

/// What it delivered is how the store, or the segment, begins.
void Judge::check_reading(const Reading& reading) {
    std::size_t next = 0;
    for (const Delivered& entry : reading.entries) {
        while (next < history_.end.size() && !reading.segment.empty() &&
               history_.end[next].segment != reading.segment)
            ++next;
        if (next == history_.end.size() || !(history_.end[next] == entry))
            return note(fmt::format("a reader of {} was given position {} out of its turn",
                                    reading.segment.empty() ? "the store" : reading.segment,
                                    entry.position));
        ++next;
    }
    check_extent(reading);
}

/// All that was over when it was opened, nothing that began later, and whole transactions.
void Judge::check_extent(const Reading& reading) {
    const std::uint64_t last = reading.entries.empty() ? 0 : reading.entries.back().position;
    std::uint64_t least = over_before(reading.opened_after, reading.durable);
    if (!reading.segment.empty()) {
        const auto found = positions_.find(reading.segment);
        if (found == positions_.end()) return;
        const auto at = std::upper_bound(found->second.begin(), found->second.end(), least);
        least = at == found->second.begin() ? 0 : *std::prev(at);
    }
    // A follower is cut off by the closing, wherever it is.
    if (last < least && !reading.follows)
        return note(
            fmt::format("a reader of {} ended at position {}, but {} was committed before it "
                        "was opened",
                        reading.segment.empty() ? "the store" : reading.segment, last, least));
    if (last == 0 || last > at_position_.size() || reading.follows) return;
    const Attempt* attempt = at_position_[last - 1];
    if (attempt == nullptr) return;
    if (attempt->begun > reading.opened_before)
        note(fmt::format("a reader saw position {}, which began after it was opened", last));
    const bool whole = last == at_position_.size() || at_position_[last] != attempt;
    if (reading.segment.empty() && !whole)
        note(fmt::format("a reader ended at position {}, within a transaction", last));
}

std::uint64_t Judge::position_of(const std::string& segment, std::uint64_t sequence) const {
    const auto found = positions_.find(segment);
    if (found == positions_.end() || sequence == 0 || sequence > found->second.size()) return 0;
    return found->second[sequence - 1];
}

void Judge::check_peeks() {
    std::map<std::tuple<std::size_t, std::string, bool>, std::uint64_t> newest;
    for (const Peek& peek : history_.peeks) {
        std::uint64_t& before = newest[{peek.thread, peek.segment, peek.durable}];
        if (peek.sequence < before)
            note(fmt::format("a peek of {} went back from {} to {}", peek.segment, before,
                             peek.sequence));
        before = std::max(before, peek.sequence);
        check_peek(peek);
    }
}

void Judge::check_peek(const Peek& peek) {
    if (peek.sequence != 0 && position_of(peek.segment, peek.sequence) != peek.position)
        return note(fmt::format("a peek of {} found sequence {} at position {}", peek.segment,
                                peek.sequence, peek.position));
    const std::uint64_t next = position_of(peek.segment, peek.sequence + 1);
    if (next != 0 && next <= over_before(peek.before, peek.durable))
        return note(
            fmt::format("a peek of {} found sequence {}, but position {} was committed "
                        "before",
                        peek.segment, peek.sequence, next));
    if (peek.sequence == 0) return;
    const Attempt* attempt = at_position_[peek.position - 1];
    if (attempt != nullptr && attempt->begun > peek.after)
        note(fmt::format("a peek found position {} before it was committed", peek.position));
}

}  // namespace

std::string unexplained(const ConcurrentHistory& history) {
    return Judge(history).run();
}

}  // namespace braid::test
