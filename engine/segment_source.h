#pragma once

#include "engine/frame_source.h"
#include "engine/storage.h"
#include "segment/pack.h"

namespace braid {

/// Frames of one segment, by sequence, forward or backward. The next one is wherever its sequence
/// is now: in the tail, in a piece, or in an extent of the segment's chain through the packs.
class SegmentSource : public FrameSource {
public:
    /// From `from` up to `to`, or the other way round. The first and last frame may reach beyond.
    /// `from` 0: from what is left of the segment.
    struct Range {
        Sequence from;
        Sequence to;
        Position after = 0;  ///< entries up to here are not wanted
        bool backward = false;
    };
    SegmentSource(Storage& storage, std::uint64_t store_seed, SegmentState& segment,
                  const Range& range);

    [[nodiscard]] Result<void> fill(Window& window, std::size_t frames) override;

private:
    [[nodiscard]] Result<void> pass_trimmed();
    [[nodiscard]] Result<void> fill_from_tail(Window& window, std::size_t frames, Sequence drained);
    [[nodiscard]] Result<void> fill_from_piece(Window& window, std::size_t frames,
                                               const segment::Piece& piece);
    [[nodiscard]] Result<void> fill_from_packs(Window& window, std::size_t frames);
    [[nodiscard]] const segment::Piece* piece_of(Sequence sequence) const;
    /// Finds the links of the segment's extents from `low` to `high`, oldest first.
    [[nodiscard]] Result<void> find_extents(Sequence low, Sequence high);
    [[nodiscard]] Result<void> scan_for_extents();
    struct Extent {
        segment::ExtentView view;
        std::shared_ptr<const void> pin;
    };
    [[nodiscard]] Result<Extent> extent(segment::Link link);
    [[nodiscard]] bool is_ours(segment::FrameView frame) const;
    [[nodiscard]] Error missing(const std::string& where) const;
    [[nodiscard]] Error missing_from_packs();

    Storage& storage_;
    RecentFiles recent_;
    std::uint64_t store_seed_;
    SegmentState& segment_;
    Sequence next_;  // forward: the lowest not given; backward: the highest
    Sequence last_;  // where to stop
    Position after_;
    bool backward_;
    bool from_what_is_left_;

    std::vector<segment::Link> extents_;  // found, oldest first
    std::size_t extent_index_ = 0;        // forward: the next one; backward: one past the next one
    bool extents_known_ = false;
    std::uint64_t piece_offset_ = 0;  // forward: of `next_` in the piece that holds it
    Sequence piece_sequence_;         // the `next_` for which that is so
};

}  // namespace braid
