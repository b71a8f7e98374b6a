#pragma once

#include <vector>

#include "engine/segment_table.h"
#include "engine/storage.h"
#include "segment/pack.h"

namespace braid {

/// Finds extents of one segment by sequence, along the links that lead from its newest extent back
/// to its oldest; in a gathered pack by the directory. A link is a hint: what is found was
/// verified, and holds the sequence. Used while `Storage::publish` is held shared, by one thread.
class ExtentChain {
public:
    struct Extent {
        segment::FrameView frame;
        RecentFiles::Recent* file = nullptr;  ///< valid until the next call
        std::uint64_t behind =
            0;                  ///< offset of the frame of the extent behind it, whosever; 0: none
        std::uint64_t end = 0;  ///< of all extents in that file
        /// Of the frame's records only the wanted one was verified, by its own checksum.
        bool is_alone = false;
    };

    ExtentChain(Storage& storage, RecentFiles& files, std::uint64_t store_seed,
                const SegmentState& segment, bool backward)
        : storage_(storage),
          files_(files),
          store_seed_(store_seed),
          segment_(segment),
          backward_(backward) {}

    /// The extent that holds the sequence; without a frame where the links don't lead to a sound
    /// one. Cheap where it is the one behind the last one found, in the direction of reading.
    /// `alone`: no other record is wanted for now.
    [[nodiscard]] Extent find(Sequence wanted, bool alone = false);
    /// Forward: the caller has read on, through extents one behind the other in the file of the one
    /// found last, up to the frame at this offset.
    void go_on_at(std::uint64_t frame_offset) noexcept { next_ = link_to(frame_offset); }
    /// What is looked for next doesn't follow what was found last.
    void restart() {
        next_ = {};
        beyond_.clear();
    }

private:
    [[nodiscard]] bool enter(std::uint32_t number);
    [[nodiscard]] segment::FrameView look_at(segment::Link link, Sequence wanted);
    [[nodiscard]] segment::FrameView look_up(Sequence wanted);
    /// Of the extent at this offset of the file looked at last, not verified; or a null view.
    [[nodiscard]] segment::FrameView frame_at(std::uint64_t extent_offset) const {
        return file_->frame(extent_offset + segment::extent_header_bytes, extents_end_,
                            segment::extent_header_bytes);
    }
    void fetch(std::uint64_t begin, std::uint64_t end) const noexcept;
    [[nodiscard]] bool is_sound(const index::PackDirectory& directory, std::uint64_t block) const;
    /// To the extent of the frame at this offset of the pack looked at last; none at its end.
    [[nodiscard]] segment::Link link_to(std::uint64_t frame_offset) const noexcept {
        return frame_offset < extents_end_
                   ? segment::Link(pack_, frame_offset - segment::extent_header_bytes)
                   : segment::Link();
    }
    [[nodiscard]] Extent take(segment::Link link, Sequence wanted);
    [[nodiscard]] segment::Link start(Sequence wanted);
    [[nodiscard]] segment::Link newest(Sequence wanted);
    [[nodiscard]] segment::Link before(segment::Link link, segment::FrameView frame,
                                       Sequence wanted);

    Storage& storage_;
    RecentFiles& files_;
    std::uint64_t store_seed_;
    const SegmentState& segment_;
    bool backward_;
    bool alone_ = false;  // in this search

    segment::Link next_;  // of the extent that may follow the last one found
    /// Forward: extents beyond the last one found that were come by on the way to it, the nearest
    /// last. Those between are found again by walking back from there.
    std::vector<segment::Link> beyond_;
    bool is_anchor_far_ = true;  // on a walk: the anchor may lie beyond what is wanted
    segment::Link anchor_;       // an extent that is one
    // Of the pack looked at last.
    std::uint32_t entered_ = 0;     // the number that led there
    std::uint64_t gatherings_ = 0;  // by then
    std::uint32_t pack_ = 0;
    std::uint64_t extents_end_ = 0;
    std::uint64_t found_end_ = 0;
    bool is_gathered_ = false;
    std::uint64_t directory_entries_ = 0;
    /// What was looked up last, since a walk asks for it several times.
    struct LookedUp {
        const RecentFiles::Recent* file = nullptr;
        std::uint32_t loads = 0;
        std::uint32_t pack = 0;
        std::uint32_t clears = 0;  // of the files: as long as that stays, so do the file's bytes
        Sequence wanted;
        segment::FrameView frame;
    } looked_up_;
    RecentFiles::Recent* file_ = nullptr;
};

}  // namespace braid
