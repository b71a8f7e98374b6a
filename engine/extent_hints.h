#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <braid/types.hpp>
#include <mutex>
#include <span>
#include <vector>

#include "segment/link.h"

namespace braid {

/// Where some extents of long chains lie, as readers came by them, so that the next one needn't
/// walk there again. As links do, they only say where to look. Bounded: when it is full it begins
/// anew. Any thread.
class ExtentHints {
public:
    struct Hint {
        Sequence first;  ///< of the extent's frame, which was not verified
        segment::Link link;
        auto operator<=>(const Hint&) const = default;
    };
    static constexpr std::size_t hints_max = 1 << 20;  // 16 MiB

    struct Nearest {
        segment::Link link;     ///< of those that begin at the sequence or beyond; none if unknown
        bool is_close = false;  ///< one that begins before the sequence is known, too
    };
    [[nodiscard]] Nearest nearest(SegmentId segment, Sequence wanted) const;
    void add(SegmentId segment, std::span<const Hint> hints);
    [[nodiscard]] std::size_t size() const;

private:
    std::mutex mutable mutex_;
    boost::unordered_flat_map<std::uint64_t, std::vector<Hint>> known_;  // of segments, by sequence
    std::size_t size_ = 0;
};

}  // namespace braid
