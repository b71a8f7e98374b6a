// Where something lies that rises with the position.
#include <shared_mutex>

#include "engine/engine.h"

namespace braid {

/// By halves, and before that in steps that double from the end on, near which cursors stand.
Result<Sequence> Engine::first_sequence_where(const SegmentState& segment,
                                              const SegmentStatus& status,
                                              const EntryTest& is_beyond) const {
    Sequence low = status.first_sequence;
    Sequence high = status.last_sequence + 1;
    const auto reader = read_segment(segment.space->name, segment.name(), {});
    reader->leave_bodies();
    std::uint64_t step = 1;
    for (bool from_end = true; low < high;) {
        from_end = from_end && high - low > 2 * step;
        const Sequence probe = from_end ? high - step : low + (high - low) / 2;
        const Result<Entry>* entry = reader->seek(probe);
        if (entry == nullptr) return Error(Errc::trimmed, "trimmed while it was searched");
        if (!*entry) return entry->error();
        if (is_beyond(**entry)) {
            high = probe;
            step *= 2;
        } else {
            low = probe + 1;
            from_end = false;
        }
    }
    return low;
}

/// Between two entries of the spaces there may be many of others.
Result<Position> Engine::first_position_where(const SpaceSource::Choice& choice, Position end,
                                              const EntryTest& is_beyond) const {
    EntryBounds all;
    all.on_trimmed = OnTrimmed::skip;
    ReaderBody reader(shared_from_this(), all, choice, 1);
    reader.end_at(end);
    reader.leave_bodies();
    Position low = 1;
    Position high = end + 1;
    while (low < high) {
        const Position probe = low + (high - low) / 2;
        const Result<Entry>* entry = reader.go_to(probe);
        if (entry != nullptr && !*entry) return entry->error();
        if (entry == nullptr || is_beyond(**entry))
            high = probe;
        else
            low = (**entry).position + 1;
    }
    return low;
}

Result<Position> Engine::transaction_end(Position position) const {
    if (position >= watermarks_.committed()) return position;
    EntryBounds bounds;
    bounds.after = position;
    bounds.limit = 1;
    bounds.on_trimmed = OnTrimmed::skip;
    const auto beyond = read_spaces(std::nullopt, bounds);
    beyond->leave_bodies();
    const Result<Entry>* next = beyond->next();
    if (next == nullptr) return position;
    if (!*next) return next->error();
    bounds = {};
    bounds.backward = true;
    const auto back = read_spaces(std::nullopt, bounds);
    back->end_at(position);
    back->leave_bodies();
    bool is_split = false;
    while (const Result<Entry>* entry = back->next()) {
        if (!*entry) return entry->error();
        if ((**entry).transaction != (**next).transaction)
            return is_split ? (**entry).position : position;
        is_split = true;
    }
    return is_split ? Position(0) : position;
}

}  // namespace braid
