#include "engine/extent_chain.h"

namespace braid {

using segment::FrameView;
using segment::Link;

ExtentChain::Extent ExtentChain::find(Sequence wanted) {
    if (next_)
        if (const Extent next = take(next_, wanted); next.pin != nullptr) return next;
    for (Link link = start(wanted); link;) {
        const FrameView frame = look_at(link);
        if (frame.data() == nullptr) break;
        if (frame.first_sequence() <= wanted) return take(link, wanted);
        if (!backward_) beyond_.push_back(link);
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
    return segment_.head;
}

/// The extent before, or the anchor before it if that lies beyond the wanted one as well. Links
/// lead back, or they are wrong.
Link ExtentChain::before(Link link, FrameView frame, Sequence wanted) {
    const segment::ExtentLinks links = segment::extent_links(frame);
    if (!links.sound) return {};
    if (links.anchor && links.anchor < link) {
        const FrameView anchor = look_at(links.anchor);
        if (anchor.data() != nullptr && anchor.first_sequence() > wanted) return links.anchor;
    }
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
    const FrameView frame = segment::extent_frame(file_->stored.bytes, extents_end_, link.offset());
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
    if (backward_) {
        const segment::ExtentLinks links = segment::extent_links(frame);
        if (links.sound && links.previous < link) next_ = links.previous;
    } else if (offset + frame.padded_length() < extents_end_) {
        next_ = Link(pack_, offset + frame.padded_length());
    }
    return {frame, &file_->stored.pin};
}

}  // namespace braid
