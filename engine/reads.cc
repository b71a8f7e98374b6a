#include <algorithm>

#include "engine/engine.h"
#include "engine/segment_source.h"
#include "engine/space_source.h"

namespace braid {

std::unique_ptr<ReaderBody> Engine::read_segment(std::string_view space, std::string_view segment,
                                                 const EntryBounds& bounds) const {
    return std::make_unique<ReaderBody>(shared_from_this(), bounds, space, segment);
}

std::unique_ptr<ReaderBody> Engine::read_spaces(std::optional<std::vector<SpaceCursor>> spaces,
                                                const EntryBounds& bounds,
                                                std::vector<std::string> only_segments) const {
    SpaceSource::Choice choice;
    choice.all = !spaces;
    choice.segments = std::move(only_segments);
    std::sort(choice.segments.begin(), choice.segments.end());
    EntryBounds checked = bounds;
    Position from = bounds.after + 1;
    if (spaces) {
        Position least = no_limit - 1;
        for (SpaceCursor& cursor : *spaces) {
            least = std::min(least, cursor.after);
            // One cursor beyond the end is told as the whole reader's.
            if (cursor.after > watermarks_.committed()) checked.after = cursor.after;
            choice.spaces.push_back({std::move(cursor.space), cursor.after});
        }
        from = std::max(from, Position(least + 1));
    }
    return std::make_unique<ReaderBody>(shared_from_this(), checked, std::move(choice), from);
}

namespace {

/// Of a reader that gives the newest entry.
EntryBounds newest_at(Level level) {
    EntryBounds bounds;
    bounds.backward = true;
    bounds.limit = 1;
    bounds.level = level;
    return bounds;
}

}  // namespace

Result<std::optional<KeptEntry>> Engine::peek(std::string_view space, std::string_view segment,
                                              Level level) const {
    const auto reader = read_segment(space, segment, newest_at(level));
    const Result<Entry>* entry = reader->next();
    if (entry == nullptr) return std::optional<KeptEntry>();
    if (!*entry) return entry->error();
    return std::optional<KeptEntry>((*entry)->keep());
}

Result<SegmentStatus> Engine::status(std::string_view space, std::string_view segment) const {
    const auto newest = read_segment(space, segment, newest_at(Level::committed));
    newest->leave_bodies();
    const Result<Entry>* last = newest->next();
    if (last != nullptr && !*last) return last->error();
    const SegmentState* state = table_->find(space, segment, watermarks_.committed());
    if (state == nullptr) return SegmentStatus();
    return status_of(*state, last != nullptr ? &**last : nullptr);
}

Result<SegmentStatus> Engine::status_of(const SegmentState& segment, const Entry* last) const {
    SegmentStatus status;
    Sequence trimmed;
    {
        const std::shared_lock lock(storage_->publish);
        trimmed = segment.trimmed;
        status.last_sequence = trimmed;
        status.last_position = segment.trimmed_position;
        if (trimmed != 0) status.last_timestamp = segment.drained_timestamp;
    }
    status.first_sequence = trimmed + 1;
    if (last == nullptr || last->sequence <= trimmed) return status;
    if (trimmed == 0) {
        status.first_timestamp = segment.first_timestamp;
    } else {
        EntryBounds first_left;
        first_left.from = trimmed + 1;
        first_left.on_trimmed = OnTrimmed::skip;
        const auto reader = read_segment(segment.space->name, segment.name(), first_left);
        reader->leave_bodies();
        const Result<Entry>* first = reader->next();
        if (first != nullptr && !*first) return first->error();
        if (first != nullptr) status.first_timestamp = (**first).timestamp;
    }
    status.last_sequence = last->sequence;
    status.last_timestamp = last->timestamp;
    status.last_position = last->position;
    return status;
}

}  // namespace braid
