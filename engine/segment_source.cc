#include "engine/segment_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace braid {

using segment::ExtentView;
using segment::FrameView;
using segment::Link;
using segment::TailNode;

SegmentSource::SegmentSource(Storage& storage, std::uint64_t store_seed, SegmentState& segment,
                             const Range& range)
    : storage_(storage),
      recent_(storage.files),
      store_seed_(store_seed),
      segment_(segment),
      next_(range.backward ? range.to : std::max(range.from, Sequence(1))),
      last_(range.backward ? std::max(range.from, Sequence(1)) : range.to),
      after_(range.after),
      backward_(range.backward),
      from_what_is_left_(range.from == 0 && range.after == 0) {}

/// Backward, reading ends where what is left begins; forward it must be told.
Result<void> SegmentSource::pass_trimmed() {
    const Sequence trimmed = segment_.trimmed;
    if (backward_) {
        last_ = std::max(last_, Sequence(trimmed + 1));
        return {};
    }
    const bool known = std::exchange(from_what_is_left_, false);
    if (next_ > trimmed) return {};
    next_ = trimmed + 1;
    extents_known_ = false;
    if (known || after_ >= segment_.trimmed_position) return {};
    return Error::trimmed({segment_.trimmed_position, 0},
                          fmt::format("segment '{}' of space '{}' is trimmed through sequence {}",
                                      segment_.name, segment_.space->name, trimmed.value));
}

Result<void> SegmentSource::fill(Window& window, std::size_t frames) {
    const std::shared_lock lock(storage_.publish);
    if (auto passed = pass_trimmed(); !passed) return passed;
    if (backward_ ? next_ < last_ : next_ > last_) return {};
    const Sequence drained = segment_.drained_through();
    if (next_ > drained) {
        auto filled = fill_from_tail(window, frames, drained);
        if (!filled || !window.items().empty() || !backward_) return filled;
        next_ = drained;  // nothing visible is left in the tail
        if (next_ < last_) return {};
    }
    if (const segment::Piece* piece = piece_of(next_))
        return fill_from_piece(window, frames, *piece);
    return fill_from_packs(window, frames);
}

Result<void> SegmentSource::fill_from_tail(Window& window, std::size_t frames, Sequence drained) {
    const TailNode* newest = segment_.tail.load(std::memory_order_acquire);
    const TailNode* visible = segment::find_position(newest, end_, drained);
    if (visible == nullptr || (!backward_ && visible->last_sequence() < next_)) return {};
    // Nodes lead backward: start at the newest one wanted.
    const Sequence top = backward_ ? next_ : std::min(last_, Sequence(next_ + (frames - 1)));
    const TailNode* node =
        top < visible->last_sequence() ? find_sequence(visible, top, drained) : visible;
    std::vector<const TailNode*> nodes;
    for (; node != nullptr && node->last_sequence() >= (backward_ ? last_ : next_);
         node = segment::before(node, drained)) {
        nodes.push_back(node);
        if (backward_ && nodes.size() == frames) break;
    }
    if (nodes.empty()) return {};
    next_ = backward_ ? nodes.back()->first_sequence - 1 : nodes.front()->last_sequence() + 1;
    if (!backward_) std::reverse(nodes.begin(), nodes.end());
    const segment::Chunk* pinned = nullptr;
    for (const TailNode* one : nodes) {
        if (one->chunk != pinned) window.pin(one->chunk->shared_from_this());
        pinned = one->chunk;
        window.add(one->view(), &segment_);
    }
    return {};
}

const segment::Piece* SegmentSource::piece_of(Sequence sequence) const {
    const auto& pieces = segment_.pieces;
    const auto found = std::lower_bound(
        pieces.begin(), pieces.end(), sequence,
        [](const segment::Piece& piece, Sequence wanted) { return piece.last_sequence < wanted; });
    return found == pieces.end() || found->first_sequence > sequence ? nullptr : &*found;
}

bool SegmentSource::is_ours(FrameView frame) const {
    return frame.type() == segment::ItemType::records && frame.segment() == segment_.id &&
           frame.first_sequence() <= next_ && next_ <= frame.last_sequence();
}

