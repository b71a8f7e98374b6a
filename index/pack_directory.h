#pragma once

#include <boost/endian/buffers.hpp>
#include <braid/types.hpp>
#include <cstdint>
#include <optional>
#include <vector>

namespace braid::index {

/// The directory of a gathered pack tells where each segment's extents begin in it. Blocks of 4
/// KiB, behind the extents and in front of the space order; entries in order of segment and
/// sequence, all blocks but the last one full. A segment has an entry for its first extent, then
/// for the first one that begins 4096 bytes or more behind the last one with an entry.
struct DirectoryBlockHeader {
    boost::endian::little_uint64_buf_t checksum;  ///< seeded with store and pack; of all behind
    boost::endian::little_uint32_buf_t block;     ///< number in the directory, from 0
    boost::endian::little_uint16_buf_t entries;
    boost::endian::little_uint16_buf_t magic;
};
static_assert(sizeof(DirectoryBlockHeader) == 16);
struct DirectoryEntry {
    boost::endian::little_uint64_buf_t segment;
    boost::endian::little_uint64_buf_t sequence;  ///< the extent's first
    boost::endian::little_uint32_buf_t offset;    ///< of the extent in the pack, in units of 8
    boost::endian::little_uint32_buf_t records;   ///< from there to the segment's next entry
};
static_assert(sizeof(DirectoryEntry) == 24);

inline constexpr std::uint16_t directory_magic = 0x5244;  // "DR"
inline constexpr std::size_t directory_block_bytes = 4096;
inline constexpr std::size_t directory_block_entries = 170;
static_assert(sizeof(DirectoryBlockHeader) + directory_block_entries * sizeof(DirectoryEntry) ==
              directory_block_bytes);
inline constexpr std::uint64_t directory_interval_bytes = 4096;

/// Bytes of a directory of so many entries.
[[nodiscard]] constexpr std::uint64_t directory_bytes(std::uint64_t entries) noexcept {
    return (entries + directory_block_entries - 1) / directory_block_entries *
           directory_block_bytes;
}

/// Builds the directory of one pack, extent by extent in its order.
class DirectoryBuilder {
public:
    void add(SegmentId segment, Sequence first, std::uint32_t records, std::uint64_t offset);
    [[nodiscard]] std::uint64_t entries() const noexcept { return entries_.size(); }
    [[nodiscard]] std::vector<std::byte> finish(std::uint32_t pack, std::uint64_t store_seed) const;

private:
    std::vector<DirectoryEntry> entries_;
};

/// Whether a block of a directory is what was written there.
[[nodiscard]] bool directory_block_is_sound(Bytes block, std::uint64_t number, std::uint32_t pack,
                                            std::uint64_t store_seed) noexcept;

/// A directory in memory, whatever its bytes hold: what it leads to must prove itself.
class PackDirectory {
public:
    /// `blocks`: directory_bytes(entries) of them.
    PackDirectory(Bytes blocks, std::uint64_t entries) noexcept
        : blocks_(blocks), entries_(entries) {}

    /// Extents of one segment, one behind the other.
    struct Stretch {
        std::uint64_t begin = 0;  ///< offset of the first one
        std::uint64_t end = 0;    ///< of what is behind them; 0: they are the pack's last ones
        Sequence first;
        std::uint32_t records = 0;
        std::uint64_t block = 0;  ///< which one says so
    };
    /// Where the segment's extent is that holds the sequence, if one does: the last stretch that
    /// begins at or before it, or the segment's first one. Nothing if the segment isn't there.
    [[nodiscard]] std::optional<Stretch> find(SegmentId segment, Sequence wanted) const noexcept;
    [[nodiscard]] Bytes block(std::uint64_t number) const noexcept {
        return blocks_.subspan(number * directory_block_bytes, directory_block_bytes);
    }

private:
    [[nodiscard]] DirectoryEntry entry(std::uint64_t index) const noexcept;
    [[nodiscard]] std::uint64_t upper_bound(SegmentId segment, Sequence wanted) const noexcept;

    Bytes blocks_;
    std::uint64_t entries_;
};

}  // namespace braid::index
