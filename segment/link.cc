#include "segment/link.h"

#include <array>

namespace braid::segment {

namespace {

// CRC-8, polynomial x^8 + x^2 + x + 1: over 56 bits every error of up to three bits is noticed. One
// table for each byte of the word, so that no lookup waits for another one: entry `i` of table `n`
// is what byte `i` leaves when `n` further bytes have gone by.
constexpr std::size_t word_bytes = 7;
using Table = std::array<std::uint8_t, 256>;

constexpr std::array<Table, word_bytes> make_tables() {
    std::array<Table, word_bytes> tables{};
    for (unsigned i = 0; i < 256; ++i) {
        unsigned crc = i;
        for (Table& table : tables) {
            for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ (crc & 0x80 ? 0x107 : 0);
            table[i] = static_cast<std::uint8_t>(crc);
        }
    }
    return tables;
}
constexpr std::array<Table, word_bytes> tables = make_tables();

// The start value makes the check of a zero link nonzero, so that plain zeros are no link at all.
std::uint64_t check_of(std::uint64_t word) {
    constexpr std::uint64_t start = 0x5a;
    word ^= start;
    std::uint8_t crc = 0;
    for (std::size_t byte = 0; byte < word_bytes; ++byte)
        crc ^= tables[word_bytes - 1 - byte][(word >> (8 * byte)) & 0xff];
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