Error SegmentSource::missing(const std::string& where) const {
    return Error(Errc::corrupt,
                 fmt::format("{}: sequence {} of segment '{}' of space '{}' isn't there", where,
                             next_.value, segment_.name, segment_.space->name));
}

Result<void> SegmentSource::fill_from_piece(Window& window, std::size_t frames,
                                            const segment::Piece& piece) {
    const std::string name = segment::segment_file_name(piece.segment, piece.file);
    auto bytes = storage_.files.view(name, piece.offset, piece.frames_bytes);
    if (!bytes) return bytes.error();
    std::uint64_t at = piece_offset_;
    if (piece_sequence_ != next_ || next_ == piece.first_sequence) {
        auto index = storage_.sparse_index(piece);
        // Frames of a damaged piece are walked from its beginning, so that the good ones are given.
        at = index ? (*index)->seek(next_) : 0;
    }
    window.pin(bytes->pin);
    // Backward, the frames up to the one wanted are walked, few as they are behind an indexed one.
    while (at < piece.frames_bytes && (backward_ || window.items().size() < frames)) {
        const Bytes left = bytes->bytes.subspan(at);
        const FrameView frame(left.data());
        const char* reason = segment::look(left).found == segment::Found::item
                                 ? segment::verify_frame(frame, store_seed_)
                                 : "a frame is missing";
        if (reason != nullptr) {
            if (!window.items().empty() && !backward_) break;
            return Error(
                Errc::corrupt,
                fmt::format("{} at offset {}: {} (segment '{}' of space '{}')", name,
                            piece.offset + at, reason, segment_.name, segment_.space->name));
        }
        at += frame.padded_length();
        if (frame.last_sequence() < (backward_ ? last_ : next_)) continue;
        window.add(frame, &segment_);
        if (backward_ && frame.last_sequence() >= next_) break;
        if (!backward_ && frame.last_sequence() >= last_) break;
    }
    auto& items = window.items();
    if (items.empty() || items.front().frame.segment() != segment_.id) return missing(name);
    if (backward_) {
        std::reverse(items.begin(), items.end());
        if (items.size() > frames) items.resize(frames);
        if (!is_ours(items.front().frame)) return missing(name);
        next_ = items.back().frame.first_sequence() - 1;
    } else {
        if (!is_ours(items.front().frame)) return missing(name);
        next_ = items.back().frame.last_sequence() + 1;
        piece_offset_ = at;
        piece_sequence_ = next_;
    }
    return {};
}

Result<SegmentSource::Extent> SegmentSource::extent(Link link) {
    const PackState* pack = storage_.pack_number(link.pack());
    if (pack == nullptr) return missing(segment::pack_name(link.pack()));
    auto file = recent_.get(0, link.pack(), pack->info.extents_end);
    if (!file) return file.error();
    const StoredBytes& stored = (*file)->stored;
    auto view =
        segment::extent_at(stored.bytes, pack->info.extents_end, link.offset(), (*file)->name);
    if (!view) return view.error();
    return Extent{*view, stored.pin};
}

Result<void> SegmentSource::find_extents(Sequence low, Sequence high) {
    extents_.clear();
    extents_known_ = true;
    for (Link link = segment_.drained.head; link;) {
        if (storage_.pack_number(link.pack()) == nullptr && segment_.trimmed != 0)
            break;  // retired
        auto here = extent(link);
        // A wrong link is no damage to what is stored: the frames tell where they are.
        if (!here || here->view.frame.segment() != segment_.id || !here->view.links_sound)
            return scan_for_extents();
        const FrameView frame = here->view.frame;
        if (frame.first_sequence() > high && here->view.anchor) {
            auto anchor = extent(here->view.anchor);
            if (anchor && here->view.anchor < link && anchor->view.frame.segment() == segment_.id &&
                anchor->view.frame.first_sequence() > high) {
                link = here->view.anchor;
                continue;
            }
        }
        if (frame.first_sequence() <= high) extents_.push_back(link);
        // A header may lie about its sequence: the walk ends only where the frame is sound.
        if (frame.first_sequence() <= low && segment::verify_frame(frame, store_seed_) == nullptr)
            break;
        // Links lead back, or they are wrong.
        if (here->view.previous && here->view.previous >= link) return scan_for_extents();
        link = here->view.previous;
    }
    std::reverse(extents_.begin(), extents_.end());
    return {};
}

