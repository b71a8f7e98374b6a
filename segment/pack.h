#pragma once

#include <braid/result.hpp>
#include <string>
#include <vector>

#include "segment/file_header.h"
#include "segment/frame.h"
#include "segment/link.h"

namespace braid::segment {

/// pack-<number>: a file header; extents, each an ExtentHeader and a frame padded to 8 bytes, in
/// order of their first positions; zeros up to the next 4 KiB boundary; the space order
/// (index/space_order.h).
[[nodiscard]] std::string pack_name(std::uint32_t pack);

/// The header of a pack of a store.
[[nodiscard]] FileHeader make_pack_header(const Uuid& store, std::uint32_t pack) noexcept;

/// Appends the header of an extent to `out`, behind which its frame is to stand.
void append_extent_header(std::vector<std::byte>& out, Link previous, Link anchor);
/// Appends a frame with its padding, which are zeros whatever stands behind the frame.
void append_padded(std::vector<std::byte>& out, FrameView frame);
/// Appends an extent.
void append_extent(std::vector<std::byte>& out, Link previous, Link anchor, FrameView frame);

/// One extent of a pack in memory.
struct ExtentView {
    std::uint64_t offset = 0;  ///< of the extent header in the file
    bool links_sound = false;  ///< their checks hold
    Link previous;
    Link anchor;
    FrameView frame;
};

/// Looks at the extent at `offset` of a pack whose extents end at `extents_end`. Checks that it
/// lies within, and the frame's bounds, not its checksum. `corrupt` names file and offset.
[[nodiscard]] Result<ExtentView> extent_at(Bytes pack, std::uint64_t extents_end,
                                           std::uint64_t offset, const std::string& file);

/// The same without words, and without the links: the frame of the extent at `offset`, or a null
/// view where `extent_at` would be an error. The pack has all of its extents.
[[nodiscard]] FrameView extent_frame(Bytes pack, std::uint64_t extents_end,
                                     std::uint64_t offset) noexcept;

/// Links of an extent.
struct ExtentLinks {
    Link previous;
    Link anchor;
    bool sound = false;  ///< their checks hold
};
/// Those of the extent that holds this frame.
[[nodiscard]] ExtentLinks extent_links(FrameView in_pack) noexcept;

}  // namespace braid::segment
