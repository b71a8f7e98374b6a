#include <fmt/format.h>

#include <algorithm>

#include "tests/crash/history.h"

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

    void find_cut();
    void expect();
    void compare(ReaderBody& reader, const Stream& expected, const std::string& what);
    void compare_entry(const Entry& entry, const Expected& expected, const std::string& what);
    void compare_stamp(const Entry& entry, const Expected& expected, const std::string& what);
    void compare_status(const std::string& space, const std::string& segment,
                        const Stream& expected);
    [[nodiscard]] bool is_excused(const Error& error) const {
        return reads_ == History::Reads::may_fail &&
               (error.code() == Errc::io || error.code() == Errc::no_space);
    }

    History& history_;
    const Engine& engine_;
    const History::Reads reads_;
    std::size_t found_ = 0;  // transactions in the store
    std::vector<Expected> all_;
    std::map<std::string, Stream> spaces_;
    std::map<std::pair<std::string, std::string>, Stream> segments_;
};

/// Whole transactions only, at least the acknowledged ones.
void StoreCheck::find_cut() {
    const std::uint64_t end = engine_.watermarks().committed().value;
    auto& all = history_.transactions_;
    const auto at = std::find_if(all.begin(), all.end(), [&](const History::Planned& planned) {
        return planned.last_position == end;
    });
    if (end != 0 && at == all.end())
        throw Broken(
            fmt::format("position {}, where the store ends, isn't the end of a "
                        "transaction",
                        end));
    found_ = end == 0 ? 0 : static_cast<std::size_t>(at - all.begin()) + 1;
    if (found_ < history_.durable_)
        throw Broken(fmt::format("lost: {} transactions were acknowledged durable, {} are there",
                                 history_.durable_, found_));
}

void StoreCheck::expect() {
    std::map<std::pair<std::string, std::string>, std::uint64_t> sequences;
    const auto& planned = history_.transactions_;
    all_.reserve(found_ == 0 ? 0 : planned[found_ - 1].last_position);
    for (std::size_t i = 0; i < planned.size(); ++i) {
        for (const PlannedRecord& record : planned[i].transaction->records) {
            Stream& space = spaces_[record.space];
            Stream& segment = segments_[{record.space, record.segment}];
            if (i >= found_) continue;  // the names must be asked for, and give nothing
            all_.push_back({&record, all_.size() + 1, segment.size() + 1, i});
            space.push_back(&all_.back());
            segment.push_back(&all_.back());
        }
    }
}

void StoreCheck::compare_stamp(const Entry& entry, const Expected& expected,
                               const std::string& what) {
    auto& planned = history_.transactions_;
    History::Stamp& stamp = planned[expected.transaction].stamp;
    const History::Stamp before =
        expected.transaction == 0 ? History::Stamp{} : planned[expected.transaction - 1].stamp;
    if (stamp.transaction == 0) stamp = {entry.transaction, entry.timestamp};
    if (entry.transaction != stamp.transaction || entry.timestamp != stamp.timestamp)
        throw Broken(fmt::format("{}: position {} has transaction {} at {}, told were {} at {}",
                                 what, expected.position, entry.transaction.value,
                                 entry.timestamp.value, stamp.transaction.value,
                                 stamp.timestamp.value));
    if (stamp.transaction <= before.transaction || stamp.timestamp < before.timestamp)
        throw Broken(fmt::format("{}: position {}: transaction {} at {} comes after {} at {}", what,
                                 expected.position, stamp.transaction.value, stamp.timestamp.value,
                                 before.transaction.value, before.timestamp.value));
}

void StoreCheck::compare_entry(const Entry& entry, const Expected& expected,
                               const std::string& what) {
    const PlannedRecord& record = *expected.record;
    if (entry.position != expected.position || entry.sequence != expected.sequence ||
        entry.space != record.space || entry.segment != record.segment)
        throw Broken(
            fmt::format("{}: expected position {}, {}/{} sequence {}; found position {}, "
                        "{}/{} sequence {}",
                        what, expected.position, record.space, record.segment, expected.sequence,
                        entry.position.value, entry.space, entry.segment, entry.sequence.value));
    const bool metadata =
        record.metadata.empty()
            ? entry.metadata.empty()
            : entry.metadata.size() == 1 && entry.metadata.begin()->value == record.metadata;
    if (entry.text() != record.payload || !metadata)
        throw Broken(fmt::format("{}: position {} has another payload or metadata", what,
                                 expected.position));
}

void StoreCheck::compare(ReaderBody& reader, const Stream& expected, const std::string& what) {
    std::size_t read = 0;
    while (const Result<Entry>* entry = reader.next()) {
        if (!*entry && is_excused(entry->error())) return;
        if (!*entry) throw Broken(fmt::format("{}: {}", what, entry->error().message()));
        if (read == expected.size())
            throw Broken(fmt::format("{}: an entry behind the end, position {}", what,
                                     (*entry)->position.value));
        compare_entry(**entry, *expected[read], what);
        compare_stamp(**entry, *expected[read], what);
        ++read;
    }
    if (read != expected.size())
        throw Broken(fmt::format("{}: {} entries instead of {}", what, read, expected.size()));
}

void StoreCheck::compare_status(const std::string& space, const std::string& segment,
                                const Stream& expected) {
    const auto status = engine_.status(space, segment);
    if (!status && is_excused(status.error())) return;
    const std::uint64_t last = expected.empty() ? 0 : expected.back()->position;
    if (!status || status->last_sequence != expected.size() || status->last_position != last)
        throw Broken(fmt::format("the status of {}/{}: sequence {} at position {} expected", space,
                                 segment, expected.size(), last));
    // In a store at work some may be committed only.
    const Watermarks& marks = engine_.watermarks();
    const Level level = marks.committed() == marks.durable() ? Level::durable : Level::committed;
    const auto newest = engine_.peek(space, segment, level);
    if (!newest && is_excused(newest.error())) return;
    if (!newest || newest->has_value() == expected.empty())
        throw Broken(fmt::format("a peek of {}/{} finds {}", space, segment,
                                 !newest ? newest.error().message() : "something else"));
    if (!expected.empty()) compare_entry(***newest, *expected.back(), "peek");
}

void StoreCheck::run() {
    find_cut();
    expect();
    Stream whole;
    whole.reserve(all_.size());
    for (const Expected& one : all_) whole.push_back(&one);
    compare(*engine_.read_spaces(std::nullopt, {}), whole, "the store");
    for (const auto& [space, stream] : spaces_) {
        std::vector<SpaceCursor> one{{space, 0}};
        compare(*engine_.read_spaces(std::move(one), {}), stream, "space " + space);
    }
    for (const auto& [names, stream] : segments_) {
        compare(*engine_.read_segment(names.first, names.second, {}), stream,
                "segment " + names.first + "/" + names.second);
        compare_status(names.first, names.second, stream);
    }
    history_.transactions_.resize(found_);
    history_.durable_ = found_;
}

void History::check_and_adopt(const Engine& engine, Reads reads) {
    StoreCheck(*this, engine, reads).run();
    created();
}

}  // namespace braid::crash
