#pragma once

#include <cstdint>
#include <string_view>

#include "tools/output.h"

namespace braid::tools {

/// Whether the bytes are well-formed UTF-8 (no surrogates, no overlong forms).
[[nodiscard]] bool is_utf8(std::string_view bytes) noexcept;

/// Appends a JSON string. `utf8` must be UTF-8.
void append_json_string(Buffer& out, std::string_view utf8);

/// Writes one JSON object field by field, straight into a buffer. Keys are plain ASCII words.
class JsonObject {
public:
    explicit JsonObject(Buffer& out) : out_(out) {}

    JsonObject& number(std::string_view key, std::uint64_t value);
    JsonObject& boolean(std::string_view key, bool value);
    /// Any bytes, exactly: as `key` where they are UTF-8, else base64 as `key`_base64.
    JsonObject& bytes(std::string_view key, std::string_view value);
    /// Words for people: what isn't UTF-8 becomes U+FFFD.
    JsonObject& words(std::string_view key, std::string_view value);
    /// Writes the key; the caller appends the value to the buffer it gets.
    Buffer& value(std::string_view key, std::string_view key_suffix = {});

    /// Closes the object.
    void end();
    void end_line();

private:
    Buffer& out_;
    char before_ = '{';  // what stands before the next field
};

}  // namespace braid::tools
