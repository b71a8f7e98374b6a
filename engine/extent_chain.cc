#include "engine/extent_chain.h"

#include <algorithm>
#include <boost/container/small_vector.hpp>

namespace braid {

using segment::FrameView;
using segment::Link;

ExtentChain::Extent ExtentChain::find(Sequence wanted, bool alone) {
    alone_ = alone;
    if (next_)
        if (const Extent next = take(next_, wanted); next.file != nullptr) return next;
    constexpr std::size_t long_walk = 4;
    boost::container::small_vector<ExtentHints::Hint, 2 * long_walk> passed;
    is_anchor_far_ = true;
    for (Link link = start(wanted); link;) {
        const FrameView frame = look_at(link, wanted);
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
        const FrameView frame = look_at(link, wanted);
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
    const FrameView frame = look_at(anchor_, wanted);
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
        const FrameView anchor = look_at(links.anchor, wanted);
        if (anchor.data() != nullptr && anchor.last_sequence() >= wanted)
            return anchor_ = links.anchor;
    }
    is_anchor_far_ = false;  // nor is that of any extent between
    return links.previous < link ? links.previous : Link();
}

/// Whether there is a pack that the number leads to.
bool ExtentChain::enter(std::uint32_t number) {
    if (number == entered_ && gatherings_ == storage_.gatherings()) return true;
    const PackState* pack = storage_.pack_number(number);
    if (pack == nullptr) return false;
    entered_ = number;
    gatherings_ = storage_.gatherings();
    pack_ = pack->info.number;
    extents_end_ = pack->info.extents_end;
    found_end_ = pack->found_end();
    is_gathered_ = pack->gathered.has_value();
    directory_entries_ = pack->directory_entries();
    return true;
}

/// The frame of an extent of the segment, not verified; a null view if there is none. A link to a
/// pack that was gathered tells no more than that: then it is the extent that holds the wanted
/// sequence, or of the segment's extents there the one that comes nearest.
FrameView ExtentChain::look_at(Link link, Sequence wanted) {
    if (!enter(link.pack())) return {};
    auto file = files_.get({0, pack_}, found_end_);
    if (!file) return {};
    file_ = *file;
    if (is_gathered_ && link.pack() != pack_) {
        const bool is_known = looked_up_.file == file_ && looked_up_.loads == file_->loads &&
                              looked_up_.pack == pack_ && looked_up_.clears == files_.clears() &&
                              looked_up_.wanted == wanted;
        if (is_known) return looked_up_.frame;
        const FrameView frame = look_up(wanted);
        looked_up_ = {file_, file_->loads, pack_, files_.clears(), wanted, frame};
        return frame;
    }
    if (link.offset() % 8 != 0 || link.offset() < segment::file_header_bytes) return {};
    const FrameView frame = frame_at(link.offset());
    return frame.data() != nullptr && frame.segment() == segment_.id ? frame : FrameView();
}

/// By the directory of the pack.
FrameView ExtentChain::look_up(Sequence wanted) {
    const std::uint64_t begin = io::whole_blocks(extents_end_);
    const Bytes blocks = file_->at(begin, found_end_ - begin);
    if (blocks.empty()) return {};
    const index::PackDirectory directory(blocks.first(found_end_ - begin), directory_entries_);
    const auto stretch = directory.find(segment_.id, wanted);
    if (!stretch || !is_sound(directory, stretch->block)) return {};
    const std::uint64_t end =
        stretch->end == 0 ? extents_end_ : std::min(stretch->end, extents_end_);
    if (stretch->begin >= end) return {};
    std::uint64_t at = stretch->begin;
    fetch(at, end);
    // Where it is if each record has an extent, and all of them the same length.
    const std::uint64_t before = wanted - std::min(stretch->first, wanted);
    const FrameView first = frame_at(at);
    const bool is_in_first = first.data() != nullptr && first.last_sequence() >= wanted;
    if (!is_in_first && before != 0 && before < stretch->records) {
        const std::uint64_t guess = at + (end - at) / stretch->records * before / 8 * 8;
        fetch(guess, end);
        const FrameView frame = frame_at(guess);
        if (frame.data() != nullptr && frame.segment() == segment_.id &&
            frame.first_sequence() <= wanted && frame.last_sequence() >= wanted)
            at = guess;
    }
    FrameView nearest;
    std::uint64_t nearest_at = at;
    while (at < end) {
        const FrameView frame = frame_at(at);
        if (frame.data() == nullptr || frame.segment() != segment_.id) break;
        nearest = frame;
        nearest_at = at;
        if (frame.last_sequence() >= wanted) break;
        at += segment::extent_header_bytes + frame.padded_length();
    }
    // Of what is copied only what was asked for last is still there.
    return nearest.data() == nullptr ? nearest : frame_at(nearest_at);
}

/// Asks the processor for the first extents of a stretch: for what a small one has in all, since it
/// may have to be hashed.
void ExtentChain::fetch(std::uint64_t begin, std::uint64_t end) const noexcept {
    constexpr std::uint64_t most = 1536;
    const std::uint64_t length = std::min(end - begin, most);
    if (begin >= end || !file_->holds(begin, length)) return;
    const std::byte* bytes = file_->stored.bytes.data() + (begin - file_->begin);
    for (std::uint64_t line = 0; line < length; line += 64) __builtin_prefetch(bytes + line);
}

/// Once in the process, as far as that is remembered.
bool ExtentChain::is_sound(const index::PackDirectory& directory, std::uint64_t block) const {
    const std::uint64_t offset =
        io::whole_blocks(extents_end_) + block * index::directory_block_bytes;
    VerifiedFrames* verified = file_->stored.verified;
    if (verified != nullptr && verified->has(offset)) return true;
    if (!index::directory_block_is_sound(directory.block(block), block, pack_, store_seed_))
        return false;
    if (verified != nullptr) verified->add(offset);
    return true;
}

ExtentChain::Extent ExtentChain::take(Link link, Sequence wanted) {
    next_ = {};
    const FrameView frame = look_at(link, wanted);
    if (frame.data() == nullptr || frame.first_sequence() > wanted ||
        frame.last_sequence() < wanted)
        return {};
    const std::uint64_t offset =
        file_->begin + static_cast<std::uint64_t>(frame.data() - file_->stored.bytes.data());
    const auto index = static_cast<std::uint32_t>(wanted - frame.first_sequence());
    if (alone_ && !file_->walk.remembers(offset) &&
        segment::is_record_sound(frame, index, store_seed_)) {
        next_ = link;  // who goes on is still there
        return {frame, file_, 0, 0, true};
    }
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
