#pragma once

#include <boost/endian/buffers.hpp>
#include <braid/result.hpp>
#include <cstring>
#include <string>

#include "segment/checksum.h"
#include "segment/item.h"

namespace braid::segment {

/// A frame: records of one segment, consecutive in sequence and in position, from one transaction.
/// The same bytes in the log, in tails, in packs and in pieces. Behind the header: if there are
/// several records, their u16 end offsets (counted from the first record's byte); then the records.
///
/// A record is its payload; in a frame that has metadata it is: varint number of pairs, for each pair
/// varint length and key, varint length and value; then the payload up to the record's end.
///
/// checksum = XXH3-64(frame seed, bytes 8..55 of the header ‖ XXH3-64(0, body)): the body is hashed
/// by whoever builds it, the header when the numbers are known.
struct FrameHeader {
    ItemPrefix prefix;
    boost::endian::little_uint64_buf_t segment;
    boost::endian::little_uint64_buf_t first_sequence;
    boost::endian::little_uint64_buf_t first_position;
    boost::endian::little_uint64_buf_t timestamp;
    boost::endian::little_uint64_buf_t transaction;
};
static_assert(sizeof(FrameHeader) == 56);
static_assert(offsetof(FrameHeader, segment) == 16 && offsetof(FrameHeader, transaction) == 48);

inline constexpr std::size_t frame_header_bytes = sizeof(FrameHeader);
/// A body is no longer than this unless it is one larger record.
inline constexpr std::size_t frame_body_bytes_max = 64 << 10;
inline constexpr std::size_t frame_records_max = 0xffff;
/// No item is longer: the largest record with its metadata, and the header.
inline constexpr std::uint64_t item_bytes_max = (std::uint64_t{64} << 20) + (1 << 16);

/// What is found where a frame may stand.
enum class Found : std::uint8_t { nothing, damaged, item };

/// Fields of a frame in memory. A view: the bytes must stay. Made of bytes that hold anything by
/// `look`, and trusted only after `verify`.
class FrameView {
public:
    FrameView() = default;
    /// `at` must have the header's bytes behind it, and `length()` bytes for the body's functions.
    explicit FrameView(const std::byte* at) noexcept : at_(at) {}

    [[nodiscard]] const std::byte* data() const noexcept { return at_; }
    [[nodiscard]] std::uint32_t length() const noexcept { return load<std::uint32_t>(8); }
    [[nodiscard]] std::uint64_t padded_length() const noexcept { return padded(length()); }
    [[nodiscard]] Bytes bytes() const noexcept { return {at_, length()}; }
    [[nodiscard]] std::uint32_t count() const noexcept { return load<std::uint16_t>(12); }
    [[nodiscard]] ItemType type() const noexcept { return ItemType(load<std::uint8_t>(14)); }
    [[nodiscard]] std::uint8_t flags() const noexcept { return load<std::uint8_t>(15); }
    [[nodiscard]] bool has_metadata() const noexcept { return flags() & item_flags::has_metadata; }
    [[nodiscard]] bool ends_transaction() const noexcept {
        return flags() & item_flags::ends_transaction;
    }
    [[nodiscard]] std::uint64_t checksum() const noexcept { return load<std::uint64_t>(0); }
    [[nodiscard]] SegmentId segment() const noexcept { return load<std::uint64_t>(16); }
    [[nodiscard]] Sequence first_sequence() const noexcept { return load<std::uint64_t>(24); }
    [[nodiscard]] Sequence last_sequence() const noexcept { return first_sequence() + (count() - 1); }
    [[nodiscard]] Position first_position() const noexcept { return load<std::uint64_t>(32); }
    [[nodiscard]] Position last_position() const noexcept { return first_position() + (count() - 1); }
    [[nodiscard]] Timestamp timestamp() const noexcept { return load<std::uint64_t>(40); }
    [[nodiscard]] TransactionNumber transaction() const noexcept { return load<std::uint64_t>(48); }

    /// Record `index` (0 … count − 1), metadata and payload together. The frame was verified.
    [[nodiscard]] Bytes record(std::uint32_t index) const noexcept;

private:
    template <class T>
    [[nodiscard]] T load(std::size_t offset) const noexcept {
        T value;
        std::memcpy(&value, at_ + offset, sizeof value);
        if constexpr (std::endian::native == std::endian::big && sizeof(T) > 1)
            value = boost::endian::endian_reverse(value);
        return value;
    }

    const std::byte* at_ = nullptr;
};

/// A record taken apart.
struct RecordView {
    std::size_t pairs = 0;
    const std::byte* metadata = nullptr;  ///< the first pair
    Bytes payload;
};

/// Splits a record of a verified frame.
[[nodiscard]] RecordView split_record(Bytes record, bool has_metadata) noexcept;

/// Seed of the frames of one segment.
[[nodiscard]] inline std::uint64_t frame_seed(std::uint64_t store_seed, SegmentId segment) noexcept {
    return mix_seed(store_seed, segment.value);
}

/// The checksum that a frame with this header and body hash must bear.
[[nodiscard]] std::uint64_t frame_checksum(const std::byte* header, std::uint64_t body_hash,
                                           std::uint64_t seed) noexcept;

/// Judges the first bytes of `bytes`: nothing (a type of 0 and a length of 0), an item whose prefix
/// and bounds make sense and that fits into `bytes`, or damage, with the reason in words. A frame's
/// checksum is not looked at.
struct Look {
    Found found = Found::nothing;
    ItemType type = ItemType::nothing;
    std::uint64_t length = 0;
    const char* reason = "";  ///< of damage
};
[[nodiscard]] Look look(Bytes bytes) noexcept;

/// Checks a frame that `look` has found: checksum, then that the end offsets rise and lie within, that
/// metadata can be decoded, and that the padding up to a multiple of 8 is zero (where `bytes` reaches).
/// nullptr if it is sound, else the reason in words.
[[nodiscard]] const char* verify_frame(FrameView frame, std::uint64_t store_seed) noexcept;

}  // namespace braid::segment
