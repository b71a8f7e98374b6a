#pragma once

#include <braid/types.hpp>
#include <cstdint>
#include <span>
#include <vector>

#include "segment/body_reference.h"
#include "segment/frame.h"

namespace braid::segment {

/// Bytes that a record takes in a frame: its metadata (if its frame has any) and its payload.
[[nodiscard]] std::uint64_t record_bytes(Bytes payload, std::span<const KeyValue> metadata,
                                         bool with_metadata) noexcept;

/// Writes a record's metadata as it stands before the payload, and returns the end. There is room.
std::byte* put_metadata(std::byte* at, std::span<const KeyValue> metadata) noexcept;

/// Builds frames in one buffer, in a caller's thread, outside every lock: everything but the
/// numbers, which `number_frame` fills in later. The buffer is kept for reuse.
///
/// Records added one after another for the same segment handle share a frame until its body would
/// pass `frame_body_bytes_max` or its count `frame_records_max`, or one has metadata and the other
/// has none; a larger record has a frame of its own.
class FrameBuilder {
public:
    /// A finished frame in the buffer; its header's numbers are still zero.
    struct Frame {
        std::uint32_t segment;  ///< the caller's handle
        std::uint32_t count;
        std::uint64_t offset;  ///< in `bytes()`, a multiple of 8
        std::uint64_t length;  ///< without padding
        std::uint64_t body_hash;
    };

    /// Adds a record. `segment` is any number by which the caller knows the segment.
    void add(std::uint32_t segment, Bytes payload, std::span<const KeyValue> metadata);
    /// Adds a record whose body is elsewhere: a frame of its own, which stands at the end of
    /// `frames()`. Its reference is filled in by `refer`.
    void add_elsewhere(std::uint32_t segment, bool has_metadata);
    void refer(std::size_t frame, const BodyReference& reference) noexcept;
    /// Closes the last frame. Afterwards `frames` and `bytes` are complete, until `clear`.
    void finish();
    void clear() noexcept;

    [[nodiscard]] std::span<const Frame> frames() const noexcept { return frames_; }
    /// All frames, each padded with zeros to a multiple of 8.
    [[nodiscard]] std::span<std::byte> bytes() noexcept { return buffer_; }
    [[nodiscard]] std::uint64_t record_count() const noexcept { return record_count_; }

private:
    [[nodiscard]] bool fits(std::uint32_t segment, std::uint64_t bytes, bool has_metadata) const;
    void open(std::uint32_t segment, bool has_metadata);
    void append(Bytes bytes) { buffer_.insert(buffer_.end(), bytes.begin(), bytes.end()); }
    void append_metadata(std::span<const KeyValue> metadata);
    void insert_ends();
    void close_frame(ItemType type, std::uint64_t length, std::uint32_t count);

    // The open frame's header (zeros) and records stand at the end of the buffer already; its end
    // offsets are put between them when it is closed.
    std::vector<std::byte> buffer_;
    std::vector<Frame> frames_;
    std::vector<std::uint16_t> ends_;
    std::uint64_t offset_ = 0;  // of the open frame
    std::uint32_t segment_ = 0;
    bool has_metadata_ = false;
    bool open_ = false;
    std::uint64_t record_count_ = 0;
};

/// The numbers that a frame gets when its place in all orders is known.
struct FrameNumbers {
    SegmentId segment;
    Sequence first_sequence;
    Position first_position;
    Timestamp timestamp;
    TransactionNumber transaction;
    bool ends_transaction = false;
};

/// Writes numbers and checksum into the header of a built frame at `at`.
void number_frame(std::byte* at, const FrameNumbers& numbers, std::uint64_t body_hash,
                  std::uint64_t store_seed) noexcept;

}  // namespace braid::segment
