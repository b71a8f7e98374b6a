#pragma once

#include <boost/endian/buffers.hpp>
#include <braid/result.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "segment/frame.h"

namespace braid::index {

/// The space order behind the frames of a pack tells for each space which frames of this drain are
/// its own, in position order, and where they lie: in the pack or in a piece written by the same
/// drain. One section a space; a section is blocks of at most 4 KiB, each a header and entries.
///
/// An entry is four varints: first position (less the previous entry's; in a block's first entry
/// less the block's first position, so 0), records, source (0: the pack; n: the drain's n-th piece,
/// as its catalog record lists them), and the offset in 8 bytes of the extent (pack) or frame
/// (piece) in its file: zigzag of the difference to the previous entry's if the source is the same,
/// else plain.
struct OrderBlockHeader {
    boost::endian::little_uint64_buf_t checksum;  ///< seeded with store and pack; of all behind
    boost::endian::little_uint64_buf_t previous;  ///< checksum of the space's block before, or 0
    boost::endian::little_uint64_buf_t space;
    boost::endian::little_uint64_buf_t first_position;
    boost::endian::little_uint64_buf_t records_before;  ///< of the space, in all earlier blocks
    boost::endian::little_uint32_buf_t records;
    boost::endian::little_uint16_buf_t entries;
    boost::endian::little_uint16_buf_t bytes;  ///< of the block with this header, a multiple of 8
    boost::endian::little_uint32_buf_t pack;
    boost::endian::little_uint32_buf_t magic;
};
static_assert(sizeof(OrderBlockHeader) == 56);
inline constexpr std::uint32_t order_block_magic = 0x4452424f;  // "OBRD"
inline constexpr std::size_t order_block_bytes_max = 4096;

/// One frame of a space; of a joined frame as many of its records as are at positions in a row.
struct OrderEntry {
    Position first_position;
    std::uint32_t records = 0;
    std::uint32_t source = 0;
    std::uint64_t offset = 0;  ///< in the source's file, in bytes
    bool operator==(const OrderEntry&) const = default;
};
/// Appends those of a frame, a sound one that lies there.
void add_entries(segment::FrameView frame, std::uint32_t source, std::uint64_t offset,
                 std::vector<OrderEntry>& entries);

/// Where one space's section of one pack is, as the catalog keeps it.
struct OrderSection {
    SpaceId space;
    std::uint32_t pack = 0;
    std::uint64_t offset = 0;  ///< in the pack
    std::uint64_t bytes = 0;
    std::uint64_t records = 0;
    std::uint64_t records_before = 0;  ///< of the space, in all earlier sections
    Position first_position;
    Position last_position;
    std::uint64_t last_checksum = 0;  ///< of its last block
    /// In a gathered pack: what the last of the sections that it replaces had there.
    std::uint64_t replaced_checksum = 0;

    /// What the space's next section names as the block before it.
    [[nodiscard]] std::uint64_t followed_as() const noexcept {
        return replaced_checksum != 0 ? replaced_checksum : last_checksum;
    }
    bool operator==(const OrderSection&) const = default;
};

/// What a space's history was before a new section is built.
struct OrderTotals {
    std::uint64_t records = 0;
    std::uint64_t last_checksum = 0;
};

/// Builds the order of one pack. Entries of one space come in position order; those that are in a
/// row of one frame become one.
class SpaceOrderBuilder {
public:
    void add(SpaceId space, const OrderEntry& entry);
    /// Appends all sections to `out`, whose first byte will stand at `offset` of the pack, spaces
    /// in rising order, and returns where each is. `totals_of(space)` gives the space's history.
    template <class TotalsOf>
    std::vector<OrderSection> finish(std::vector<std::byte>& out, std::uint64_t offset,
                                     std::uint32_t pack, std::uint64_t store_seed,
                                     TotalsOf&& totals_of) const {
        std::vector<OrderSection> sections;
        for (const auto& [space, entries] : spaces_)
            sections.push_back(
                encode_section(out, offset, pack, space, entries, totals_of(space), store_seed));
        return sections;
    }

private:
    static OrderSection encode_section(std::vector<std::byte>& out, std::uint64_t offset,
                                       std::uint32_t pack, SpaceId space,
                                       const std::vector<OrderEntry>& entries,
                                       const OrderTotals& totals, std::uint64_t store_seed);
    std::map<SpaceId, std::vector<OrderEntry>> spaces_;
};

/// Encodes one section, entry by entry in position order; those that are in a row of one frame
/// become one.
class OrderSectionEncoder {
public:
    /// Appends to `out`, where the section begins. `section` says where that is, what the history
    /// before it is, and in the end all else.
    OrderSectionEncoder(std::vector<std::byte>& out, const OrderSection& section,
                        std::uint64_t previous, std::uint64_t store_seed);
    ~OrderSectionEncoder();
    void add(const OrderEntry& entry);
    [[nodiscard]] OrderSection finish();

private:
    class Blocks;
    std::unique_ptr<Blocks> blocks_;
};

/// A decoded block.
struct OrderBlock {
    SpaceId space;
    Position first_position;
    std::uint64_t records_before = 0;
    std::uint64_t records = 0;
    std::uint64_t checksum = 0;
    std::uint64_t previous = 0;
    std::uint64_t bytes = 0;
    std::vector<OrderEntry> entries;
};

/// Decodes the block at the beginning of `bytes`; `corrupt` where it isn't sound or isn't of
/// `pack`. `file` and `offset` are for the sentence.
[[nodiscard]] Result<OrderBlock> decode_order_block(Bytes bytes, std::uint32_t pack,
                                                    std::uint64_t store_seed,
                                                    const std::string& file, std::uint64_t offset);

/// Decodes a whole section and checks it against what the catalog says of it: counts, positions,
/// the chain of checksums (`previous`: last checksum of the section before, 0 if there was none,
/// nullopt if its pack is gone), that entries rise and add up. On any mismatch `corrupt`: the
/// caller builds it again from the frames.
[[nodiscard]] Result<std::vector<OrderEntry>> decode_order_section(
    Bytes section, const OrderSection& expected, std::optional<std::uint64_t> previous,
    std::uint64_t store_seed, const std::string& file);

/// Where a block of a section is.
struct OrderBlockPlace {
    Position first_position;
    std::uint64_t offset = 0;  ///< from the section's first byte
};
/// The same checks of a section without decoding entries, so that they can be decoded block by
/// block: what is left to be judged is whether the entries of each block add up.
[[nodiscard]] Result<std::vector<OrderBlockPlace>> check_order_section(
    Bytes section, const OrderSection& expected, std::optional<std::uint64_t> previous,
    std::uint64_t store_seed, const std::string& file);
/// Decodes the entries of one of its blocks into `entries`, in place of what they were. False if
/// the block is damaged.
[[nodiscard]] bool decode_order_entries(Bytes section, const OrderBlockPlace& place,
                                        std::uint32_t pack, std::uint64_t store_seed,
                                        std::vector<OrderEntry>& entries);

/// Whether entries that were built from frames are the section's, as far as the catalog tells:
/// positions rise, begin and end as it says, and the records add up.
[[nodiscard]] bool matches(const std::vector<OrderEntry>& entries, const OrderSection& expected);

}  // namespace braid::index
