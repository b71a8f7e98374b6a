#include "segment/link.h"

#include <array>

namespace braid::segment {

namespace {

// CRC-8, polynomial x^8 + x^2 + x + 1: over 56 bits every error of up to three bits is noticed.
constexpr std::array<std::uint8_t, 256> make_table() {
    std::array<std::uint8_t, 256> table{};
    for (unsigned i = 0; i < 256; ++i) {
        unsigned crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ (crc & 0x80 ? 0x107 : 0);
        table[i] = static_cast<std::uint8_t>(crc);
    }
    return table;
}
constexpr std::array<std::uint8_t, 256> table = make_table();

// The start value makes the check of a zero link nonzero, so that plain zeros are no link at all.
std::uint64_t check_of(std::uint64_t word) {
    std::uint8_t crc = 0x5a;
    for (int shift = 0; shift < 56; shift += 8)
        crc = table[crc ^ static_cast<std::uint8_t>(word >> shift)];
    return crc;
}

constexpr std::uint64_t word_mask = (std::uint64_t{1} << 56) - 1;

}  // namespace

std::uint64_t Link::stored() const noexcept {
    return (word_ & word_mask) | (check_of(word_) << 56);
}

bool Link::load(std::uint64_t stored, Link& out) noexcept {
    out = from_word(stored & word_mask);
    return check_of(out.word_) == stored >> 56;
}

}  // namespace braid::segment
