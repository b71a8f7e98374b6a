#include "engine/extent_chain.h"

#include <boost/container/small_vector.hpp>

namespace braid {

using segment::FrameView;
using segment::Link;

ExtentChain::Extent ExtentChain::find(Sequence wanted) {
    if (next_)
        if (const Extent next = take(next_, wanted); next.file != nullptr) return next;
    constexpr std::size_t long_walk = 4;
    boost::container::small_vector<ExtentHints::Hint, 2 * long_walk> passed;
    is_anchor_far_ = true;
    for (Link link = start(wanted); link;) {
        const FrameView frame = look_at(link);
        if (frame.data() == nullptr) break;
        if (frame.first_sequence() <= wanted) {
            if (passed.size() > long_walk) storage_.hints.add(segment_.id, passed);
            return take(link, wanted);
        }
        if (!backward_) beyond_.push_back(link);
        passed.push_back({frame.first_sequence(), link});
        link = before(link, frame, wanted);
    }
    return {};
}

/// Where to begin to walk back.
Link ExtentChain::start(Sequence wanted) {
    while (!beyond_.empty()) {
        const Link link = beyond_.back();
        beyond_.pop_back();
        const FrameView frame = look_at(link);
        if (frame.data() != nullptr && frame.last_sequence() >= wanted) return link;
    }
    // An extent has a record at least: fewer can't be a long walk.
    constexpr std::uint64_t near_records = 16;
    if (wanted + near_records > segment_.drained_through()) return newest(wanted);
    const auto [hint, is_close] = storage_.hints.nearest(segment_.id, wanted);
    is_anchor_far_ = !is_close;
    return hint ? hint : newest(wanted);
}

/// The newest anchor, or the head where that lies behind it. Each extent has a record at least: so
/// most of what is between is told without a look at a file.
Link ExtentChain::newest(Sequence wanted) {
    anchor_ = segment_.anchor;
    if (!anchor_ || wanted + segment_.extents_since_anchor > segment_.drained_through())
        return segment_.head;
    const FrameView frame = look_at(anchor_);
    return frame.data() != nullptr && frame.last_sequence() >= wanted ? anchor_ : segment_.head;
}

/// The extent before, or the anchor before it if that lies beyond the wanted one as well, which
/// isn't looked at if it can't. Links lead back, or they are wrong.
Link ExtentChain::before(Link link, FrameView frame, Sequence wanted) {
    const segment::ExtentLinks links = segment::extent_links(frame);
    if (!links.sound) return {};
    const std::uint64_t extents = link == anchor_ ? segment::anchor_interval : 1;
    if (is_anchor_far_ && links.anchor && links.anchor < link &&
        wanted + extents <= frame.first_sequence()) {
        const FrameView anchor = look_at(links.anchor);
        if (anchor.data() != nullptr && anchor.last_sequence() >= wanted)
            return anchor_ = links.anchor;
    }
    is_anchor_far_ = false;  // nor is that of any extent between
    return links.previous < link ? links.previous : Link();
}

/// The frame of an extent of the segment, not verified; a null view if there is none.
FrameView ExtentChain::look_at(Link link) {
    if (link.pack() != pack_) {
        const PackState* pack = storage_.pack_number(link.pack());
        if (pack == nullptr) return {};
        pack_ = link.pack();
        extents_end_ = pack->info.extents_end;
        file_ = nullptr;
    }
    auto file = files_.get({0, pack_}, extents_end_);
    if (!file) return {};
    file_ = *file;
    if (link.offset() % 8 != 0 || link.offset() < segment::file_header_bytes) return {};
    const FrameView frame = file_->frame(link.offset() + segment::extent_header_bytes, extents_end_,
                                         segment::extent_header_bytes);
    return frame.data() != nullptr && frame.segment() == segment_.id ? frame : FrameView();
}

ExtentChain::Extent ExtentChain::take(Link link, Sequence wanted) {
    next_ = {};
    const FrameView frame = look_at(link);
    if (frame.data() == nullptr || frame.first_sequence() > wanted ||
        frame.last_sequence() < wanted)
        return {};
    const std::uint64_t offset = link.offset() + segment::extent_header_bytes;
    if (file_->walk.verify(frame, offset, store_seed_) != nullptr) return {};
    const std::uint64_t behind = offset + frame.padded_length() + segment::extent_header_bytes;
    if (!backward_) {
        next_ = link_to(behind);
        return {frame, file_, next_ ? behind : 0, extents_end_};
    }
    const segment::ExtentLinks links = segment::extent_links(frame);
    if (links.sound && links.previous < link) next_ = links.previous;
    return {frame, file_};
}

}  // namespace braid
