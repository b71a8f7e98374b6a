#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tools/output.h"

namespace braid::tools {

/// Appends the standard, padded form (RFC 4648 §4).
void append_base64(Buffer& out, std::string_view bytes);

/// Nothing unless `text` is exactly what `append_base64` makes of some bytes.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace braid::tools
