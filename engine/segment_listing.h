#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <braid/types.hpp>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/id_table.h"
#include "engine/segment_state.h"

namespace braid {

/// Segments by name, for listing them page by page: made when somebody lists, and kept, so that a
/// page costs what it delivers and segments that came since are sorted in. Any thread; holds up
/// nobody but other listings.
class SegmentListing {
public:
    /// Names of a space's segments with a first position at or before `visible`, beyond `after`,
    /// sorted, at most `limit` (0: all), of the segments with ids up to `last`.
    [[nodiscard]] std::vector<std::string> names(const IdTable<SegmentState>& segments,
                                                 SegmentId last, const SpaceState& space,
                                                 Position visible, std::string_view after,
                                                 std::uint64_t limit);
    [[nodiscard]] std::size_t bytes() const;

private:
    struct ByName {
        std::vector<const SegmentState*> segments;
        std::size_t sorted = 0;  // of them, from the first; the others came since
        void sort();
    };
    void take_new(const IdTable<SegmentState>& segments, SegmentId last);

    mutable std::mutex mutex_;  // of everything below
    SegmentId taken_ = 0;       // ids up to this one are in their spaces' lists
    boost::unordered_flat_map<const SpaceState*, ByName> spaces_;
};

}  // namespace braid
