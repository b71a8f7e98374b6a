#pragma once

#include <braid/types.hpp>
#include <string>

#include "engine/segment_names.h"
#include "index/space_order.h"

namespace braid {

/// All that memory holds of a space.
struct SpaceState {
    std::string name;
    SpaceId id;                ///< written once, as the segment's
    Position first_position;   ///< likewise
    bool in_catalog = false;   ///< the drain's
    index::OrderTotals order;  ///< the drain's: records in all its sections, last block's checksum
    Position trimmed_through;  ///< under the publish lock: the last position trimmed in it
    SegmentNames segments;     ///< under the table's lock
};

}  // namespace braid
