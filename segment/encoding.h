#pragma once

#include <boost/endian/conversion.hpp>
#include <braid/types.hpp>
#include <cstdint>
#include <string_view>
#include <vector>

namespace braid::segment {

/// A varint has 7 bits a byte, low ones first, the top bit set on all but the last byte.
inline constexpr std::size_t varint_bytes_max = 10;

[[nodiscard]] constexpr std::size_t varint_bytes(std::uint64_t value) noexcept {
    std::size_t bytes = 1;
    for (; value >= 0x80; value >>= 7) ++bytes;
    return bytes;
}

/// Writes a varint at `at` and returns the byte behind it.
inline std::byte* put_varint(std::byte* at, std::uint64_t value) noexcept {
    for (; value >= 0x80; value >>= 7) *at++ = static_cast<std::byte>(value | 0x80);
    *at++ = static_cast<std::byte>(value);
    return at;
}

/// A signed difference as a number that is small where the difference is, of either sign.
[[nodiscard]] constexpr std::uint64_t zigzag(std::uint64_t difference) noexcept {
    return (difference << 1) ^ (std::uint64_t{0} - (difference >> 63));
}
[[nodiscard]] constexpr std::uint64_t unzigzag(std::uint64_t value) noexcept {
    return (value >> 1) ^ (std::uint64_t{0} - (value & 1));
}

/// Appends numbers and byte strings to a buffer.
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

/// Takes numbers and byte strings from bytes that may hold anything. After a read beyond the end,
/// or of a varint of more than 64 bits, `failed` is true and every further read gives 0 or empty.
class ByteReader {
public:
    explicit ByteReader(Bytes bytes) : left_(bytes) {}

    std::uint32_t fixed32() {
        const Bytes taken = bytes(sizeof(std::uint32_t));
        return failed_ ? 0 : boost::endian::load_little_u32(unsigned_bytes(taken));
    }
    std::uint64_t fixed64() {
        const Bytes taken = bytes(sizeof(std::uint64_t));
        return failed_ ? 0 : boost::endian::load_little_u64(unsigned_bytes(taken));
    }
    std::uint64_t varint() {
        if (!left_.empty() && left_.front() < std::byte{0x80}) {  // nearly all of them
            const auto value = std::to_integer<std::uint64_t>(left_.front());
            left_ = left_.subspan(1);
            return value;
        }
        return long_varint();
    }
    Bytes bytes(std::uint64_t count) {
        if (count > left_.size()) return fail();
        const Bytes taken = left_.first(count);
        left_ = left_.subspan(count);
        return taken;
    }
    std::string_view text() {
        const std::uint64_t length = varint();
        return as_text(bytes(length));
    }

    [[nodiscard]] bool failed() const noexcept { return failed_; }
    [[nodiscard]] Bytes left() const noexcept { return left_; }
    /// Nothing left and nothing failed.
    [[nodiscard]] bool finished() const noexcept { return !failed_ && left_.empty(); }

private:
    static const unsigned char* unsigned_bytes(Bytes bytes) noexcept {
        return reinterpret_cast<const unsigned char*>(bytes.data());
    }
    Bytes fail() {
        failed_ = true;
        left_ = {};
        return {};
    }
    std::uint64_t long_varint();

    Bytes left_;
    bool failed_ = false;
};

}  // namespace braid::segment
