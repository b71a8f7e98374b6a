#include "segment/frame_builder.h"

#include <algorithm>
#include <braid/check.hpp>

namespace braid::segment {

namespace {

constexpr std::size_t end_bytes = sizeof(std::uint16_t);
// Every end offset of a frame of several records can be told in 16 bits.
static_assert(frame_body_bytes_max - 2 * end_bytes <= 0xffff);

std::uint64_t text_bytes(std::string_view text) {
    return varint_bytes(text.size()) + text.size();
}

}  // namespace

std::uint64_t record_bytes(Bytes payload, std::span<const KeyValue> metadata,
                           bool with_metadata) noexcept {
    if (!with_metadata) return payload.size();
    std::uint64_t bytes = varint_bytes(metadata.size()) + payload.size();
    for (const KeyValue& pair : metadata) bytes += text_bytes(pair.key) + text_bytes(pair.value);
    return bytes;
}

std::byte* put_metadata(std::byte* at, std::span<const KeyValue> metadata) noexcept {
    const auto put_text = [&](std::string_view text) {
        at = put_varint(at, text.size());
        at = std::copy_n(as_bytes(text).data(), text.size(), at);
    };
    at = put_varint(at, metadata.size());
    for (const KeyValue& pair : metadata) {
        put_text(pair.key);
        put_text(pair.value);
    }
    return at;
}

bool FrameBuilder::fits(std::uint32_t segment, std::uint64_t bytes, bool has_metadata) const {
    if (segment != segment_ || has_metadata != has_metadata_) return false;
    if (ends_.size() >= frame_records_max) return false;
    const std::uint64_t records = buffer_.size() - offset_ - frame_header_bytes;
    return records + bytes + (ends_.size() + 1) * end_bytes <= frame_body_bytes_max;
}

void FrameBuilder::open(std::uint32_t segment, bool has_metadata) {
    open_ = true;
    segment_ = segment;
    has_metadata_ = has_metadata;
    offset_ = buffer_.size();
    ends_.clear();
    buffer_.resize(offset_ + frame_header_bytes);
}

void FrameBuilder::append_metadata(std::span<const KeyValue> metadata) {
    const std::size_t before = buffer_.size();
    buffer_.resize(before + record_bytes({}, metadata, true));
    put_metadata(buffer_.data() + before, metadata);
}

void FrameBuilder::add(std::uint32_t segment, Bytes payload, std::span<const KeyValue> metadata) {
    const bool has_metadata = !metadata.empty();
    if (open_ && !fits(segment, record_bytes(payload, metadata, has_metadata), has_metadata))
        finish();
    if (!open_) open(segment, has_metadata);
    if (has_metadata) append_metadata(metadata);
    append(payload);
    // A record beyond 16 bits is alone in its frame, where its end isn't written.
    ends_.push_back(static_cast<std::uint16_t>(buffer_.size() - offset_ - frame_header_bytes));
    ++record_count_;
}

void FrameBuilder::add_elsewhere(std::uint32_t segment, bool has_metadata) {
    finish();
    if (frames_.size() == frames_.capacity()) frames_.reserve(2 * frames_.size() + 1);
    open(segment, has_metadata);
    open_ = false;
    buffer_.resize(offset_ + padded(frame_elsewhere_bytes));
    close_frame(ItemType::records_elsewhere, frame_elsewhere_bytes, 1);
    ++record_count_;
}

void FrameBuilder::refer(std::size_t frame, const BodyReference& reference) noexcept {
    Frame& refers = frames_[frame];
    const BodyReferenceBytes bytes = encode_body_reference(reference);
    std::memcpy(buffer_.data() + refers.offset + frame_header_bytes, &bytes, sizeof bytes);
    refers.body_hash = checksum(std::as_bytes(std::span(&bytes, 1)), 0);
}

void FrameBuilder::insert_ends() {
    const std::size_t table = ends_.size() * end_bytes;
    const std::size_t records_bytes = buffer_.size() - offset_ - frame_header_bytes;
    buffer_.resize(buffer_.size() + table);
    std::byte* body = buffer_.data() + offset_ + frame_header_bytes;
    std::memmove(body + table, body, records_bytes);
    if constexpr (std::endian::native == std::endian::big)
        for (std::uint16_t& end : ends_) boost::endian::endian_reverse_inplace(end);
    std::memcpy(body, ends_.data(), table);
}

void FrameBuilder::finish() {
    if (!open_) return;
    // Where memory runs out nothing has changed, and the frame can be closed later.
    if (frames_.size() == frames_.capacity()) frames_.reserve(2 * frames_.size() + 1);
    buffer_.reserve(padded(buffer_.size() + ends_.size() * end_bytes));
    open_ = false;
    if (ends_.size() > 1) insert_ends();
    const std::uint64_t length = buffer_.size() - offset_;
    BRAID_CHECK(length <= item_bytes_max, "a frame of {} bytes; at most {} can be stored", length,
                item_bytes_max);
    buffer_.resize(offset_ + padded(length));
    close_frame(ItemType::records, length, static_cast<std::uint32_t>(ends_.size()));
}

/// The frame stands at the end of the buffer, padded; there is room in `frames_`.
void FrameBuilder::close_frame(ItemType type, std::uint64_t length, std::uint32_t count) {
    FrameHeader header{};
    header.prefix.length = static_cast<std::uint32_t>(length);
    header.prefix.count = static_cast<std::uint16_t>(count);
    header.prefix.type = static_cast<std::uint8_t>(type);
    header.prefix.flags = has_metadata_ ? item_flags::has_metadata : std::uint8_t{0};
    std::memcpy(buffer_.data() + offset_, &header, sizeof header);
    const Bytes body(buffer_.data() + offset_ + frame_header_bytes, length - frame_header_bytes);
    frames_.push_back(Frame{segment_, count, offset_, length, checksum(body, 0)});
}

void FrameBuilder::clear() noexcept {
    buffer_.clear();
    frames_.clear();
    ends_.clear();
    open_ = false;
    record_count_ = 0;
}

void number_frame(std::byte* at, const FrameNumbers& numbers, std::uint64_t body_hash,
                  std::uint64_t store_seed) noexcept {
    FrameHeader header;
    std::memcpy(&header, at, sizeof header);
    header.segment = numbers.segment.value;
    header.first_sequence = numbers.first_sequence.value;
    header.first_position = numbers.first_position.value;
    header.timestamp = numbers.timestamp.value;
    header.transaction = numbers.transaction.value;
    const int flags = header.prefix.flags.value() & ~item_flags::ends_transaction;
    header.prefix.flags = static_cast<std::uint8_t>(
        flags | (numbers.ends_transaction ? item_flags::ends_transaction : 0));
    std::memcpy(at, &header, sizeof header);
    const std::uint64_t sum = boost::endian::native_to_little(
        frame_checksum(at, body_hash, frame_seed(store_seed, numbers.segment)));
    std::memcpy(at, &sum, sizeof sum);
}

}  // namespace braid::segment
