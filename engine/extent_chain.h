#pragma once

#include <vector>

#include "engine/segment_table.h"
#include "engine/storage.h"
#include "segment/pack.h"

namespace braid {

/// Finds extents of one segment by sequence, along the links that lead from its newest extent back
/// to its oldest. A link is a hint: what is found was verified, and holds the sequence. Used while
/// `Storage::publish` is held shared, by one thread.
class ExtentChain {
public:
    struct Extent {
        segment::FrameView frame;
        const std::shared_ptr<const void>* pin = nullptr;  ///< valid until the next call
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
    [[nodiscard]] Extent find(Sequence wanted);
    /// What is looked for next doesn't follow what was found last.
    void restart() {
        next_ = {};
        beyond_.clear();
    }

private:
    [[nodiscard]] segment::FrameView look_at(segment::Link link);
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

    segment::Link next_;  // of the extent that may follow the last one found
    /// Forward: extents beyond the last one found that were come by on the way to it, the nearest
    /// last. Those between are found again by walking back from there.
    std::vector<segment::Link> beyond_;
    bool is_anchor_far_ = true;  // on a walk: the anchor may lie beyond what is wanted
    segment::Link anchor_;       // an extent that is one
    // Of the pack looked at last.
    std::uint32_t pack_ = 0;
    std::uint64_t extents_end_ = 0;
    RecentFiles::Recent* file_ = nullptr;
};

}  // namespace braid
