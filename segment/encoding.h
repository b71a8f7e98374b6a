#pragma once

#include <braid/types.hpp>
#include <cstdint>
#include <string_view>
#include <vector>

namespace braid::segment {

/// Appends numbers and byte strings to a buffer. A varint has 7 bits a byte, low ones first, the top
/// bit set on all but the last byte.
class ByteWriter {
public:
    explicit ByteWriter(std::vector<std::byte>& out) : out_(out) {}

    void fixed32(std::uint32_t value);
    void fixed64(std::uint64_t value);
    void varint(std::uint64_t value);
    void bytes(Bytes bytes);
    /// A varint of the length, then the bytes.
    void text(std::string_view text);

private:
    std::vector<std::byte>& out_;
};

[[nodiscard]] constexpr std::size_t varint_bytes(std::uint64_t value) noexcept {
    std::size_t bytes = 1;
    for (; value >= 0x80; value >>= 7) ++bytes;
    return bytes;
}
/// Writes a varint at `at` and returns the byte behind it.
std::byte* put_varint(std::byte* at, std::uint64_t value) noexcept;

/// Takes numbers and byte strings from bytes that may hold anything. After a read beyond the end, or
/// of a varint of more than 64 bits, `failed` is true and every further read gives 0 or empty.
class ByteReader {
public:
    explicit ByteReader(Bytes bytes) : left_(bytes) {}

    std::uint32_t fixed32();
    std::uint64_t fixed64();
    std::uint64_t varint();
    Bytes bytes(std::size_t count);
    std::string_view text();

    [[nodiscard]] bool failed() const noexcept { return failed_; }
    [[nodiscard]] Bytes left() const noexcept { return left_; }
    /// Nothing left and nothing failed.
    [[nodiscard]] bool finished() const noexcept { return !failed_ && left_.empty(); }

private:
    Bytes left_;
    bool failed_ = false;
};

}  // namespace braid::segment
