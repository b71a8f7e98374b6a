#pragma once

#include <string>

#include "segment/file_header.h"

namespace braid::segment {

/// segment-<id>-<number>: a segment's own append file. A file header in a block of 4 KiB; then
/// pieces, each on a 4 KiB boundary: frames padded to 8 bytes, zeros up to the next 4 KiB boundary,
/// its sparse index (index/sparse_index.h), zeros up to the next 4 KiB boundary.
[[nodiscard]] std::string segment_file_name(SegmentId segment, std::uint32_t number);

/// The header of a segment's own file; `extra[0]` is the segment.
[[nodiscard]] FileHeader make_segment_file_header(const Uuid& store, SegmentId segment,
                                                  std::uint32_t number) noexcept;

/// A piece, as the catalog knows it.
struct Piece {
    SegmentId segment;
    std::uint32_t file = 0;          ///< number of the segment's own file, from 1
    std::uint64_t offset = 0;        ///< of its first frame
    std::uint64_t frames_bytes = 0;  ///< up to the end of its last frame with padding
    std::uint64_t index_offset = 0;  ///< of its sparse index
    std::uint64_t index_bytes = 0;
    Sequence first_sequence;
    Sequence last_sequence;
    Position first_position;
    Position last_position;
    Timestamp first_timestamp;
    Timestamp last_timestamp;

    /// Where the next piece of this file may begin.
    [[nodiscard]] std::uint64_t end() const noexcept {
        return (index_offset + index_bytes + 4095) / 4096 * 4096;
    }
    bool operator==(const Piece&) const = default;
};

}  // namespace braid::segment
