#include "segment/body_file.h"

#include <fmt/format.h>

#include "segment/body_reference.h"

namespace braid::segment {

std::string body_file_name(std::uint32_t number) {
    return fmt::format("body-{:06}", number);
}

FileHeader make_body_file_header(const Uuid& store, std::uint32_t number) noexcept {
    FileIdentity identity;
    identity.kind = FileKind::body;
    identity.store = store;
    identity.number = number;
    identity.header_bytes = body_alignment;
    return make_file_header(identity);
}

}  // namespace braid::segment
