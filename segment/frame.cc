#include "segment/frame.h"

#include <algorithm>
#include <array>

#include "segment/body_reference.h"

namespace braid::segment {

namespace {

Look damaged(const char* reason) {
    return {Found::damaged, ItemType::nothing, 0, reason};
}

bool all_zero(Bytes bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

int flags_known(ItemType type) {
    if (type == ItemType::records_joined) return item_flags::has_metadata;
    return is_frame(type) ? item_flags::known : item_flags::ends_transaction;
}

// What is wrong with the prefix of an item, or nullptr. `prefix` has 16 bytes behind it.
const char* prefix_problem(FrameView prefix) {
    const ItemType type = prefix.type();
    const bool frame = is_frame(type);
    if (!is_known(type)) return "unsupported type of item";
    if (prefix.flags() & item_flags::codec_mask) return "unsupported codec";
    if (prefix.flags() & ~flags_known(type)) return "unsupported flags";
    if (frame && prefix.count() == 0) return "a frame of no records";
    if (prefix.is_joined() && prefix.count() == 1) return "a joined frame of a single record";
    if (!frame && prefix.count() != 0) return "a change with a count of records";
    const std::size_t least =
        frame ? frame_header_bytes + prefix.index_bytes() : sizeof(ItemPrefix) + 8;
    if (prefix.length() < least) return "the length is less than the header and the index take";
    if (prefix.length() > item_bytes_max) return "the length is over the limit";
    if (type == ItemType::records_elsewhere &&
        (prefix.count() != 1 || prefix.length() != frame_elsewhere_bytes))
        return "a frame of a record elsewhere that isn't just a reference";
    return nullptr;
}

// Whether the end offsets rise and the last one is the end of the frame.
bool ends_are_sound(FrameView frame) {
    const std::uint32_t count = frame.count();
    bool falls = false;
    std::size_t previous = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::size_t end = frame.end_offset(i);
        falls |= end < previous;
        previous = end;
    }
    return !falls && previous == frame.body().size() - frame.index_bytes();
}

// Whether the first record's numbers are the frame's, and the others' rise from them.
bool joined_numbers_are_sound(FrameView frame) {
    const std::uint32_t last = frame.count() - 1;
    if (frame.position(0) != frame.first_position() || frame.timestamp(0) != frame.timestamp() ||
        frame.transaction(0) != frame.transaction())
        return false;
    // Sums that wrap around don't rise either.
    for (std::uint32_t i = 0; i < last; ++i)
        if (frame.position(i + 1) <= frame.position(i) ||
            frame.timestamp(i + 1) < frame.timestamp(i) ||
            frame.transaction(i + 1) < frame.transaction(i))
            return false;
    return true;
}

}  // namespace

bool metadata_is_sound(Bytes record) noexcept {
    ByteReader reader(record);
    const std::uint64_t pairs = reader.varint();
    for (std::uint64_t i = 0; i < pairs && !reader.failed(); ++i) {
        reader.text();
        reader.text();
    }
    return !reader.failed();
}

std::uint64_t frame_checksum(const std::byte* header, std::uint64_t body_hash,
                             std::uint64_t seed) noexcept {
    constexpr std::size_t covered = frame_header_bytes - sizeof(std::uint64_t);
    std::array<std::byte, covered + sizeof body_hash> input;
    std::memcpy(input.data(), header + sizeof(std::uint64_t), covered);
    boost::endian::native_to_little_inplace(body_hash);
    std::memcpy(input.data() + covered, &body_hash, sizeof body_hash);
    return checksum(input, seed);
}

Look look_closely(Bytes bytes) noexcept {
    if (bytes.size() < sizeof(ItemPrefix)) {
        if (all_zero(bytes)) return {};
        return damaged("the bytes end within an item's first 16 bytes");
    }
    const FrameView item(bytes.data());
    if (item.type() == ItemType::nothing && item.length() == 0) return {};
    if (const char* problem = prefix_problem(item)) return damaged(problem);
    if (item.length() > bytes.size()) return damaged("the length goes beyond what is there");
    const std::uint64_t reach = std::min<std::uint64_t>(item.padded_length(), bytes.size());
    if (!all_zero(bytes.subspan(item.length(), reach - item.length())))
        return damaged("the padding is not zero");
    return {Found::item, item.type(), item.length(), ""};
}

const char* verify_frame(FrameView frame, std::uint64_t store_seed) noexcept {
    if (const char* problem = prefix_problem(frame)) return problem;
    if (!is_frame(frame.type())) return "not a frame of records";
    const std::uint64_t expected = frame_checksum(frame.data(), checksum(frame.body(), 0),
                                                  frame_seed(store_seed, frame.segment()));
    if (frame.checksum() != expected) return "the checksum does not match";
    if (frame.is_elsewhere()) return reference_problem(body_reference(frame));
    if (frame.count() > 1 && !ends_are_sound(frame)) return "the end offsets are not sound";
    if (frame.is_joined() && !joined_numbers_are_sound(frame))
        return "the numbers of the records are not sound";
    if (!frame.has_metadata()) return nullptr;
    for (std::uint32_t i = 0; i < frame.count(); ++i)
        if (!metadata_is_sound(frame.record(i))) return "the metadata of a record is not sound";
    return nullptr;
}

bool is_record_sound(FrameView frame, std::uint32_t index, std::uint64_t store_seed) noexcept {
    if (!frame.is_joined()) return false;
    const std::size_t begin = index == 0 ? 0 : frame.end_offset(index - 1);
    const std::size_t end = frame.end_offset(index);
    if (begin > end || end > frame.body().size() - frame.index_bytes()) return false;
    const Bytes record = frame.record(index);
    FrameHeader own;
    own.prefix.checksum = 0;
    own.prefix.length = static_cast<std::uint32_t>(frame_header_bytes + record.size());
    own.prefix.count = 1;
    own.prefix.type = static_cast<std::uint8_t>(ItemType::records);
    own.prefix.flags = static_cast<std::uint8_t>(
        frame.flags() | (frame.ends_transaction(index) ? item_flags::ends_transaction : 0));
    own.segment = frame.segment().value;
    own.first_sequence = (frame.first_sequence() + index).value;
    own.first_position = frame.position(index).value;
    own.timestamp = frame.timestamp(index).value;
    own.transaction = frame.transaction(index).value;
    return frame_checksum(reinterpret_cast<const std::byte*>(&own), checksum(record, 0),
                          frame_seed(store_seed, frame.segment())) == frame.own_checksum(index) &&
           (!frame.has_metadata() || metadata_is_sound(record));
}

std::uint32_t sound_records(FrameView frame, std::uint32_t index, bool backward,
                            std::uint64_t store_seed) noexcept {
    if (!frame.is_joined()) return 0;
    const std::uint32_t most = backward ? index + 1 : frame.count() - index;
    std::uint32_t sound = 0;
    while (sound < most &&
           is_record_sound(frame, backward ? index - sound : index + sound, store_seed))
        ++sound;
    return sound;
}

}  // namespace braid::segment
