// Input: a byte (bit 0: built), then what extents a pack has, three bytes each, or a directory's
// number of entries, two bytes, and its blocks. Claims: each extent is found in a directory that
// was built of all, near enough; one that holds anything at all leads to no byte that isn't its
// own.
#include <algorithm>
#include <cstring>
#include <vector>

#include "index/pack_directory.h"
#include "segment/file_header.h"
#include "tests/fuzz/target.h"

namespace braid::fuzz {
namespace {

using index::PackDirectory;

constexpr std::uint32_t pack = 3;

struct Extent {
    SegmentId segment;
    Sequence first;
    std::uint32_t records = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

/// A byte for whether the segment is another one and how far its sequences are away, one for its
/// records, and one for its length.
std::vector<Extent> extents_of(Bytes input) {
    std::vector<Extent> extents;
    Extent last{1, 1, 0, 0, segment::file_header_bytes};
    while (input.size() >= 3) {
        const std::uint8_t step = take_byte(input);
        Extent extent;
        extent.segment = last.segment + step % 4;
        extent.first = step % 4 == 0 ? last.first + last.records : Sequence(1 + step / 4);
        extent.records = 1U + take_byte(input);
        extent.begin = last.end;
        extent.end = last.end + 8 * (8 + std::uint64_t{take_byte(input)});
        extents.push_back(extent);
        last = extent;
    }
    return extents;
}

void check_found(const PackDirectory& directory, const Extent& extent, Sequence wanted) {
    const auto stretch = directory.find(extent.segment, wanted);
    BRAID_CHECK(stretch.has_value(), "sequence {} of segment {} isn't found", wanted.value,
                extent.segment.value);
    BRAID_CHECK(stretch->begin <= extent.begin &&
                    extent.begin - stretch->begin < index::directory_interval_bytes &&
                    (stretch->end == 0 || stretch->end >= extent.end),
                "the extent from {} to {} is looked for from {} to {}", extent.begin, extent.end,
                stretch->begin, stretch->end);
    BRAID_CHECK(stretch->first <= wanted && wanted - stretch->first < stretch->records,
                "sequence {} is looked for among {} from {} on", wanted.value, stretch->records,
                stretch->first.value);
}

void check_built(Bytes input) {
    const std::vector<Extent> extents = extents_of(input);
    if (extents.empty()) return;
    index::DirectoryBuilder builder;
    for (const Extent& extent : extents)
        builder.add(extent.segment, extent.first, extent.records, extent.begin);
    const std::vector<std::byte> blocks = builder.finish(pack, store_seed);
    BRAID_CHECK(blocks.size() == index::directory_bytes(builder.entries()), "{} bytes",
                blocks.size());
    const PackDirectory directory(blocks, builder.entries());
    for (std::uint64_t block = 0; block * index::directory_block_bytes < blocks.size(); ++block)
        BRAID_CHECK(
            index::directory_block_is_sound(directory.block(block), block, pack, store_seed),
            "block {} isn't sound", block);
    for (const Extent& extent : extents) {
        check_found(directory, extent, extent.first);
        check_found(directory, extent, extent.first + (extent.records - 1));
    }
    BRAID_CHECK(!directory.find(extents.back().segment + 1, 1), "a segment that isn't there");
}

void check_any(Bytes input) {
    std::uint64_t entries = take_byte(input);
    entries |= std::uint64_t{take_byte(input)} << 8;
    std::vector<std::byte> blocks(index::directory_bytes(entries));
    std::copy_n(input.begin(), std::min(input.size(), blocks.size()), blocks.begin());
    const PackDirectory directory(blocks, entries);
    for (std::uint64_t block = 0; block * index::directory_block_bytes < blocks.size(); ++block)
        static_cast<void>(
            index::directory_block_is_sound(directory.block(block), block, pack, store_seed));
    for (std::size_t at = 0; at + sizeof(index::DirectoryEntry) <= blocks.size(); at += 1000) {
        index::DirectoryEntry entry;
        std::memcpy(&entry, &blocks[at], sizeof entry);
        for (const std::uint64_t step : {~std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{1}}) {
            const auto stretch =
                directory.find(entry.segment.value(), entry.sequence.value() + step);
            BRAID_CHECK(
                !stretch || (stretch->block + 1) * index::directory_block_bytes <= blocks.size(),
                "block {} of {} bytes", stretch->block, blocks.size());
        }
    }
}

}  // namespace
}  // namespace braid::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace braid;
    Bytes input = fuzz::input_bytes(data, size);
    if (fuzz::take_byte(input) & 1)
        fuzz::check_built(input);
    else
        fuzz::check_any(input);
    return 0;
}
