#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/frame_source.h"
#include "engine/storage.h"
#include "segment/pack.h"

namespace braid {

/// The extents of one segment where its links have led astray: finds all that can be found, by
/// links and where those are wrong by walking through the packs, and names what is damaged. One
/// thread, while `Storage::publish` is held shared.
class CarefulExtents {
public:
    CarefulExtents(Storage& storage, std::uint64_t store_seed, SegmentState& segment, bool backward)
        : storage_(storage), store_seed_(store_seed), segment_(segment), backward_(backward) {}

    /// Adds frames from `next` on, up to `last`, and moves `next` on.
    [[nodiscard]] Result<void> fill(Window& window, std::size_t frames, Sequence& next,
                                    Sequence last);

private:
    struct Extent {
        segment::ExtentView view;
        std::shared_ptr<const void> pin;
    };
    [[nodiscard]] Result<Extent> extent(segment::Link link);
    /// Finds the links of the segment's extents from `low` to `high`, oldest first.
    [[nodiscard]] Result<void> find_extents(Sequence low, Sequence high);
    [[nodiscard]] bool is_plain(segment::Link link) const;
    [[nodiscard]] std::optional<segment::Link> add_gathered(const PackState& pack, Sequence high);
    /// Of all packs, oldest first; ends with the first error, of a file or of `visit`.
    template <class Visit>
    [[nodiscard]] Result<void> visit_all_extents(const Visit& visit);
    [[nodiscard]] Result<void> scan_for_extents();
    [[nodiscard]] bool holds(segment::FrameView frame, Sequence sequence) const;
    [[nodiscard]] Error damaged(segment::Link link, const char* reason) const;
    [[nodiscard]] std::uint32_t sound_records(segment::FrameView frame, Sequence next) const;
    [[nodiscard]] Error missing(const std::string& where) const;
    [[nodiscard]] Error missing_from_packs();

    Storage& storage_;
    std::uint64_t store_seed_;
    SegmentState& segment_;
    bool backward_;

    std::uint32_t pack_ = 0;  // whose extents are in `stored_`; 0: none's
    StoredBytes stored_;
    Sequence wanted_;                     // the one that can't be given otherwise
    std::vector<segment::Link> extents_;  // found, oldest first
    std::size_t index_ = 0;               // forward: the next one; backward: one past the next one
    bool known_ = false;
    std::uint64_t gatherings_ = 0;  // by then
};

}  // namespace braid
