#include "tests/damage/reading.h"

#include <fmt/format.h>

#include <algorithm>

namespace braid::damage {

std::string Reading::imprecise(const Error& error, const std::vector<std::string>& names) {
    const Errc code = error.code();
    if (code != Errc::corrupt && code != Errc::io && code != Errc::unsupported_version)
        return fmt::format("an error of another kind: {}", error.message());
    for (const std::string& name : names)
        if (error.message().find(name) != std::string::npos) return {};
    return fmt::format("an error that names no file: {}", error.message());
}

void Reading::note(const std::string& way, const Strand& strand, const std::string& what) {
    if (wrong_.empty())
        wrong_ = fmt::format("{} of '{}' '{}': {}", way, strand.space, strand.segment, what);
}

void Reading::take(const std::string& way, const Strand& strand, const Error& error) {
    if (const std::string what = imprecise(error, names_); !what.empty()) note(way, strand, what);
    errors_.push_back(error);
}

std::unique_ptr<ReaderBody> Reading::open(const Engine& engine, const Strand& strand,
                                          const EntryBounds& bounds) const {
    if (!strand.segment.empty()) return engine.read_segment(strand.space, strand.segment, bounds);
    if (strand.space.empty()) return engine.read_spaces(std::nullopt, bounds);
    return engine.read_spaces(std::vector<SpaceCursor>{{strand.space, bounds.after}}, bounds);
}

void Reading::compare(const std::string& way, const Strand& strand, ReaderBody& reader,
                      const std::vector<std::uint32_t>& expected) {
    for (const std::uint32_t index : expected) {
        const Row& row = truth_.row(index);
        const Result<Entry>* entry = reader.next();
        if (entry == nullptr)
            return note(way, strand, fmt::format("ends before position {}", row.position.value));
        if (!*entry) return take(way, strand, entry->error());
        if (const char* what = difference(row, **entry); what != nullptr)
            return note(way, strand, fmt::format("{} at position {}", what, row.position.value));
    }
    const Result<Entry>* more = reader.next();
    if (more == nullptr) return;
    // An error behind the last entry is one too many, but no lie.
    if (*more) return note(way, strand, "an entry too many");
    take(way, strand, more->error());
}

void Reading::read(const Engine& engine, const Strand& strand, bool backward) {
    EntryBounds bounds;
    bounds.backward = backward;
    const auto reader = open(engine, strand, bounds);
    std::vector<std::uint32_t> expected = strand.rows;
    if (backward) std::reverse(expected.begin(), expected.end());
    compare(backward ? "reading backward" : "reading", strand, *reader, expected);
}

void Reading::read_part(const Engine& engine, const Strand& strand, std::size_t from,
                        std::size_t count) {
    EntryBounds bounds;
    bounds.limit = count;
    const Row& first = truth_.row(strand.rows[from]);
    if (strand.segment.empty())
        bounds.after = first.position - 1;
    else
        bounds.from = first.sequence;
    const auto reader = open(engine, strand, bounds);
    const auto begin = strand.rows.begin() + static_cast<std::ptrdiff_t>(from);
    compare("reading a part", strand, *reader, {begin, begin + static_cast<std::ptrdiff_t>(count)});
}

void Reading::peek(const Engine& engine, const Strand& strand) {
    const auto last = engine.peek(strand.space, strand.segment, Level::durable);
    if (!last) return take("peek", strand, last.error());
    if (!*last) return note("peek", strand, "nothing there");
    const char* what = difference(truth_.row(strand.rows.back()), ***last);
    if (what != nullptr) note("peek", strand, what);
}

void Reading::status(const Engine& engine, const Strand& strand) {
    const auto status = engine.status(strand.space, strand.segment);
    if (!status) return take("status", strand, status.error());
    const Row& last = truth_.row(strand.rows.back());
    const bool right = status->first_sequence == 1 && status->last_sequence == last.sequence &&
                       status->last_position == last.position &&
                       status->last_timestamp == last.timestamp &&
                       status->first_timestamp == truth_.row(strand.rows.front()).timestamp;
    if (!right) note("status", strand, "something else");
}

void Reading::names(const Engine& engine) {
    for (const Strand& strand : truth_.strands()) {
        std::vector<std::string> expected;
        for (const Strand& other : truth_.strands()) {
            const bool below = strand.space.empty()
                                   ? !other.space.empty() && other.segment.empty()
                                   : other.space == strand.space && !other.segment.empty();
            if (below) expected.push_back(strand.space.empty() ? other.space : other.segment);
        }
        if (!strand.segment.empty()) continue;
        std::sort(expected.begin(), expected.end());
        const auto found =
            strand.space.empty()
                ? engine.table().space_names(truth_.last(), {}, no_limit)
                : engine.table().segment_names(strand.space, truth_.last(), {}, no_limit);
        if (found != expected) note("the list of names", strand, "other names");
    }
}

void Reading::read_all(const Engine& engine) {
    names(engine);
    const std::string other = truth_.kept().difference(engine);
    if (!other.empty()) note("what is kept", truth_.strands().front(), other);
    for (const Strand& strand : truth_.strands()) {
        const std::size_t errors_before = errors_.size();
        read(engine, strand, false);
        read(engine, strand, true);
        const std::size_t count = strand.rows.size();
        if (count > 2) read_part(engine, strand, count / 2, 1);
        if (count > 5) read_part(engine, strand, count / 3, 3);
        if (strand.segment.empty()) continue;
        peek(engine, strand);
        status(engine, strand);
        if (errors_.size() != errors_before) ++segments_failed_;
    }
}

}  // namespace braid::damage