Result<void> SegmentSource::scan_for_extents() {
    extents_.clear();
    for (const PackState& pack : storage_.packs()) {
        const std::string name = segment::pack_name(pack.info.number);
        auto bytes = storage_.files.view(name, 0, pack.info.extents_end);
        if (!bytes) return bytes.error();
        for (std::uint64_t at = segment::file_header_bytes; at < pack.info.extents_end;) {
            auto here = segment::extent_at(bytes->bytes, pack.info.extents_end, at, name);
            if (!here) return here.error();
            if (here->frame.segment() == segment_.id)
                extents_.push_back(Link(pack.info.number, at));
            at += segment::extent_header_bytes + here->frame.padded_length();
        }
    }
    return {};
}

/// Names the frame that was taken for another segment's or another pack's, if there is one.
Error SegmentSource::missing_from_packs() {
    for (const PackState& pack : storage_.packs()) {
        const std::string name = segment::pack_name(pack.info.number);
        auto bytes = storage_.files.view(name, 0, pack.info.extents_end);
        if (!bytes) return bytes.error();
        for (std::uint64_t at = segment::file_header_bytes; at < pack.info.extents_end;) {
            auto here = segment::extent_at(bytes->bytes, pack.info.extents_end, at, name);
            if (!here) return here.error();
            const segment::FrameView frame = here->frame;
            const char* reason = segment::verify_frame(frame, store_seed_);
            if (reason == nullptr && (frame.first_position() < pack.info.first_position ||
                                      frame.last_position() > pack.info.last_position))
                reason = "a frame of another pack";
            if (reason != nullptr)
                return missing(fmt::format("{} at offset {}: {}", name, at, reason));
            at += segment::extent_header_bytes + here->frame.padded_length();
        }
    }
    return missing(segment::pack_name(segment_.drained.head.pack()));
}

Result<void> SegmentSource::fill_from_packs(Window& window, std::size_t frames) {
    const Sequence low = backward_ ? last_ : next_;
    const Sequence high = backward_ ? next_ : last_;
    const bool exhausted = backward_ ? extent_index_ == 0 : extent_index_ == extents_.size();
    if (!extents_known_ || exhausted) {
        auto found = find_extents(low, high);
        if (!found) return found;
        extent_index_ = backward_ ? extents_.size() : 0;
    }
    while (window.items().size() < frames) {
        if (backward_ ? extent_index_ == 0 : extent_index_ == extents_.size()) break;
        const Link link = extents_[backward_ ? extent_index_ - 1 : extent_index_];
        auto here = extent(link);
        if (!here) {
            if (!window.items().empty()) return {};
            return here.error();
        }
        const FrameView frame = here->view.frame;
        const char* reason = segment::verify_frame(frame, store_seed_);
        if (reason != nullptr) {
            if (!window.items().empty()) return {};
            return Error(Errc::corrupt,
                         fmt::format("{} at offset {}: {} (segment '{}' of space '{}')",
                                     segment::pack_name(link.pack()), link.offset(), reason,
                                     segment_.name, segment_.space->name));
        }
        const bool passed =
            backward_ ? frame.first_sequence() > next_ : frame.last_sequence() < next_;
        if (!passed && !is_ours(frame)) break;  // what comes next is in a piece
        extent_index_ += backward_ ? -1 : 1;
        if (passed) continue;
        window.add(frame, &segment_, here->pin);
        next_ = backward_ ? frame.first_sequence() - 1 : frame.last_sequence() + 1;
        if (backward_ ? next_ < last_ : next_ > last_) break;
    }
    if (window.items().empty()) return missing_from_packs();
    return {};
}

}  // namespace braid
