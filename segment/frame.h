#pragma once

#include <algorithm>
#include <bit>
#include <boost/endian/buffers.hpp>
#include <boost/endian/conversion.hpp>
#include <braid/types.hpp>
#include <cstring>

#include "segment/checksum.h"
#include "segment/encoding.h"
#include "segment/item.h"

namespace braid::segment {

/// A frame: records of one segment, consecutive in sequence and in position, from one transaction.
/// The same bytes in the log, in tails, in packs and in pieces. Behind the header: if there are
/// several records, their u16 end offsets (counted from the first record's byte); then the records.
///
/// A record is its payload; in a frame that has metadata it is: varint number of pairs, for each
/// pair varint length and key, varint length and value; then the payload up to the record's end.
///
/// checksum = XXH3-64(frame seed, bytes 8..55 of the header ‖ XXH3-64(0, body)): the body is hashed
/// by whoever builds it, the header when the numbers are known.
///
/// A *joined* frame is made of small ones of a single record each, where they are stored behind
/// each other (segment/frame_joiner.h). Its records are consecutive in sequence alone: behind the
/// end offsets each has its own position, timestamp and transaction, and the checksum that its own
/// frame had; the header has the numbers of the first one.
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

/// A record's numbers in a joined frame.
struct JoinedNumbers {
    boost::endian::little_uint64_buf_t checksum;  ///< of the frame that was its own
    boost::endian::little_uint32_buf_t position;  ///< less the joined frame's
    /// Less the frame's, times 2; plus 1 if the record is the last one of its transaction.
    boost::endian::little_uint32_buf_t transaction;
    boost::endian::little_uint64_buf_t timestamp;  ///< less the frame's
};
static_assert(sizeof(JoinedNumbers) == 24);
static_assert(offsetof(JoinedNumbers, position) == 8 && offsetof(JoinedNumbers, transaction) == 12);
static_assert(offsetof(JoinedNumbers, timestamp) == 16);
/// A body is no longer than this unless it is one larger record.
inline constexpr std::size_t frame_body_bytes_max = 64 << 10;
/// What a frame whose record lies elsewhere has in its place (segment/body_reference.h).
inline constexpr std::size_t body_reference_bytes = 32;
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
    /// What stands for its record is a BodyReference.
    [[nodiscard]] bool is_elsewhere() const noexcept {
        return type() == ItemType::records_elsewhere;
    }
    /// Each record has numbers of its own.
    [[nodiscard]] bool is_joined() const noexcept { return type() == ItemType::records_joined; }
    [[nodiscard]] bool has_metadata() const noexcept { return flags() & item_flags::has_metadata; }
    /// Of an item of a transaction: it is the last one. In joined frames records tell.
    [[nodiscard]] bool ends_transaction() const noexcept {
        return flags() & item_flags::ends_transaction;
    }
    /// Whether its body is the payload of its only record.
    [[nodiscard]] bool is_plain_single() const noexcept {
        return count() == 1 && type() == ItemType::records && !has_metadata();
    }
    [[nodiscard]] std::uint64_t checksum() const noexcept { return load<std::uint64_t>(0); }
    [[nodiscard]] SegmentId segment() const noexcept { return load<std::uint64_t>(16); }
    [[nodiscard]] Sequence first_sequence() const noexcept { return load<std::uint64_t>(24); }
    [[nodiscard]] Sequence last_sequence() const noexcept {
        return first_sequence() + (count() - 1);
    }
    [[nodiscard]] Position first_position() const noexcept { return load<std::uint64_t>(32); }
    [[nodiscard]] Position last_position() const noexcept { return position(count() - 1); }
    /// Of the first record; of all unless the frame is joined.
    [[nodiscard]] Timestamp timestamp() const noexcept { return load<std::uint64_t>(40); }
    [[nodiscard]] Timestamp last_timestamp() const noexcept { return timestamp(count() - 1); }
    /// As the timestamp.
    [[nodiscard]] TransactionNumber transaction() const noexcept { return load<std::uint64_t>(48); }

