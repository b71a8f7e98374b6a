// Where a reader begins: found by halves in a long segment or space, not by walking there.
#include "engine/engine.h"
#include "engine/reader_body.h"

namespace braid {

/// What can't be searched is walked, and tells what is wrong with it; so does what is trimmed.
void ReaderBody::go_near_start(FrameSource& from) {
    auto* segment = std::get_if<SegmentSource>(&source_);
    const bool by_position =
        segment != nullptr && (bounds_.backward ? ends_early_ : bounds_.after != 0);
    const bool by_time = bounds_.backward ? bounds_.to_time != no_limit : bounds_.from_time != 0;
    if (!by_position && !by_time) return;
    if (bounds_.on_trimmed == OnTrimmed::refuse && from.begins_in_trimmed()) return;
    if (segment != nullptr)
        find_start(*segment);
    else
        find_start(std::get<SpaceSource>(source_));
}

void ReaderBody::find_start(SegmentSource& source) const {
    const SegmentState& segment = source.segment();
    const auto status = engine_->status(segment.space->name, segment.name());
    if (!status || status->last_sequence == 0) return;
    const auto first = engine_->first_sequence_where(segment, *status, [this](const Entry& entry) {
        return is_beyond_start(entry.position, entry.timestamp);
    });
    if (!first) return;
    if (bounds_.backward)
        source.go_to(std::min(bounds_.to, Sequence(*first - 1)));
    else if (*first > status->first_sequence && *first > bounds_.from)
        source.go_to(*first);
}

void ReaderBody::find_start(SpaceSource& source) const {
    const auto first = engine_->first_position_where(
        source.choice(), end_,
        [this](const Entry& entry) { return is_beyond_start(entry.position, entry.timestamp); });
    if (!first) return;
    source.go_to(bounds_.backward ? Position(*first - 1) : std::max(source.next(), *first));
}

}  // namespace braid
