#include "engine/careful_extents.h"

#include <fmt/format.h>

#include <algorithm>

namespace braid {

using segment::ExtentView;
using segment::FrameView;
using segment::Link;

Error CarefulExtents::missing(const std::string& where) const {
    return Error(Errc::corrupt,
                 fmt::format("{}: sequence {} of segment '{}' of space '{}' isn't there", where,
                             wanted_.value, segment_.name(), segment_.space->name));
}

Result<CarefulExtents::Extent> CarefulExtents::extent(Link link) {
    const PackState* pack = storage_.pack_number(link.pack());
    if (pack == nullptr) return missing(segment::pack_name(link.pack()));
    const FileId id{0, link.pack()};
    if (pack_ != link.pack()) {
        auto stored = storage_.files.view(id, 0, pack->info.extents_end);
        if (!stored) return stored.error();
        stored_ = std::move(*stored);
        pack_ = link.pack();
    }
    auto view = segment::extent_at(stored_.bytes, pack->info.extents_end, link.offset(), id.name());
    if (!view) return view.error();
    return Extent{*view, stored_.pin};
}

Result<void> CarefulExtents::find_extents(Sequence low, Sequence high) {
    extents_.clear();
    known_ = true;
    gatherings_ = storage_.gatherings();
    for (Link link = segment_.head; link;) {
        const PackState* pack = storage_.pack_number(link.pack());
        if (pack == nullptr && segment_.trimmed != 0) break;  // retired
        Link at = link;
        if (pack != nullptr && pack->gathered) {
            const auto first = add_gathered(*pack, high);
            if (!first) return scan_for_extents();
            at = *first;
        }
        auto here = extent(at);
        // A wrong link is no damage to what is stored: the frames tell where they are.
        if (!here || here->view.frame.segment() != segment_.id || !here->view.links_sound)
            return scan_for_extents();
        const FrameView frame = here->view.frame;
        if (at == link && frame.first_sequence() > high && is_plain(here->view.anchor)) {
            auto anchor = extent(here->view.anchor);
            if (anchor && here->view.anchor < link && anchor->view.frame.segment() == segment_.id &&
                anchor->view.frame.first_sequence() > high) {
                link = here->view.anchor;
                continue;
            }
        }
        if (at == link && frame.first_sequence() <= high) extents_.push_back(link);
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

/// Whether a link leads to a place in a pack that is as it was written.
bool CarefulExtents::is_plain(Link link) const {
    const PackState* pack = link ? storage_.pack_number(link.pack()) : nullptr;
    return pack != nullptr && !pack->gathered;
}

/// Adds the segment's extents in a gathered pack, the last one first. Gives the first one; nothing
/// where the directory doesn't lead to it.
std::optional<Link> CarefulExtents::add_gathered(const PackState& pack, Sequence high) {
    const auto stored = storage_.files.view({0, pack.info.number}, 0, pack.found_end());
    if (!stored) return std::nullopt;
    const Bytes bytes = stored->bytes;
    const index::PackDirectory directory(
        bytes.subspan(pack.directory_offset(), pack.found_end() - pack.directory_offset()),
        pack.directory_entries());
    const auto stretch = directory.find(segment_.id, 0);
    if (!stretch || !index::directory_block_is_sound(directory.block(stretch->block),
                                                     stretch->block, pack.info.number, store_seed_))
        return std::nullopt;
    std::vector<Link> found;
    for (std::uint64_t at = stretch->begin; at < pack.info.extents_end;) {
        const FrameView frame = segment::extent_frame(bytes, pack.info.extents_end, at);
        if (frame.data() == nullptr) return std::nullopt;
        if (frame.segment() != segment_.id) break;
        if (frame.first_sequence() <= high) found.emplace_back(pack.info.number, at);
        at += segment::extent_header_bytes + frame.padded_length();
    }
    extents_.insert(extents_.end(), found.rbegin(), found.rend());
    return Link(pack.info.number, stretch->begin);
}

template <class Visit>
Result<void> CarefulExtents::visit_all_extents(const Visit& visit) {
    for (const PackState& pack : storage_.packs()) {
        const std::string name = segment::pack_name(pack.info.number);
        auto bytes = storage_.files.view({0, pack.info.number}, 0, pack.info.extents_end);
        if (!bytes) return bytes.error();
        for (std::uint64_t at = segment::file_header_bytes; at < pack.info.extents_end;) {
            auto here = segment::extent_at(bytes->bytes, pack.info.extents_end, at, name);
            if (!here) return here.error();
            auto visited = visit(pack.info, at, here->frame);
            if (!visited) return visited;
            at += segment::extent_header_bytes + here->frame.padded_length();
        }
    }
    return {};
}

Result<void> CarefulExtents::scan_for_extents() {
    extents_.clear();
    return visit_all_extents(
        [this](const index::PackInfo& pack, std::uint64_t at, FrameView frame) -> Result<void> {
            if (frame.segment() == segment_.id) extents_.emplace_back(pack.number, at);
            return {};
        });
}

/// Names the frame that was taken for another segment's or another pack's, if there is one.
Error CarefulExtents::missing_from_packs() {
    const auto found = visit_all_extents(
        [this](const index::PackInfo& pack, std::uint64_t at, FrameView frame) -> Result<void> {
            const char* reason = segment::verify_frame(frame, store_seed_);
            if (reason == nullptr && (frame.first_position() < pack.first_position ||
                                      frame.last_position() > pack.last_position))
                reason = "a frame of another pack";
            if (reason == nullptr) return {};
            return missing(
                fmt::format("{} at offset {}: {}", segment::pack_name(pack.number), at, reason));
        });
    return found ? missing(segment::pack_name(segment_.head.pack())) : found.error();
}

bool CarefulExtents::holds(FrameView frame, Sequence sequence) const {
    return segment::is_frame(frame.type()) && frame.segment() == segment_.id &&
           frame.first_sequence() <= sequence && sequence <= frame.last_sequence();
}

Error CarefulExtents::damaged(Link link, const char* reason) const {
    return Error(Errc::corrupt, fmt::format("{} at offset {}: {} (segment '{}' of space '{}')",
                                            segment::pack_name(link.pack()), link.offset(), reason,
                                            segment_.name(), segment_.space->name));
}

/// How many from this one on are sound in a frame that isn't as a whole.
std::uint32_t CarefulExtents::sound_records(FrameView frame, Sequence next) const {
    if (!holds(frame, next)) return 0;
    const auto index = static_cast<std::uint32_t>(next - frame.first_sequence());
    return segment::sound_records(frame, index, backward_, store_seed_);
}

Result<void> CarefulExtents::fill(Window& window, std::size_t frames, Sequence& next,
                                  Sequence last) {
    wanted_ = next;
    const bool exhausted = backward_ ? index_ == 0 : index_ == extents_.size();
    if (!known_ || exhausted || gatherings_ != storage_.gatherings()) {
        auto found = find_extents(backward_ ? last : next, backward_ ? next : last);
        if (!found) return found;
        index_ = backward_ ? extents_.size() : 0;
    }
    std::optional<Error> passed_over;
    while (window.items().size() < frames) {
        if (backward_ ? index_ == 0 : index_ == extents_.size()) break;
        const Link link = extents_[backward_ ? index_ - 1 : index_];
        auto here = extent(link);
        if (!here) {
            if (!window.items().empty()) return {};
            return here.error();
        }
        const FrameView frame = here->view.frame;
        const char* reason = segment::verify_frame(frame, store_seed_);
        if (reason != nullptr && !holds(frame, next)) {  // or its header lies
            if (!passed_over) passed_over = damaged(link, reason);
            index_ += backward_ ? -1 : 1;
            continue;
        }
        if (reason != nullptr) {
            const std::uint32_t sound = sound_records(frame, next);
            if (sound != 0) window.add_next(frame, &segment_, here->pin, next, backward_, sound);
            if (!window.items().empty()) return {};  // the good ones first
            return damaged(link, reason);
        }
        const bool passed =
            backward_ ? frame.first_sequence() > next : frame.last_sequence() < next;
        if (!passed && !holds(frame, next)) break;  // what comes next is in a piece
        index_ += backward_ ? -1 : 1;
        if (passed) continue;
        window.add_next(frame, &segment_, here->pin, next, backward_);
        if (backward_ ? next < last : next > last) break;
    }
    if (!window.items().empty()) return {};
    return passed_over ? *std::move(passed_over) : missing_from_packs();
}

}  // namespace braid