    // Of record `index` (0 … count − 1). Of a joined frame the index's bytes must be there.
    [[nodiscard]] Position position(std::uint32_t index) const noexcept {
        return first_position() +
               (is_joined() ? load<std::uint32_t>(numbers_at(index) + 8) : std::uint64_t{index});
    }
    [[nodiscard]] Timestamp timestamp(std::uint32_t index) const noexcept {
        return timestamp() + (is_joined() ? load<std::uint64_t>(numbers_at(index) + 16) : 0);
    }
    [[nodiscard]] TransactionNumber transaction(std::uint32_t index) const noexcept {
        return transaction() + (is_joined() ? load<std::uint32_t>(numbers_at(index) + 12) / 2 : 0);
    }
    /// Whether it is the last one of its transaction.
    [[nodiscard]] bool ends_transaction(std::uint32_t index) const noexcept {
        return is_joined() ? load<std::uint32_t>(numbers_at(index) + 12) & 1
                           : ends_transaction() && index == count() - 1;
    }
    /// Of a joined frame: the checksum of the record's own.
    [[nodiscard]] std::uint64_t own_checksum(std::uint32_t index) const noexcept {
        return load<std::uint64_t>(numbers_at(index));
    }
    /// The first of the records from `begin` up to `end` that is beyond this position; `end` if
    /// none is.
    [[nodiscard]] std::uint32_t first_beyond(Position position, std::uint32_t begin,
                                             std::uint32_t end) const noexcept;
    [[nodiscard]] std::uint32_t first_beyond(Timestamp timestamp, std::uint32_t begin,
                                             std::uint32_t end) const noexcept;

    /// Record `index` (0 … count − 1), metadata and payload together. The frame was verified, and
    /// has its records.
    [[nodiscard]] Bytes record(std::uint32_t index) const noexcept {
        if (count() == 1) return body();
        const std::size_t begin = index == 0 ? 0 : end_offset(index - 1);
        return {at_ + frame_header_bytes + index_bytes() + begin, end_offset(index) - begin};
    }

