#pragma once

#include <braid/types.hpp>
#include <map>
#include <set>
#include <string>

#include "segment/change.h"

namespace braid {

/// What batches say: names, the positions and segments of their frames, and what is done to
/// consumers, leases and ids.
struct BatchContents {
    Position last;
    std::set<std::uint64_t> segments;
    std::map<std::uint64_t, segment::SegmentNamed> segment_names;
    std::map<std::uint64_t, std::string> space_names;
    std::set<std::string> consumers;
    std::set<std::string> leases;
    std::uint64_t ids = 0;

    void note(const segment::Change& change);
    void note(Bytes body, std::uint64_t store_seed);
};

}  // namespace braid
