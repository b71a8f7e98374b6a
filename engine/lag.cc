// How many entries lie beyond a cursor.
#include <fmt/format.h>

#include <algorithm>
#include <shared_mutex>

#include "engine/engine.h"

namespace braid {
namespace {

std::uint64_t records_through(const std::vector<index::OrderEntry>& entries, Position position) {
    std::uint64_t records = 0;
    for (const index::OrderEntry& entry : entries) {
        if (entry.first_position > position) break;
        records += std::min<std::uint64_t>(entry.records, position - entry.first_position + 1);
    }
    return records;
}

const index::OrderSection* section_of(const PackState& pack, SpaceId space) {
    const auto found =
        std::find_if(pack.sections.begin(), pack.sections.end(),
                     [&](const index::OrderSection& section) { return section.space == space; });
    return found == pack.sections.end() ? nullptr : &*found;
}

/// How many records the section has up to the position: from the counts of its blocks, and the
/// entries of one. Where it is damaged, from all of its entries.
Result<std::uint64_t> records_through(const ReadParts& parts, const PackState& pack,
                                      const index::OrderSection& section, Position position) {
    const auto blocks = parts.storage.order_blocks(pack, section);
    const auto bytes = parts.storage.order_bytes(pack, section);
    if (blocks && bytes) {
        const auto beyond = std::upper_bound(
            (*blocks)->begin(), (*blocks)->end(), position,
            [](Position wanted, const auto& block) { return wanted < block.first_position; });
        if (beyond == (*blocks)->begin()) return 0;
        const auto block = index::decode_order_block(bytes->bytes.subspan((beyond - 1)->offset),
                                                     section.pack, parts.store_seed, "", 0);
        if (block)
            return block->records_before - section.records_before +
                   records_through(block->entries, position);
    }
    const SpaceState* space = parts.table.find(section.space);
    const auto entries = parts.storage.order(pack, section, [&](SegmentId id) {
        const SegmentState* segment = parts.table.find(id);
        return segment != nullptr && segment->space == space;
    });
    if (!entries) return entries.error();
    return records_through(*entries, position);
}

/// Of the space in all that was drained. What a writer has gathered since a store was opened
/// read-only may hold more.
Result<std::uint64_t> drained_records(const ReadParts& parts, SpaceId space) {
    const auto& packs = parts.storage.packs();
    const Position drained = parts.storage.drained();
    for (auto pack = packs.rbegin(); pack != packs.rend(); ++pack) {
        const index::OrderSection* last = section_of(*pack, space);
        if (last == nullptr || last->first_position > drained) continue;
        if (last->last_position <= drained) return last->records_before + last->records;
        auto records = records_through(parts, *pack, *last, drained);
        if (!records) return records;
        return last->records_before + *records;
    }
    return 0;
}

/// Drained entries of the space beyond the position.
Result<std::uint64_t> drained_beyond(const ReadParts& parts, SpaceId space, Position position) {
    if (position >= parts.storage.drained()) return 0;
    const auto all = drained_records(parts, space);
    if (!all) return all;
    // The first section that reaches beyond the position knows what lies before it.
    for (const PackState& pack : parts.storage.packs()) {
        const index::OrderSection* section = section_of(pack, space);
        if (section == nullptr || section->last_position <= position) continue;
        auto before = records_through(parts, pack, *section, position);
        if (!before) return before;
        return *all - std::min(*all, section->records_before + *before);
    }
    return 0;
}

/// Entries of the space in memory from one position to another.
std::uint64_t undrained_between(const ReadParts& parts, const SpaceState& space, Position from,
                                Position to) {
    std::uint64_t records = 0;
    for (Position next = from; next <= to;) {
        const auto chunk = parts.arena.find(next);
        if (chunk == nullptr) break;
        const std::size_t count = chunk->nodes();
        const Position before = next;
        for (std::size_t i = chunk->find(next, count); i < count && next <= to; ++i) {
            const segment::TailNode& node = chunk->node(i);
            if (node.first_position > to) return records;
            if (static_cast<const SegmentState*>(node.owner)->space == &space)
                records +=
                    std::min(node.last_position(), to) - std::max(node.first_position, next) + 1;
            next = node.last_position() + 1;
        }
        if (next == before) break;
    }
    return records;
}

}  // namespace

Result<std::uint64_t> Engine::lag(const Source& source, Position cursor) const {
    for (;;) {
        auto count = lag_now(source, cursor);
        if (count || count.error().code() != Errc::corrupt || !look_again()) return count;
    }
}

Result<std::uint64_t> Engine::lag_now(const Source& source, Position cursor) const {
    const Position end = watermarks_.committed();
    if (cursor > end)
        return Error(Errc::out_of_range,
                     fmt::format("the cursor stands at position {}, the store ends at {}",
                                 cursor.value, end.value));
    if (!source.segment.empty()) return lag_in_segment(source, cursor);
    const SpaceState* space =
        source.space.empty() ? nullptr : table_->find_space(source.space, end);
    if (!source.space.empty() && space == nullptr) return 0;
    {
        const std::shared_lock lock(storage_->publish);
        const Position trimmed =
            space == nullptr ? storage_->trimmed_through() : space->trimmed_through;
        if (trimmed <= cursor)
            return space == nullptr ? end - cursor : lag_in_space(*space, cursor, end);
    }
    return count_readable(source, cursor);
}

Result<std::uint64_t> Engine::count_readable(const Source& source, Position cursor) const {
    EntryBounds beyond;
    beyond.after = cursor;
    beyond.on_trimmed = OnTrimmed::skip;
    std::optional<std::vector<SpaceCursor>> spaces;
    if (!source.space.empty()) spaces = {{std::string(source.space), 0}};
    const auto reader = read_spaces(std::move(spaces), beyond);
    reader->leave_bodies();
    std::uint64_t count = 0;
    while (const Result<Entry>* entry = reader->next()) {
        if (!*entry) return entry->error();
        ++count;
    }
    return count;
}

/// Under the publish lock; nothing of what lies beyond the cursor is trimmed.
Result<std::uint64_t> Engine::lag_in_space(const SpaceState& space, Position cursor,
                                           Position end) const {
    auto drained = drained_beyond(parts(), space.id, cursor);
    if (!drained) return drained;
    const Position from = std::max(cursor, storage_->drained()) + 1;
    return *drained + undrained_between(parts(), space, from, end);
}

/// Sequences and positions rise together.
Result<std::uint64_t> Engine::lag_in_segment(const Source& source, Position cursor) const {
    const auto status = this->status(source.space, source.segment);
    if (!status) return status.error();
    if (status->last_position <= cursor) return 0;
    const SegmentState* segment =
        table_->find(source.space, source.segment, watermarks_.committed());
    const auto first = first_sequence_where(
        *segment, *status, [&](const Entry& entry) { return entry.position > cursor; });
    if (!first && first.error().code() == Errc::trimmed) return 0;
    if (!first) return first.error();
    return status->last_sequence - *first + 1;
}

}  // namespace braid
