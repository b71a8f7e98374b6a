#include "tests/kill/check.h"

#include <fmt/format.h>

#include <braid/braid.hpp>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tests/kill/acks.h"
#include "tests/kill/plan.h"

namespace braid::kill {
namespace {

/// What is wrong, in words; empty: nothing.
using Problem = std::string;

/// Transactions as the notes tell them.
struct Promises {
    std::unordered_map<std::uint64_t, Note> durable;  // by id
    std::unordered_map<std::uint64_t, Note> buffered;
    std::uint64_t end_min = 0;  // the store ends here or later
    std::uint64_t taken_back = 0;
    Problem problem;
};

/// An opening that found less took back what was buffered behind its end, and may take no more.
void take_opening(Promises& promises, std::uint64_t end) {
    if (end < promises.end_min && promises.problem.empty())
        promises.problem =
            fmt::format("opened with {} entries, {} were promised", end, promises.end_min);
    promises.taken_back += std::erase_if(
        promises.buffered, [&](const auto& one) { return one.second.last_position > end; });
    promises.end_min = end;  // what a recovery served is there for good
}

Promises read_promises(const Place& place) {
    Promises promises;
    for (const Note& note : Notes::read(place.notes())) {
        switch (note.kind) {
            case Note::Kind::durable:
                promises.durable[note.id] = note;
                promises.buffered.erase(note.id);
                promises.end_min = std::max(promises.end_min, note.last_position);
                break;
            case Note::Kind::buffered:
                promises.buffered[note.id] = note;
                break;
            case Note::Kind::opened:
                take_opening(promises, note.last_position);
                break;
            case Note::Kind::seen:
                promises.end_min = std::max(promises.end_min, note.last_position);
                break;
        }
    }
    return promises;
}

/// Judges entries one by one in position order, then the whole.
class Checker {
public:
    Problem take(const Entry& entry) {
        if (entry.position.value != ++position_)
            return fmt::format("position {} where {} follows", entry.position.value, position_);
        auto& sequence = sequences_[std::string(entry.space) + '/' + std::string(entry.segment)];
        if (entry.sequence.value != ++sequence)
            return fmt::format("sequence {} where {} follows at position {}", entry.sequence.value,
                               sequence, position_);
        if (entry.timestamp < timestamp_)
            return fmt::format("time goes back at position {}", position_);
        timestamp_ = entry.timestamp;
        return take_record(entry);
    }

    /// At the end: the last transaction is whole, and every promised one is where it was said.
    Problem finish(const Promises& promises) const {
        if (!promises.problem.empty()) return promises.problem;
        if (index_ != plan_.size()) return fmt::format("transaction {} is cut off", id_);
        if (position_ < promises.end_min)
            return fmt::format("{} entries, {} were promised", position_, promises.end_min);
        for (const auto& [id, note] : promises.durable)
            if (Problem problem = find(note); !problem.empty()) return problem;
        for (const auto& [id, note] : promises.buffered) {
            if (note.last_position > position_) continue;  // taken back
            if (Problem problem = find(note); !problem.empty()) return problem;
        }
        return {};
    }

    [[nodiscard]] std::uint64_t position() const { return position_; }

private:
    Problem find(const Note& note) const {
        const auto found = transactions_.find(note.id);
        if (found == transactions_.end())
            return fmt::format("transaction {} was acknowledged at {} to {} and isn't there",
                               note.id, note.first_position, note.last_position);
        const Note& is = found->second;
        if (is.first_position == note.first_position && is.last_position == note.last_position &&
            is.timestamp == note.timestamp && is.transaction == note.transaction)
            return {};
        return fmt::format("transaction {} was acknowledged at {} to {} and stands at {} to {}",
                           note.id, note.first_position, note.last_position, is.first_position,
                           is.last_position);
    }

