#include "segment/encoding.h"

#include <array>

namespace braid::segment {

void ByteWriter::fixed32(std::uint32_t value) {
    std::array<unsigned char, sizeof value> stored;
    boost::endian::store_little_u32(stored.data(), value);
    bytes(std::as_bytes(std::span(stored)));
}

void ByteWriter::fixed64(std::uint64_t value) {
    std::array<unsigned char, sizeof value> stored;
    boost::endian::store_little_u64(stored.data(), value);
    bytes(std::as_bytes(std::span(stored)));
}

void ByteWriter::varint(std::uint64_t value) {
    std::array<std::byte, varint_bytes_max> encoded;
    const std::byte* end = put_varint(encoded.data(), value);
    out_.insert(out_.end(), static_cast<const std::byte*>(encoded.data()), end);
}

void ByteWriter::bytes(Bytes bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
}

void ByteWriter::text(std::string_view text) {
    varint(text.size());
    bytes(as_bytes(text));
}

std::uint64_t ByteReader::long_varint() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < left_.size() && i < varint_bytes_max; ++i) {
        const auto byte = std::to_integer<std::uint64_t>(left_[i]);
        // Nine bytes hold 63 bits: the tenth may only bring the last one.
        if (i + 1 == varint_bytes_max && byte > 1) break;
        value |= (byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            left_ = left_.subspan(i + 1);
            return value;
        }
    }
    fail();
    return 0;
}

}  // namespace braid::segment
