#include "segment/body_reference.h"

#include "segment/checksum.h"

namespace braid::segment {

BodyReference body_reference(FrameView frame) noexcept {
    BodyReferenceBytes bytes;
    std::memcpy(&bytes, frame.body().data(), sizeof bytes);
    return {bytes.file.value(), bytes.offset.value(), bytes.length.value(), bytes.hash.value()};
}

BodyReferenceBytes encode_body_reference(const BodyReference& reference) noexcept {
    BodyReferenceBytes bytes;
    bytes.file = reference.file;
    bytes.offset = reference.offset;
    bytes.length = reference.length;
    bytes.hash = reference.hash;
    return bytes;
}

const char* reference_problem(const BodyReference& reference) noexcept {
    // No file is so large: a sum of such numbers doesn't wrap around.
    constexpr std::uint64_t offset_max = std::uint64_t{1} << 60;
    if (reference.file == 0 || reference.file > body_file_number_max)
        return "a reference to a body file that can't be";
    if (reference.offset == 0 || reference.offset % body_alignment != 0 ||
        reference.offset > offset_max)
        return "a reference to a place where no body can be";
    if (reference.length > item_bytes_max) return "a reference to a body over the limit";
    return nullptr;
}

const char* verify_body(const BodyReference& reference, Bytes body, bool has_metadata) noexcept {
    if (checksum(body, 0) != reference.hash) return "the hash of the body does not match";
    if (has_metadata && !metadata_is_sound(body)) return "the metadata of a record is not sound";
    return nullptr;
}

}  // namespace braid::segment
