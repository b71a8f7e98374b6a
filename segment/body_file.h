#pragma once

#include <string>

#include "segment/file_header.h"

namespace braid::segment {

/// body-<number>: a file header in a block of 4 KiB; then large bodies, each on a 4 KiB boundary,
/// zeros up to the next one. What lies where, only the frames know (segment/body_reference.h).
[[nodiscard]] std::string body_file_name(std::uint32_t number);

/// The header of a body file of a store.
[[nodiscard]] FileHeader make_body_file_header(const Uuid& store, std::uint32_t number) noexcept;

}  // namespace braid::segment
