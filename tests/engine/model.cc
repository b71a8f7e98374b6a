#include "tests/engine/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace braid::test {

namespace {

bool is_met(const Expectation& expect, std::uint64_t length, std::uint64_t last_position) {
    switch (expect.kind) {
        case Expectation::Kind::any:
            return true;
        case Expectation::Kind::none:
            return length == 0;
        case Expectation::Kind::exists:
            return length > 0;
        case Expectation::Kind::sequence:
            return expect.next.value == length + 1;
        case Expectation::Kind::untouched:
            return last_position <= expect.since.value;
    }
    return false;
}

bool is_selected(const Seen& entry, const ModelSelection& selection) {
    if (!selection.all_spaces) {
        const auto space = selection.spaces.find(entry.space);
        if (space == selection.spaces.end() || entry.position <= space->second) return false;
    }
    if (selection.segment && entry.segment != *selection.segment) return false;
    return entry.position > selection.after && entry.sequence >= selection.from &&
           entry.sequence <= selection.to && entry.timestamp >= selection.from_time &&
           entry.timestamp <= selection.to_time;
}

}  // namespace

bool ByUnsignedBytes::operator()(const std::string& left, const std::string& right) const noexcept {
    return std::lexicographical_compare(
        left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
            return static_cast<unsigned char>(a) < static_cast<unsigned char>(b);
        });
}

ModelOutcome Model::commit(const ModelTransaction& transaction) {
    ModelOutcome outcome;
    judge(transaction, outcome);
    outcome.conflict = !outcome.refused_by.empty();
    if (outcome.conflict || (transaction.appends.empty() && transaction.moves.empty()))
        return outcome;
    outcome.transaction = ++last_transaction_;
    if (!transaction.appends.empty()) take(transaction, outcome);
    move(transaction);
    return outcome;
}

std::uint64_t Model::length(const Lengths& lengths, const Name& name) {
    const auto found = lengths.find(name);
    return found == lengths.end() ? 0 : found->second;
}

void Model::judge(const ModelTransaction& transaction, ModelOutcome& outcome) const {
    std::set<Name> refused;
    std::set<Name> asked;
    for (const ModelCondition& condition : transaction.conditions) {
        const Name name{condition.space, condition.segment};
        // A demand for anything judges nothing.
        if (condition.expect.kind != Expectation::Kind::any) asked.insert(name);
        if (!is_met(condition.expect, length(segments_, name),
                    newest(condition.space, condition.segment).position))
            refused.insert(name);
    }
    Lengths lengths = segments_;
    for (const ModelAppend& append : transaction.appends) {
        const Name name{append.space, append.segment};
        std::uint64_t& so_far = lengths[name];
        if (!is_met(append.expect, so_far, newest(append.space, append.segment).position))
            refused.insert(name);
        ++so_far;
    }
    judge_moves(transaction, refused);
    for (const auto& [key, token] : transaction.tokens)
        if (!holds(key, token)) refused.emplace();
    outcome.refused_by.assign(refused.begin(), refused.end());
    const std::set<Name>& judged = refused.empty() ? asked : refused;
    for (const Seen& entry : entries_) {
        if (judged.contains({entry.space, entry.segment})) outcome.judged_on = entry.position;
    }
}

bool Model::holds(const std::string& key, std::uint64_t token) const {
    const auto found = leases_.find(key);
    return found != leases_.end() && found->second.token == token;
}

std::uint64_t Model::grant_lease(const std::string& key, const std::string& holder) {
    leases_[key] = {holder, ++last_transaction_};
    return last_transaction_;
}

void Model::release_lease(const std::string& key) {
    leases_.erase(key);
    ++last_transaction_;
}

/// Against the consumers as they stand before the transaction.
void Model::judge_moves(const ModelTransaction& transaction, std::set<Name>& refused) const {
    for (const ModelMove& move : transaction.moves) {
        if (move.kind == ModelMove::Kind::take) continue;
        const auto known = consumers_.find(move.consumer);
        const ModelConsumer consumer = known == consumers_.end() ? ModelConsumer() : known->second;
        const Name source{move.space, move.segment};
        const std::uint64_t stands = length(consumer.cursors, source);
        const bool is_set = move.kind == ModelMove::Kind::set;
        if (move.epoch != consumer.epoch || (is_set && move.expect && *move.expect != stands) ||
            (is_set && move.position < stands && !move.backward))
            refused.insert(source);
    }
}

void Model::move(const ModelTransaction& transaction) {
    for (const ModelMove& move : transaction.moves) {
        if (move.kind == ModelMove::Kind::remove) {
            consumers_.erase(move.consumer);
            continue;
        }
        ModelConsumer& consumer = consumers_[move.consumer];
        if (move.kind == ModelMove::Kind::take) consumer.epoch = last_transaction_;
        if (move.kind == ModelMove::Kind::set)
            consumer.cursors[{move.space, move.segment}] = move.position;
    }
}

void Model::take(const ModelTransaction& transaction, ModelOutcome& outcome) {
    outcome.first_position = entries_.size() + 1;
    std::vector<Name> order;
    for (const ModelAppend& append : transaction.appends) {
        const Name name{append.space, append.segment};
        const std::uint64_t sequence = ++segments_[name];
        entries_.push_back({append.space, append.segment, sequence, entries_.size() + 1, 0,
                            outcome.transaction, append.payload, append.metadata});
        const auto known = std::find(order.begin(), order.end(), name);
        if (known == order.end()) {
            order.push_back(name);
            outcome.ranges.emplace_back(sequence, sequence);
        } else {
            outcome.ranges[static_cast<std::size_t>(known - order.begin())].second = sequence;
        }
    }
    outcome.last_position = entries_.size();
}