    /// Everything behind the header: end offsets, joined numbers and records.
    [[nodiscard]] Bytes body() const noexcept {
        return {at_ + frame_header_bytes, length() - frame_header_bytes};
    }
    /// Bytes of the end offsets.
    [[nodiscard]] std::size_t ends_bytes() const noexcept {
        return count() == 1 ? 0 : sizeof(std::uint16_t) * count();
    }
    /// Bytes between the header and the first record.
    [[nodiscard]] std::size_t index_bytes() const noexcept {
        return ends_bytes() + (is_joined() ? sizeof(JoinedNumbers) * count() : 0);
    }
    /// Where record `index` ends, counted from the first record's byte. Only with several records.
    [[nodiscard]] std::size_t end_offset(std::uint32_t index) const noexcept {
        return load<std::uint16_t>(frame_header_bytes + sizeof(std::uint16_t) * index);
    }
    /// Whether the bytes behind the frame, up to a multiple of 8, are zero. They must be there.
    [[nodiscard]] bool padding_is_zero() const noexcept {
        const std::uint64_t used = length() & 7;
        return used == 0 || load<std::uint64_t>(padded_length() - 8) >> (8 * used) == 0;
    }

private:
    /// Where a record's JoinedNumbers are.
    [[nodiscard]] std::size_t numbers_at(std::uint32_t index) const noexcept {
        return frame_header_bytes + ends_bytes() + sizeof(JoinedNumbers) * index;
    }
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

/// The first index from `begin` up to `end` for which it isn't so; it is for those before. Mostly
/// it is so for all or none, which is told by the last and the first.
template <class Test>
[[nodiscard]] std::uint32_t first_without(std::uint32_t begin, std::uint32_t end,
                                          Test&& is_so) noexcept {
    if (begin == end || !is_so(begin)) return begin;
    if (is_so(end - 1)) return end;
    while (begin < end) {
        const std::uint32_t middle = begin + (end - begin) / 2;
        if (is_so(middle))
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

inline std::uint32_t FrameView::first_beyond(Position position, std::uint32_t begin,
                                             std::uint32_t end) const noexcept {
    if (is_joined())
        return first_without(begin, end, [&](auto i) { return this->position(i) <= position; });
    const Position first = first_position();
    const std::uint64_t before = position < first ? 0 : position - first + 1;
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(before, begin, end));
}

inline std::uint32_t FrameView::first_beyond(Timestamp timestamp, std::uint32_t begin,
                                             std::uint32_t end) const noexcept {
    if (is_joined())
        return first_without(begin, end, [&](auto i) { return this->timestamp(i) <= timestamp; });
    return this->timestamp() <= timestamp ? end : begin;
}

/// A record taken apart.
struct RecordView {
    std::size_t pairs = 0;
    const std::byte* metadata = nullptr;  ///< the first pair
    Bytes payload;
};

/// Splits a record of a verified frame. Stays within any bytes, whatever they hold.
[[nodiscard]] inline RecordView split_record(Bytes record, bool has_metadata) noexcept {
    if (!has_metadata) return {0, nullptr, record};
    ByteReader reader(record);
    RecordView view;
    view.pairs = reader.varint();
    view.metadata = reader.left().data();
    for (std::size_t i = 0; i < view.pairs && !reader.failed(); ++i) {
        reader.text();
        reader.text();
    }
    view.payload = reader.left();
    return view;
}

/// Seed of the frames of one segment.
[[nodiscard]] inline std::uint64_t frame_seed(std::uint64_t store_seed,
                                              SegmentId segment) noexcept {
    return mix_seed(store_seed, segment.value);
}

/// The checksum that a frame with this header and body hash must bear.
[[nodiscard]] std::uint64_t frame_checksum(const std::byte* header, std::uint64_t body_hash,
                                           std::uint64_t seed) noexcept;

/// Judges the first bytes of `bytes`: nothing (a type of 0 and a length of 0), an item whose prefix
/// and bounds make sense and that fits into `bytes`, or damage, with the reason in words. The
/// padding up to a multiple of 8 must be zero, as far as `bytes` reaches. No checksum is looked at.
struct Look {
    Found found = Found::nothing;
    ItemType type = ItemType::nothing;
    std::uint64_t length = 0;
    const char* reason = "";  ///< of damage
};
/// Whether a frame that was verified before has bounds that lie within so many bytes: what a medium
/// gives back at another time must lead nowhere else.
[[nodiscard]] inline bool fits(FrameView frame, std::uint64_t bytes) noexcept {
    const std::size_t body = frame.is_elsewhere() ? body_reference_bytes : frame.index_bytes();
    return frame.length() >= frame_header_bytes + body && frame.padded_length() <= bytes;
}
/// `look` for all but sound frames of records with their padding.
[[nodiscard]] Look look_closely(Bytes bytes) noexcept;

[[nodiscard]] inline Look look(Bytes bytes) noexcept {
    if (bytes.size() >= frame_header_bytes) {
        const FrameView frame(bytes.data());
        if (frame.type() == ItemType::records && frame.count() != 0 &&
            (frame.flags() & ~item_flags::known) == 0 &&
            frame.length() >= frame_header_bytes + frame.ends_bytes() &&
            frame.length() <= item_bytes_max && frame.padded_length() <= bytes.size() &&
            frame.padding_is_zero()) [[likely]]
            return {Found::item, ItemType::records, frame.length(), ""};
    }
    return look_closely(bytes);
}

/// Whether a record's metadata can be decoded.
[[nodiscard]] bool metadata_is_sound(Bytes record) noexcept;

/// Checks a frame that `look` has found: checksum, then that the end offsets rise and lie within,
/// that joined numbers rise, and that metadata can be decoded; or that its reference makes sense.
/// Reads nothing behind `length()`. nullptr if it is sound, else the reason in words.
[[nodiscard]] const char* verify_frame(FrameView frame, std::uint64_t store_seed) noexcept;

/// Whether a record of a joined frame that `look` has found is what its own frame's checksum was
/// made for, with its numbers: also where the frame isn't sound as a whole.
[[nodiscard]] bool is_record_sound(FrameView frame, std::uint32_t index,
                                   std::uint64_t store_seed) noexcept;
/// How many records in a row are, from this one on, or back from it. None if the frame isn't
/// joined.
[[nodiscard]] std::uint32_t sound_records(FrameView frame, std::uint32_t index, bool backward,
                                          std::uint64_t store_seed) noexcept;

}  // namespace braid::segment
