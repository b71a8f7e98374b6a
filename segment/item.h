#pragma once

#include <boost/endian/buffers.hpp>
#include <braid/types.hpp>
#include <cstddef>
#include <cstdint>

namespace braid::segment {

/// Everything in a transaction, in log and tails, begins with these 16 bytes: a frame of records or
/// a change record. Items lie on multiples of 8 bytes; the bytes up to the next one are zero.
struct ItemPrefix {
    boost::endian::little_uint64_buf_t checksum;
    boost::endian::little_uint32_buf_t length;  ///< of the whole item, without the padding
    boost::endian::little_uint16_buf_t count;   ///< records in a frame; 0 in a change
    boost::endian::little_uint8_buf_t type;     ///< an ItemType; 0 is "nothing here"
    boost::endian::little_uint8_buf_t flags;    ///< of ItemFlags
};
static_assert(sizeof(ItemPrefix) == 16);
static_assert(offsetof(ItemPrefix, length) == 8 && offsetof(ItemPrefix, type) == 14);

enum class ItemType : std::uint8_t {
    nothing = 0,
    records = 1,
    records_joined = 2,     ///< of several transactions, each record with its own numbers
    records_elsewhere = 3,  ///< one record, whose large body lies in a body file
    // Change records. In the log and, without their prefix, in the catalog.
    space_named = 64,
    segment_named = 65,
    consumer_moved = 66,
    consumer_deleted = 67,
    transaction_noted = 68,  ///< an id given by the caller
    segment_trimmed = 69,    ///< reserved
    segment_deleted = 70,    ///< reserved
    space_deleted = 71,      ///< reserved
    consumer_taken = 72,
    lease_granted = 73,
    lease_released = 74,
};

[[nodiscard]] constexpr bool is_change(ItemType type) noexcept {
    return static_cast<std::uint8_t>(type) >= 64;
}

/// A frame of records, wherever their bytes lie.
[[nodiscard]] constexpr bool is_frame(ItemType type) noexcept {
    return type == ItemType::records || type == ItemType::records_joined ||
           type == ItemType::records_elsewhere;
}

/// Whether items of that type exist in this version.
[[nodiscard]] constexpr bool is_known(ItemType type) noexcept {
    switch (type) {
        case ItemType::records:
        case ItemType::records_joined:
        case ItemType::records_elsewhere:
        case ItemType::space_named:
        case ItemType::segment_named:
        case ItemType::consumer_moved:
        case ItemType::consumer_deleted:
        case ItemType::consumer_taken:
        case ItemType::lease_granted:
        case ItemType::lease_released:
        case ItemType::transaction_noted:
            return true;
        default:
            return false;
    }
}

namespace item_flags {
inline constexpr std::uint8_t has_metadata = 1;      ///< every record begins with its metadata
inline constexpr std::uint8_t ends_transaction = 2;  ///< the transaction's last item
inline constexpr std::uint8_t codec_mask = 0xf0;     ///< reserved: a compressed body; 0 is plain
inline constexpr std::uint8_t known = has_metadata | ends_transaction;
}  // namespace item_flags

/// The bytes that an item of `length` takes with its padding.
[[nodiscard]] constexpr std::uint64_t padded(std::uint64_t length) noexcept {
    return (length + 7) & ~std::uint64_t{7};
}

}  // namespace braid::segment
