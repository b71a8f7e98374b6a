#pragma once

#include <cstddef>

namespace braid::io {

/// How many descriptors the process may have at once, whoever takes them.
[[nodiscard]] std::size_t descriptors_max() noexcept;

}  // namespace braid::io
