#include "index/pack_directory.h"

#include <algorithm>
#include <braid/check.hpp>
#include <cstring>
#include <utility>

#include "segment/checksum.h"

namespace braid::index {

void DirectoryBuilder::add(SegmentId segment, Sequence first, std::uint32_t records,
                           std::uint64_t offset) {
    BRAID_CHECK(offset % 8 == 0 && offset / 8 <= 0xffffffffU, "an extent at offset {}", offset);
    if (!entries_.empty()) {
        DirectoryEntry& last = entries_.back();
        const bool same = last.segment.value() == segment.value;
        BRAID_CHECK(
            same ? last.sequence.value() < first.value : last.segment.value() < segment.value,
            "segment {} with sequence {} behind segment {} with {}", segment.value, first.value,
            last.segment.value(), last.sequence.value());
        if (same && offset - std::uint64_t{last.offset.value()} * 8 < directory_interval_bytes) {
            last.records = last.records.value() + records;
            return;
        }
    }
    DirectoryEntry& entry = entries_.emplace_back();
    entry.segment = segment.value;
    entry.sequence = first.value;
    entry.offset = static_cast<std::uint32_t>(offset / 8);
    entry.records = records;
}

std::vector<std::byte> DirectoryBuilder::finish(std::uint32_t pack,
                                                std::uint64_t store_seed) const {
    std::vector<std::byte> out(directory_bytes(entries_.size()));
    const std::uint64_t seed = segment::mix_seed(store_seed, pack);
    for (std::size_t at = 0; at < entries_.size(); at += directory_block_entries) {
        const std::size_t number = at / directory_block_entries;
        const std::size_t count = std::min(directory_block_entries, entries_.size() - at);
        const auto block =
            std::span(out).subspan(number * directory_block_bytes, directory_block_bytes);
        DirectoryBlockHeader header{};
        header.block = static_cast<std::uint32_t>(number);
        header.entries = static_cast<std::uint16_t>(count);
        header.magic = directory_magic;
        std::memcpy(block.data(), &header, sizeof header);
        std::memcpy(block.data() + sizeof header, &entries_[at], count * sizeof(DirectoryEntry));
        header.checksum = segment::checksum(block.subspan(sizeof header.checksum), seed);
        std::memcpy(block.data(), &header, sizeof header);
    }
    return out;
}

bool directory_block_is_sound(Bytes block, std::uint64_t number, std::uint32_t pack,
                              std::uint64_t store_seed) noexcept {
    if (block.size() < directory_block_bytes) return false;
    block = block.first(directory_block_bytes);
    DirectoryBlockHeader header;
    std::memcpy(&header, block.data(), sizeof header);
    return header.magic.value() == directory_magic && header.block.value() == number &&
           header.entries.value() <= directory_block_entries &&
           header.checksum.value() == segment::checksum(block.subspan(sizeof header.checksum),
                                                        segment::mix_seed(store_seed, pack));
}

DirectoryEntry PackDirectory::entry(std::uint64_t index) const noexcept {
    DirectoryEntry entry;
    std::memcpy(&entry,
                blocks_.data() + index / directory_block_entries * directory_block_bytes +
                    sizeof(DirectoryBlockHeader) +
                    index % directory_block_entries * sizeof(DirectoryEntry),
                sizeof entry);
    return entry;
}

/// The first entry beyond. Ids of segments have few gaps: so the place is guessed from them, and
/// found with two or three looks; where guesses don't help, by halves.
std::uint64_t PackDirectory::upper_bound(SegmentId segment, Sequence wanted) const noexcept {
    constexpr int guesses = 4;
    std::uint64_t low = 0;
    std::uint64_t high = entries_;
    for (int tries = 0; low < high; ++tries) {
        std::uint64_t middle = low + (high - low) / 2;
        if (tries < guesses) {
            const std::uint64_t first = entry(low).segment.value();
            const std::uint64_t last = entry(high - 1).segment.value();
            if (first > segment.value) return low;
            if (last < segment.value) return high;
            if (last > first)
                middle =
                    low + static_cast<std::uint64_t>(static_cast<double>(segment.value - first) /
                                                     static_cast<double>(last - first) *
                                                     static_cast<double>(high - 1 - low));
            middle = std::min(middle, high - 1);
        }
        const DirectoryEntry here = entry(middle);
        const bool beyond = std::pair(here.segment.value(), here.sequence.value()) >
                            std::pair(segment.value, wanted.value);
        if (beyond)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

std::optional<PackDirectory::Stretch> PackDirectory::find(SegmentId segment,
                                                          Sequence wanted) const noexcept {
    std::uint64_t index = upper_bound(segment, wanted);
    const bool begins_before = index > 0 && entry(index - 1).segment.value() == segment.value;
    if (begins_before)
        --index;
    else if (index == entries_ || entry(index).segment.value() != segment.value)
        return std::nullopt;
    const DirectoryEntry found = entry(index);
    Stretch stretch;
    stretch.begin = std::uint64_t{found.offset.value()} * 8;
    if (index + 1 < entries_) stretch.end = std::uint64_t{entry(index + 1).offset.value()} * 8;
    stretch.first = found.sequence.value();
    stretch.records = found.records.value();
    stretch.block = index / directory_block_entries;
    return stretch;
}

}  // namespace braid::index
