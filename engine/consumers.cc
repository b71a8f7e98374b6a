#include <algorithm>

#include "engine/engine.h"

namespace braid {

std::unique_lock<std::mutex> Engine::lock_sequencer() const {
    if (group_ == nullptr) return {};
    return std::unique_lock(group_->mutex);
}

std::optional<Consumer> Engine::consumer(std::string_view name, Level level) const {
    const auto lock = lock_sequencer();
    return consumers_->find(name, watermarks_.transaction_at(level));
}

/// In turns, so that no commit waits long.
std::vector<std::string> Engine::consumer_names(std::string after, std::uint64_t limit) const {
    constexpr std::size_t turn = 256;
    std::vector<std::string> names;
    for (bool more = true; more;) {
        const auto lock = lock_sequencer();
        more = consumers_->list(after, limit, turn, watermarks_.transaction_at(Level::committed),
                                names);
    }
    return names;
}

Result<std::uint64_t> Engine::lag(const Source& source, Position cursor) const {
    const Position end = watermarks_.committed();
    if (cursor >= end) return 0;
    if (!source.segment.empty()) {
        EntryBounds beyond;
        beyond.after = cursor;
        beyond.limit = 1;
        beyond.on_trimmed = OnTrimmed::skip;
        const SegmentState* state = table_->find(source.space, source.segment, end);
        const auto last = peek(source.space, source.segment, Level::committed);
        if (!last) return last.error();
        const auto reader = read_segment(source.space, source.segment, beyond);
        const Result<Entry>* first = reader->next();
        if (first == nullptr || state == nullptr || !*last) return 0;
        if (!*first) return first->error();
        const Sequence newest = (**last)->sequence;
        return newest < (*first)->sequence ? 0 : newest - (*first)->sequence + 1;
    }
    const SpaceState* space =
        source.space.empty() ? nullptr : table_->find_space(source.space, end);
    if (!source.space.empty() && space == nullptr) return 0;
    Position trimmed;
    {
        const std::shared_lock lock(storage_->publish);
        trimmed = space == nullptr ? storage_->trimmed_through() : space->trimmed_through;
    }
    if (trimmed > cursor) return count_readable(source, cursor);
    if (space == nullptr) return end - cursor;
    return lag_in_space(*space, cursor);
}

Result<std::uint64_t> Engine::count_readable(const Source& source, Position cursor) const {
    EntryBounds beyond;
    beyond.after = cursor;
    beyond.on_trimmed = OnTrimmed::skip;
    std::optional<std::vector<SpaceCursor>> spaces;
    if (!source.space.empty()) spaces = {{std::string(source.space), 0}};
    const auto reader = read_spaces(std::move(spaces), beyond);
    std::uint64_t count = 0;
    while (const Result<Entry>* entry = reader->next()) {
        if (!*entry) return entry->error();
        ++count;
    }
    return count;
}

namespace {

/// Records of these, in order of position, that lie at or before the cursor.
std::uint64_t records_through(const std::vector<index::OrderEntry>& entries, Position cursor) {
    std::uint64_t records = 0;
    for (const index::OrderEntry& entry : entries) {
        if (entry.first_position > cursor) break;
        records += std::min<std::uint64_t>(entry.records, cursor - entry.first_position + 1);
    }
    return records;
}

/// Of a space, in the nodes of a chunk within (after, end].
std::uint64_t records_between(const segment::Chunk& chunk, const SpaceState& space, Position after,
                              Position end) {
    std::uint64_t records = 0;
    const std::size_t count = chunk.nodes();
    for (std::size_t i = chunk.find(after + 1, count); i < count; ++i) {
        const segment::TailNode& node = chunk.node(i);
        if (node.first_position > end) break;
        if (static_cast<const SegmentState*>(node.owner)->space != &space) continue;
        const Position first = std::max(node.first_position, Position(after + 1));
        records += std::min(node.last_position(), end) - first + 1;
    }
    return records;
}

}  // namespace

/// Of what is drained, the space's sections count; the frames in memory are looked through.
Result<std::uint64_t> Engine::lag_in_space(const SpaceState& space, Position cursor) const {
    const std::shared_lock lock(storage_->publish);
    const Position end = watermarks_.committed();
    const Position drained = storage_->drained();
    std::uint64_t records = 0;
    if (cursor < drained) {
        const auto& packs = storage_->packs();
        std::uint64_t seen = space.order.records;
        for (const PackState* pack = storage_->pack_at(cursor + 1);
             pack != nullptr && pack != packs.data() + packs.size(); ++pack) {
            const auto section =
                std::find_if(pack->sections.begin(), pack->sections.end(), [&](const auto& one) {
                    return one.space == space.id && one.last_position > cursor;
                });
            if (section == pack->sections.end()) continue;
            seen = section->records_before;
            if (section->first_position > cursor) break;
            const auto entries = storage_->order(*pack, *section, [&](SegmentId id) {
                const SegmentState* segment = table_->find(id);
                return segment != nullptr && segment->space == &space;
            });
            if (!entries) return entries.error();
            seen += records_through(*entries, cursor);
            break;
        }
        records = space.order.records - seen;
    }
    for (const auto& chunk : arena_->chunks())
        records += records_between(*chunk, space, std::max(cursor, drained), end);
    return records;
}

}  // namespace braid
