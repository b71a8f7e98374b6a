#include "segment/segment_file.h"

#include <fmt/format.h>

namespace braid::segment {

std::string segment_file_name(SegmentId segment, std::uint32_t number) {
    return fmt::format("segment-{:06}-{:06}", segment.value, number);
}

FileHeader make_segment_file_header(const Uuid& store, SegmentId segment,
                                    std::uint32_t number) noexcept {
    FileIdentity identity;
    identity.kind = FileKind::segment;
    identity.store = store;
    identity.number = number;
    identity.header_bytes = 4096;
    identity.extra[0] = segment.value;
    return make_file_header(identity);
}

}  // namespace braid::segment