std::optional<std::string> Model::learn_timestamp(std::uint64_t transaction,
                                                  std::uint64_t timestamp) {
    const auto same = [&](const Seen& entry) { return entry.transaction == transaction; };
    const auto first = std::find_if(entries_.begin(), entries_.end(), same);
    const auto end = std::find_if_not(first, entries_.end(), same);
    if (timestamp == 0) return fmt::format("transaction {} has timestamp 0", transaction);
    if (first == end) return fmt::format("no transaction {}", transaction);
    if (first->timestamp != 0 && first->timestamp != timestamp) {
        return fmt::format("transaction {} has timestamps {} and {}", transaction, first->timestamp,
                           timestamp);
    }
    for (auto entry = first; entry != end; ++entry) entry->timestamp = timestamp;
    std::uint64_t previous = 0;
    for (const Seen& entry : entries_) {
        if (entry.timestamp == 0) continue;
        if (entry.timestamp < previous) {
            return fmt::format("the timestamp goes back at position {}", entry.position);
        }
        previous = entry.timestamp;
    }
    return std::nullopt;
}

std::uint64_t Model::transaction_end(std::uint64_t position) const {
    if (position >= entries_.size()) return position;
    while (position != 0 && at(position).transaction == at(position + 1).transaction) --position;
    return position;
}

std::vector<std::uint64_t> Model::read(const ModelSelection& selection,
                                       std::uint64_t visible_through) const {
    std::vector<std::uint64_t> result;
    const std::uint64_t end = std::min(visible_through, transaction_end(selection.as_of));
    for (const Seen& entry : entries_) {
        if (entry.sequence <= trimmed(entry.space, entry.segment)) continue;
        if (entry.position <= end && is_selected(entry, selection)) {
            result.push_back(entry.position);
        }
    }
    if (selection.backward) std::reverse(result.begin(), result.end());
    if (selection.limit != 0 && result.size() > selection.limit) result.resize(selection.limit);
    return result;
}

void Model::trim(const std::string& space, const std::string& segment, std::uint64_t through) {
    std::uint64_t& trimmed = trimmed_[{space, segment}];
    trimmed = std::max(trimmed, through);
}

bool Model::is_held_back(const std::string& space, const std::string& segment,
                         std::uint64_t through) const {
    std::uint64_t position = 0;
    for (const Seen& entry : entries_)
        if (entry.space == space && entry.segment == segment && entry.sequence <= through)
            position = entry.position;
    for (const auto& [name, consumer] : consumers_)
        for (const auto& [source, cursor] : consumer.cursors) {
            const bool runs_over =
                source.first.empty() ||
                (source.first == space && (source.second.empty() || source.second == segment));
            if (runs_over && cursor < position) return true;
        }
    return false;
}

std::uint64_t Model::trimmed(const std::string& space, const std::string& segment) const {
    return length(trimmed_, {space, segment});
}

/// A cursor below a trimmed entry of what is read; of a segment only where a bound asks for it.
std::uint64_t Model::refused_through(const ModelSelection& selection) const {
    const bool whole_segment = selection.segment && selection.from == 0 && selection.after == 0;
    if (selection.backward || selection.skip_trimmed || whole_segment) return 0;
    std::uint64_t through = 0;
    for (const Seen& entry : entries_) {
        const bool gone = entry.sequence <= trimmed(entry.space, entry.segment);
        if (!gone || entry.position <= selection.after || entry.sequence < selection.from) continue;
        if (selection.segment && entry.segment != *selection.segment) continue;
        const auto space = selection.spaces.find(entry.space);
        if (!selection.all_spaces &&
            (space == selection.spaces.end() || entry.position <= space->second))
            continue;
        through = entry.position;
    }
    return through;
}

Seen Model::newest(const std::string& space, const std::string& segment) const {
    Seen newest;
    for (const Seen& entry : entries_)
        if (entry.space == space && entry.segment == segment) newest = entry;
    return newest;
}

std::uint64_t Model::last_sequence(const std::string& space, const std::string& segment) const {
    return length(segments_, {space, segment});
}

std::vector<std::uint64_t> Model::ends(std::uint64_t from, std::uint64_t to) const {
    std::vector<std::uint64_t> result;
    for (std::uint64_t position = from; position <= to; ++position) {
        const bool is_end = position == 0 || position == entries_.size() ||
                            at(position).transaction != at(position + 1).transaction;
        if (is_end) result.push_back(position);
    }
    return result;
}

std::vector<std::string> Model::spaces(std::uint64_t visible_through) const {
    std::set<std::string, ByUnsignedBytes> names;
    for (const Seen& entry : entries_) {
        if (entry.position <= visible_through) names.insert(entry.space);
    }
    return {names.begin(), names.end()};
}

std::vector<std::string> Model::segments(const std::string& space,
                                         std::uint64_t visible_through) const {
    std::set<std::string, ByUnsignedBytes> names;
    for (const Seen& entry : entries_) {
        if (entry.position <= visible_through && entry.space == space) names.insert(entry.segment);
    }
    return {names.begin(), names.end()};
}

}  // namespace braid::test
