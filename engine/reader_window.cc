// Where a reader's frames come from, a window of them at a time.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/engine.h"
#include "engine/reader_body.h"

namespace braid {
namespace {

constexpr std::size_t window_frames_most = 256;

}  // namespace

bool ReaderBody::find_segment(std::string_view space, std::string_view segment) {
    const ReadParts parts = engine_->parts();
    SegmentState* state = parts.table.find(space, segment, end_);
    if (state == nullptr) return false;
    source_.emplace<SegmentSource>(
        parts, *state,
        SegmentSource::Range{bounds_.from, bounds_.to, bounds_.after, bounds_.backward});
    return true;
}

/// nullptr until what is to be read exists.
FrameSource* ReaderBody::source() {
    if (auto* space = std::get_if<SpaceSource>(&source_)) return space;
    if (const auto* missing = std::get_if<Missing>(&source_)) {
        const Missing names = *missing;
        // Whoever waited for it is told what is trimmed.
        bounds_.from = std::max(bounds_.from, Sequence(1));
        if (!find_segment(names.space, names.segment)) return nullptr;
    }
    return std::get_if<SegmentSource>(&source_);
}

/// Takes the next frames; none at the end.
Result<void> ReaderBody::next_window() {
    window_.clear_items();
    is_window_within_ = false;
    item_ = 0;
    if (engine_->is_closed()) return Error(Errc::closed, "the store was closed");
    FrameSource* from = source();
    if (from == nullptr) return {};
    from->set_end(end_);
    if (bounds_.as_of != no_limit) from->read_as_of_end();
    if (std::exchange(is_at_start_, false)) go_near_start(*from);
    auto filled = fill_window(*from);
    if (window_.items().empty()) window_.clear();  // who waits for more pins nothing
    if (!filled) return filled;
    is_window_within_ = is_window_within();
    window_frames_ = std::min(window_frames_ * 2, window_frames_most);
    return {};
}

/// Whether no bound and no end cuts anything off the window's frames, but for what is gone and the
/// limit.
bool ReaderBody::is_window_within() const noexcept {
    if (bounds_.backward || window_.items().empty()) return false;
    const Window::Item& front = window_.items().front();
    const Window::Item& back = window_.items().back();
    if (front.begin == front.end || back.begin == back.end) return false;
    const segment::FrameView first = front.frame;
    const segment::FrameView last = back.frame;
    const std::uint32_t end = back.end - 1;
    return first.position(front.begin) > bounds_.after &&
           first.first_sequence() + front.begin >= bounds_.from &&
           first.timestamp(front.begin) >= bounds_.from_time && last.position(end) <= end_ &&
           (bounds_.to == no_limit || last.first_sequence() + end <= bounds_.to) &&
           last.timestamp(end) <= bounds_.to_time;
}

Result<void> ReaderBody::fill_window(FrameSource& from) {
    for (;;) {
        auto filled = from.fill(window_, window_frames_);
        if (filled) return filled;
        const Errc code = filled.error().code();
        if (code == Errc::corrupt && engine_->look_again()) {
            window_.clear();
            continue;
        }
        if (code != Errc::trimmed) return filled;
        if (bounds_.on_trimmed == OnTrimmed::refuse) return trimmed(filled.error());
    }
}

/// The error with the first position that is left, found by going on; nothing is read after it.
Error ReaderBody::trimmed(const Error& gone) {
    const Position seen = std::max(seen_, current_->position);
    const Position looked_through = looked_through_;
    bounds_.on_trimmed = OnTrimmed::skip;
    const Result<Entry>* left = next();
    const Position first_left = left != nullptr && *left ? (**left).position : Position(0);
    seen_ = seen;
    looked_through_ = looked_through;
    if (!failed_) current_->position = 0;  // wasn't given
    const std::string where = first_left == 0
                                  ? "nothing is left behind it"
                                  : fmt::format("the first position left is {}", first_left.value);
    return Error::trimmed({gone.trimmed()->trimmed_through, first_left},
                          fmt::format("{}; {}", gone.message(), where));
}

/// What comes next is somewhere else.
void ReaderBody::forget_window() noexcept {
    window_.clear();
    is_window_within_ = false;
    item_ = 0;
    window_frames_ = 1;
    is_at_start_ = false;
    steps_.stop = steps_.at;
    is_cut_ = false;
    granted_ = 0;
}

}  // namespace braid