    Problem take_record(const Entry& entry) {
        const auto origin = origin_of(entry.text());
        if (!origin) return fmt::format("a foreign payload at {}", position_);
        if (index_ == plan_.size())
            if (Problem problem = begin(origin->id, entry); !problem.empty()) return problem;
        if (origin->id != id_ || entry.transaction.value != transactions_[id_].transaction)
            return fmt::format("a record of {} stands at {}, inside transaction {}", origin->id,
                               position_, id_);
        const PlannedRecord& planned = plan_[index_++];
        if (entry.space == planned.space && entry.segment == planned.segment &&
            entry.text() == planned.payload)
            return {};
        return fmt::format("position {} isn't record {} of transaction {}", position_, index_ - 1,
                           id_);
    }

    Problem begin(std::uint64_t id, const Entry& entry) {
        if (entry.transaction <= number_)
            return fmt::format("transaction number {} at {} follows {}", entry.transaction.value,
                               position_, number_.value);
        id_ = id;
        index_ = 0;
        number_ = entry.transaction;
        plan_ = plan_transaction(id);
        Note note;
        note.first_position = position_;
        note.last_position = position_ + plan_.size() - 1;
        note.timestamp = entry.timestamp.value;
        note.transaction = number_.value;
        if (transactions_.emplace(id, note).second) return {};
        return fmt::format("transaction {} comes twice, at position {}", id, position_);
    }

    std::uint64_t position_ = 0;
    Timestamp timestamp_;
    TransactionNumber number_;
    std::map<std::string, std::uint64_t> sequences_;
    std::unordered_map<std::uint64_t, Note> transactions_;  // found, by id
    std::uint64_t id_ = 0;                                  // the entries now are of this one
    std::vector<PlannedRecord> plan_;
    std::size_t index_ = 0;
};

Problem check_contents(const Store& store, const Promises& promises, std::uint64_t& end) {
    Checker checker;
    Reader reader = store.read_all();
    while (const auto* next = reader.next()) {
        if (!*next) return "reading: " + next->error().message();
        if (Problem problem = checker.take(**next); !problem.empty()) return problem;
    }
    end = checker.position();
    return checker.finish(promises);
}

Problem check_bytes(const Store& store) {
    const auto report = store.verify();
    if (!report) return "verify: " + report.error().message();
    if (report->damages.empty()) return {};
    const Damage& damage = report->damages.front();
    return fmt::format("verify: {} at offset {}: {}", damage.file, damage.offset, damage.what);
}

void count(const Promises& promises, Checked* checked) {
    if (checked == nullptr) return;
    checked->acknowledged = promises.durable.size();
    checked->taken_back = promises.taken_back;
}

}  // namespace

std::string check_read_only(const Place& place, std::uint64_t& end, Checked* checked) {
    const Promises promises = read_promises(place);
    const auto store = Store::open(place.store(), {.read_only = true});
    // Killed before there was a store, nothing can have been promised.
    const bool missing = !store && store.error().code() == Errc::not_found;
    if (missing && promises.end_min == 0 && promises.durable.empty()) return {};
    if (!store) return "opening read-only: " + store.error().message();
    Problem problem = check_contents(*store, promises, end);
    if (!problem.empty()) return "read-only: " + problem;
    Notes(place.notes()).add({.kind = Note::Kind::seen, .last_position = end});
    count(promises, checked);
    return {};
}

std::string check_recovered(const Place& place, Io io, std::uint64_t seed, Checked* checked) {
    auto store = Store::open(place.store(), small_options(io, seed));
    if (!store) return "opening: " + store.error().message();
    Notes(place.notes())
        .add({.kind = Note::Kind::opened, .last_position = store->stat().sequenced.value});
    const Promises promises = read_promises(place);
    std::uint64_t end = 0;
    if (Problem problem = check_contents(*store, promises, end); !problem.empty()) return problem;
    if (Problem problem = check_bytes(*store); !problem.empty()) return problem;
    count(promises, checked);
    const auto closed = store->close();
    return closed ? Problem() : "closing: " + closed.error().message();
}

}  // namespace braid::kill
