// Where something lies that rises with the position.
#include <shared_mutex>

#include "engine/engine.h"

namespace braid {
namespace {

/// Whether a transaction has entries beyond the position, as far as they are left.
Result<bool> goes_beyond(const Engine& engine, TransactionNumber transaction, Position position) {
    EntryBounds bounds;
    bounds.after = position;
    bounds.limit = 1;
    bounds.on_trimmed = OnTrimmed::skip;
    const auto beyond = engine.read_spaces(std::nullopt, bounds);
    beyond->leave_bodies();
    const Result<Entry>* next = beyond->next();
    if (next == nullptr) return false;
    if (!*next) return next->error();
    return (**next).transaction == transaction;
}

}  // namespace

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

/// The entry at the position tells by its frame whether its transaction ends there; where it is
/// trimmed, what is left around it has to do.
Result<Position> Engine::transaction_end(Position position) const {
    if (position >= watermarks_.committed()) return position;
    EntryBounds bounds;
    bounds.backward = true;
    const auto back = read_spaces(std::nullopt, bounds);
    back->end_at(position);
    back->leave_bodies();
    const Result<Entry>* last = back->next();
    if (last == nullptr) return position;
    if (!*last) return last->error();
    const TransactionNumber transaction = (**last).transaction;
    const auto is_split = (**last).position == position ? Result<bool>(!back->ends_transaction())
                                                        : goes_beyond(*this, transaction, position);
    if (!is_split) return is_split.error();
    if (!*is_split) return position;
    while (const Result<Entry>* entry = back->next()) {
        if (!*entry) return entry->error();
        if ((**entry).transaction != transaction) return (**entry).position;
    }
    return Position(0);
}

}  // namespace braid
