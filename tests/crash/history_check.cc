#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/crash/history.h"
#include "tests/crash/workload_run.h"

namespace braid::crash {

/// One comparison of a store with a history.
class StoreCheck {
public:
    StoreCheck(History& history, const Engine& engine, History::Reads reads)
        : history_(history), engine_(engine), reads_(reads) {}

    void run();

private:
    struct Expected {
        const PlannedRecord* record = nullptr;
        std::uint64_t position = 0;
        std::uint64_t sequence = 0;
        std::size_t transaction = 0;  // index
    };
    using Stream = std::vector<const Expected*>;

    /// What is to be read of a space, or of one of its segments.
    struct Named {
        std::string_view space;
        std::string_view segment;
        Stream stream;               // without what is trimmed
        std::uint64_t trimmed = 0;   // of a segment: through this sequence
        std::uint64_t sequence = 0;  // of its last entry, trimmed or not
        std::uint64_t position = 0;  // likewise
    };
    /// Few, so that a list is found faster than a map is made.
    using NamedStreams = std::vector<Named>;

    void find_cut();
    void compare_consumers();
    void compare_leases();
    void compare_ids();
    static void set_cursor(Consumer& consumer, const std::string& space, Position position);
    void expect();
    static Named& find(NamedStreams& streams, std::string_view space, std::string_view segment);
    void find_trims();
    void compare(ReaderBody& reader, const Stream& expected);
    void compare_entry(const Entry& entry, const Expected& expected);
    void compare_stamp(const Entry& entry, const Expected& expected);
    void compare_status(const Named& named);
    [[nodiscard]] std::string what() const;
    [[nodiscard]] bool is_excused(const Error& error) const {
        return reads_ == History::Reads::may_fail &&
               (error.code() == Errc::io || error.code() == Errc::no_space);
    }

