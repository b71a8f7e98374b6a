#pragma once

#include <boost/endian/buffers.hpp>
#include <braid/result.hpp>
#include <string>
#include <vector>

#include "segment/frame.h"
#include "segment/segment_file.h"

namespace braid::index {

/// The sparse index behind a piece: a header, then an entry for the first frame and for about one
/// frame in every `sparse_interval_bytes`. The checksum covers everything behind it; the covered
/// range must be the piece's. It is never trusted over the frames: where it doesn't fit it is built
/// again.
struct SparseIndexHeader {
    boost::endian::little_uint64_buf_t checksum;  ///< seeded with the store
    boost::endian::little_uint32_buf_t magic;
    boost::endian::little_uint32_buf_t count;
    boost::endian::little_uint64_buf_t segment;
    boost::endian::little_uint64_buf_t frames_offset;
    boost::endian::little_uint64_buf_t frames_bytes;
    boost::endian::little_uint64_buf_t first_sequence;
    boost::endian::little_uint64_buf_t last_sequence;
    boost::endian::little_uint64_buf_t reserved;
};
static_assert(sizeof(SparseIndexHeader) == 64);
inline constexpr std::uint32_t sparse_index_magic = 0x58444953;  // "SIDX"
inline constexpr std::size_t sparse_interval_bytes = 4096;

struct SparseEntry {
    Sequence sequence;
    Position position;
    Timestamp timestamp;
    std::uint64_t offset = 0;  ///< of the frame, from the piece's first byte
    bool operator==(const SparseEntry&) const = default;
};
inline constexpr std::size_t sparse_entry_bytes = 32;

/// The sparse index of one piece in memory.
class SparseIndex {
public:
    /// Walks the piece's frames (`frames`: its frames_bytes bytes), trusting their headers.
    /// `corrupt` where they don't follow each other; `file` and `piece.offset` are for the
    /// sentence.
    [[nodiscard]] static Result<SparseIndex> build(const segment::Piece& piece, Bytes frames,
                                                   const std::string& file);
    /// Reads an encoded index. `corrupt` if it is damaged or isn't this piece's.
    [[nodiscard]] static Result<SparseIndex> decode(Bytes encoded, const segment::Piece& piece,
                                                    std::uint64_t store_seed,
                                                    const std::string& file);
    [[nodiscard]] std::vector<std::byte> encode(const segment::Piece& piece,
                                                std::uint64_t store_seed) const;

    /// Offset (from the piece's first byte) of an indexed frame at or before the one that holds the
    /// sequence; 0 if it lies before the piece. Interpolates; at most about log n probes.
    [[nodiscard]] std::uint64_t seek(Sequence sequence) const noexcept;
    [[nodiscard]] std::uint64_t seek(Position position) const noexcept;
    /// From the indexed frame that `seek` finds up to the next indexed one.
    struct Interval {
        Sequence sequence;         ///< of the first record
        Sequence end_sequence;     ///< of the first record behind; not above `sequence`: unknown
        std::uint64_t offset = 0;  ///< from the piece's first byte
        std::uint64_t end = 0;     ///< likewise; no end is known: the largest number
    };
    [[nodiscard]] Interval interval(Sequence sequence) const noexcept;
    /// At or before the first frame whose timestamp is not below `timestamp`.
    [[nodiscard]] std::uint64_t seek(Timestamp timestamp) const noexcept;

    [[nodiscard]] const std::vector<SparseEntry>& entries() const noexcept { return entries_; }

private:
    /// Notes whether the entries are even.
    void look_for_evenness() noexcept;

    std::vector<SparseEntry> entries_;
    // Where all frames are alike, each entry lies so many records and bytes behind the one before
    // it (0: they don't): so none need be looked up, which would be a miss of the caches.
    std::uint64_t even_records_ = 0;
    std::uint64_t even_bytes_ = 0;
};

}  // namespace braid::index
