#include "engine/batch_contents.h"

#include <algorithm>

#include "segment/frame.h"

namespace braid {

void BatchContents::note(const segment::Change& change) {
    if (const auto* space = std::get_if<segment::SpaceNamed>(&change))
        space_names[space->space.value] = space->name;
    if (const auto* named = std::get_if<segment::SegmentNamed>(&change))
        segment_names[named->segment.value] = *named;
    if (const auto* moved = std::get_if<segment::ConsumerMoved>(&change))
        consumers.insert(moved->consumer);
    if (const auto* taken = std::get_if<segment::ConsumerTaken>(&change))
        consumers.insert(taken->consumer);
    if (const auto* deleted = std::get_if<segment::ConsumerDeleted>(&change))
        consumers.insert(deleted->consumer);
    if (const auto* granted = std::get_if<segment::LeaseGranted>(&change))
        leases.insert(granted->key);
    if (const auto* released = std::get_if<segment::LeaseReleased>(&change))
        leases.insert(released->key);
    if (std::holds_alternative<segment::TransactionNoted>(change)) ++ids;
}

void BatchContents::note(Bytes body, std::uint64_t store_seed) {
    while (!body.empty()) {
        const segment::Look look = segment::look(body);
        if (look.found != segment::Found::item) return;
        if (segment::is_change(look.type)) {
            if (const auto change = segment::read_change_item(body.first(look.length), store_seed))
                note(*change);
        } else {
            const segment::FrameView frame(body.data());
            last = std::max(last, frame.last_position());
            segments.insert(frame.segment().value);
        }
        body = body.subspan(std::min<std::size_t>(body.size(), segment::padded(look.length)));
    }
}

}  // namespace braid
