#include "engine/segment_state.h"

namespace braid {

index::SegmentUpdate SegmentState::drained() const noexcept {
    index::SegmentUpdate update;
    update.segment = id;
    update.last_sequence = drained_through();
    update.last_position = drained_position;
    update.first_timestamp = first_timestamp;
    update.last_timestamp = drained_timestamp;
    update.head = head;
    update.anchor = anchor;
    update.extents_since_anchor = extents_since_anchor;
    update.files = files;
    return update;
}

void SegmentState::set_drained(const index::SegmentUpdate& update) noexcept {
    drained_position = update.last_position;
    drained_timestamp = update.last_timestamp;
    head = update.head;
    anchor = update.anchor;
    extents_since_anchor = update.extents_since_anchor;
    files = update.files;
    drained_sequence.store(update.last_sequence.value, std::memory_order_release);
}

}  // namespace braid