    History& history_;
    const Engine& engine_;
    const History::Reads reads_;
    std::size_t found_ = 0;      // transactions in the store
    std::vector<Expected> all_;  // trimmed ones, too
    Stream whole_;
    NamedStreams spaces_;
    NamedStreams segments_;
    const Named* reading_ = nullptr;  // none: the whole store
};

/// Whole transactions only, at least the acknowledged ones.
void StoreCheck::find_cut() {
    const std::uint64_t end = engine_.watermarks().committed().value;
    auto& all = history_.transactions_;
    found_ = engine_.watermarks().transaction_at(Level::committed).value;
    if (found_ > all.size())
        throw Broken(fmt::format("the store ends with transaction {} of {}", found_, all.size()));
    const std::uint64_t expected = found_ == 0 ? 0 : all[found_ - 1].last_position;
    if (end != expected)
        throw Broken(
            fmt::format("position {}, where the store ends, isn't the end of transaction "
                        "{}, {}",
                        end, found_, expected));
    if (found_ < history_.durable_)
        throw Broken(fmt::format("lost: {} transactions were acknowledged durable, {} are there",
                                 history_.durable_, found_));
}

StoreCheck::Named& StoreCheck::find(NamedStreams& streams, std::string_view space,
                                    std::string_view segment) {
    for (Named& named : streams)
        if (named.space == space && named.segment == segment) return named;
    Named& named = streams.emplace_back();
    named.space = space;
    named.segment = segment;
    return named;
}

void StoreCheck::expect() {
    const auto& planned = history_.transactions_;
    all_.reserve(found_ == 0 ? 0 : planned[found_ - 1].last_position);
    for (std::size_t i = 0; i < planned.size(); ++i) {
        for (const PlannedRecord& record : planned[i].transaction->records) {
            Named& space = find(spaces_, record.space, {});
            Named& segment = find(segments_, record.space, record.segment);
            if (i >= found_) continue;  // the names must be asked for, and give nothing
            segment.position = all_.size() + 1;
            all_.push_back({&record, segment.position, ++segment.sequence, i});
            if (segment.sequence <= segment.trimmed) continue;
            whole_.push_back(&all_.back());
            space.stream.push_back(&all_.back());
            segment.stream.push_back(&all_.back());
        }
    }
}

/// What was trimmed for sure is gone, and what may have been is gone as a whole or not at all.
void StoreCheck::find_trims() {
    for (auto& [names, trim] : history_.trims_) {
        const auto status = engine_.status(names.first, names.second);
        if (!status) throw Broken(status.error().message());
        const std::uint64_t first = status->first_sequence.value;
        const std::uint64_t trimmed = first == 0 ? 0 : first - 1;
        if (trimmed != trim.done && trimmed != trim.begun)
            throw Broken(fmt::format("{}/{} is trimmed through {}, expected {} or {}", names.first,
                                     names.second, trimmed, trim.done, trim.begun));
        trim = {trimmed, trimmed};
        find(segments_, names.first, names.second).trimmed = trimmed;
    }
}

void StoreCheck::compare_stamp(const Entry& entry, const Expected& expected) {
    auto& planned = history_.transactions_;
    History::Stamp& stamp = planned[expected.transaction].stamp;
    History::Stamp before;  // of the last one that has records
    for (std::size_t i = expected.transaction; i > 0 && before.transaction == 0; --i)
        before = planned[i - 1].stamp;
    if (stamp.transaction == 0) stamp = {entry.transaction, entry.timestamp};
    if (entry.transaction != stamp.transaction || entry.timestamp != stamp.timestamp)
        throw Broken(fmt::format("{}: position {} has transaction {} at {}, told were {} at {}",
                                 what(), expected.position, entry.transaction.value,
                                 entry.timestamp.value, stamp.transaction.value,
                                 stamp.timestamp.value));
    if (stamp.transaction <= before.transaction || stamp.timestamp < before.timestamp)
        throw Broken(fmt::format("{}: position {}: transaction {} at {} comes after {} at {}",
                                 what(), expected.position, stamp.transaction.value,
                                 stamp.timestamp.value, before.transaction.value,
                                 before.timestamp.value));
}

void StoreCheck::compare_entry(const Entry& entry, const Expected& expected) {
    const PlannedRecord& record = *expected.record;
    if (entry.position != expected.position || entry.sequence != expected.sequence ||
        entry.space != record.space || entry.segment != record.segment)
        throw Broken(
            fmt::format("{}: expected position {}, {}/{} sequence {}; found position {}, "
                        "{}/{} sequence {}",
                        what(), expected.position, record.space, record.segment, expected.sequence,
                        entry.position.value, entry.space, entry.segment, entry.sequence.value));
    const bool metadata =
        record.metadata.empty()
            ? entry.metadata.empty()
            : entry.metadata.size() == 1 && entry.metadata.begin()->value == record.metadata;
    if (entry.text() != record.payload || !metadata)
        throw Broken(fmt::format("{}: position {} has another payload or metadata", what(),
                                 expected.position));
}

void StoreCheck::compare(ReaderBody& reader, const Stream& expected) {
    std::size_t read = 0;
    while (const Result<Entry>* entry = reader.next()) {
        if (!*entry && is_excused(entry->error())) return;
        if (!*entry) throw Broken(fmt::format("{}: {}", what(), entry->error().message()));
        if (read == expected.size())
            throw Broken(fmt::format("{}: an entry behind the end, position {}", what(),
                                     (*entry)->position.value));
        compare_entry(**entry, *expected[read]);
        compare_stamp(**entry, *expected[read]);
        ++read;
    }
    if (read != expected.size())
        throw Broken(fmt::format("{}: {} entries instead of {}", what(), read, expected.size()));
}

void StoreCheck::compare_status(const Named& named) {
    const Stream& expected = named.stream;
    const auto status = engine_.status(named.space, named.segment);
    if (!status && is_excused(status.error())) return;
    if (!status || status->last_sequence != named.sequence ||
        status->last_position != named.position)
        throw Broken(fmt::format("the status of {}: sequence {} at position {} expected", what(),
                                 named.sequence, named.position));
    // In a store at work some may be committed only.
    const Watermarks& marks = engine_.watermarks();
    const Level level = marks.committed() == marks.durable() ? Level::durable : Level::committed;
    const auto newest = engine_.peek(named.space, named.segment, level);
    if (!newest && is_excused(newest.error())) return;
    if (!newest || newest->has_value() == expected.empty())
        throw Broken(fmt::format("a peek of {} finds {}", what(),
                                 !newest ? newest.error().message() : "something else"));
    if (!expected.empty()) compare_entry(***newest, *expected.back());
}

/// What is being read, in words.
std::string StoreCheck::what() const {
    if (reading_ == nullptr) return "the store";
    return fmt::format("{}/{}", reading_->space, reading_->segment);
}

/// The consumers, as the transactions that were found leave them.
void StoreCheck::compare_consumers() {
    using Kind = PlannedConsumer::Kind;
    std::map<std::string, Consumer> expected;
    for (std::size_t i = 0; i < found_; ++i) {
        const History::Planned& planned = history_.transactions_[i];
        for (const PlannedConsumer& one : planned.transaction->consumers) {
            if (one.kind == Kind::remove) {
                expected.erase(one.consumer);
                continue;
            }
            Consumer& consumer = expected[one.consumer];
            consumer.name = one.consumer;
            if (one.kind == Kind::take) consumer.epoch = i + 1;
            if (one.kind == Kind::move)
                set_cursor(consumer, one.space, one.position % (planned.durable.value + 1));
        }
    }
    const std::vector<std::string> names = engine_.consumer_names({}, no_limit);
    if (names.size() != expected.size())
        throw Broken(fmt::format("{} consumers instead of {}", names.size(), expected.size()));
    for (const auto& [name, consumer] : expected)
        if (engine_.consumer(name, Level::committed) != consumer)
            throw Broken(fmt::format("consumer {} isn't where it should be", name));
}

/// Nobody's token is forgotten, and none comes back.
void StoreCheck::compare_leases() {
    std::size_t held = 0;
    std::set<std::string> keys;
    for (const History::Planned& planned : history_.transactions_)
        for (const PlannedLease& one : planned.transaction->leases) keys.insert(one.key);
    for (const std::string& key : keys) {
        const LeaseToken token = history_.lease_token(key, found_);
        const auto lease = engine_.lease(key, Level::committed);
        if (token != 0) ++held;
        if (lease.has_value() != (token != 0))
            throw Broken(fmt::format("lease {} is {}", key, lease ? "held" : "gone"));
        if (lease && (lease->token != token || lease->holder != planned_holder(key) ||
                      lease->ttl != std::chrono::nanoseconds(planned_ttl_ns)))
            throw Broken(fmt::format("lease {} has token {} instead of {}", key, lease->token.value,
                                     token.value));
    }
    if (engine_.leases({}, no_limit).size() != held) throw Broken("a lease that nobody got");
}

/// Those that were found are known by their ids, and no others but what is on its way or, where
/// writing the log failed, in doubt.
void StoreCheck::compare_ids() {
    for (std::size_t i = 0; i < history_.transactions_.size(); ++i) {
        const History::Planned& planned = history_.transactions_[i];
        if (planned.transaction->id == 0) continue;
        const auto noted = engine_.noted(planned_id(*planned.transaction));
        const bool is_known = noted && noted->transaction <= TransactionNumber(found_);
        if (is_known != (i < found_))
            throw Broken(fmt::format("transaction {} of {} is {} by its id", i + 1, found_,
                                     is_known ? "known" : "not known"));
        const std::uint64_t records = planned.transaction->records.size();
        const Position first = records == 0 ? 0 : planned.last_position - records + 1;
        if (noted && (noted->transaction != i + 1 || noted->first_position != first ||
                      noted->records != records))
            throw Broken(fmt::format("transaction {} is known by its id as another", i + 1));
    }
}

void StoreCheck::set_cursor(Consumer& consumer, const std::string& space, Position position) {
    for (ConsumerCursor& cursor : consumer.cursors)
        if (cursor.space == space) return void(cursor.position = position);
    consumer.cursors.push_back({space, "", position});
    std::sort(consumer.cursors.begin(), consumer.cursors.end(),
              [](const auto& left, const auto& right) { return left.space < right.space; });
}

void StoreCheck::run() {
    find_cut();
    compare_consumers();
    compare_leases();
    compare_ids();
    find_trims();
    expect();
    EntryBounds all;
    all.on_trimmed = OnTrimmed::skip;
    compare(*engine_.read_spaces(std::nullopt, all), whole_);
    for (const Named& space : spaces_) {
        reading_ = &space;
        std::vector<SpaceCursor> one{{std::string(space.space), 0}};
        compare(*engine_.read_spaces(std::move(one), all), space.stream);
    }
    for (const Named& segment : segments_) {
        reading_ = &segment;
        compare(*engine_.read_segment(segment.space, segment.segment, {}), segment.stream);
        compare_status(segment);
    }
    history_.transactions_.resize(found_);
    history_.durable_ = found_;
}

void History::check_and_adopt(const Engine& engine, Reads reads) {
    StoreCheck(*this, engine, reads).run();
    created();
}

}  // namespace braid::crash
