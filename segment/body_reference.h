#pragma once

#include <boost/endian/buffers.hpp>
#include <cstdint>

#include "segment/frame.h"

namespace braid::segment {

/// What a frame of type `records_elsewhere` has in place of its record: where that lies, and what
/// it is. The reference is under the frame's checksum, the body under the reference's hash.
struct BodyReferenceBytes {
    boost::endian::little_uint64_buf_t file;  ///< number of the body file, from 1
    boost::endian::little_uint64_buf_t offset;
    boost::endian::little_uint64_buf_t length;
    boost::endian::little_uint64_buf_t hash;
};
static_assert(sizeof(BodyReferenceBytes) == body_reference_bytes);

/// The same as numbers. The body is the record: its metadata, if the frame says that it has any,
/// and its payload.
struct BodyReference {
    std::uint64_t file = 0;
    std::uint64_t offset = 0;  ///< of its first byte, a multiple of 4096
    std::uint64_t length = 0;
    std::uint64_t hash = 0;  ///< XXH3-64(0, body)
    bool operator==(const BodyReference&) const = default;
};

/// Length of every frame of that type.
inline constexpr std::size_t frame_elsewhere_bytes =
    frame_header_bytes + sizeof(BodyReferenceBytes);
/// Bodies begin on multiples of this, zeros between them: so each is written alone.
inline constexpr std::uint64_t body_alignment = 4096;
/// Numbers of body files have 32 bits.
inline constexpr std::uint64_t body_file_number_max = 0xffffffff;

/// Of a frame that is elsewhere and that `look` has found.
[[nodiscard]] BodyReference body_reference(FrameView frame) noexcept;
[[nodiscard]] BodyReferenceBytes encode_body_reference(const BodyReference& reference) noexcept;

/// Why the numbers can't be a body's place, or nullptr.
[[nodiscard]] const char* reference_problem(const BodyReference& reference) noexcept;
/// Why these bytes aren't the body, or nullptr. `has_metadata`: as its frame says.
[[nodiscard]] const char* verify_body(const BodyReference& reference, Bytes body,
                                      bool has_metadata) noexcept;

}  // namespace braid::segment
