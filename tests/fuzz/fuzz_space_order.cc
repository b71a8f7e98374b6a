// Input: a byte (bit 0: sealed), a section of a pack's space order. Claims: decoded entries rise
// and add up to what the section says; the section that they build decodes to the same entries; no
// block claims bytes beyond the input.
#include <algorithm>

#include "index/space_order.h"
#include "tests/fuzz/seal.h"
#include "tests/fuzz/target.h"

namespace braid::fuzz {
namespace {

using index::OrderBlock;
using index::OrderEntry;
using index::OrderSection;

constexpr std::uint32_t pack = 3;
constexpr std::uint64_t section_offset = 8192;

void check_entries(const OrderBlock& block) {
    std::uint64_t records = 0;
    Position end = block.first_position;
    for (const OrderEntry& entry : block.entries) {
        BRAID_CHECK(entry.records > 0 && entry.offset % 8 == 0, "an entry of {} records at {}",
                    entry.records, entry.offset);
        BRAID_CHECK(entry.first_position >= end, "position {} behind {}",
                    entry.first_position.value, end.value);
        end = entry.first_position + entry.records;
        records += entry.records;
    }
    BRAID_CHECK(records == block.records, "{} records of {}", records, block.records);
}

/// What the catalog would say of a section of these blocks; `previous` of the block before it.
struct Described {
    OrderSection section;
    std::uint64_t previous = 0;
};

Described describe(Bytes bytes) {
    Described described;
    OrderSection& section = described.section;
    section.pack = pack;
    section.offset = section_offset;
    section.bytes = bytes.size();
    for (std::size_t at = 0; at < bytes.size();) {
        const auto block =
            index::decode_order_block(bytes.subspan(at), pack, store_seed, "pack", at);
        if (!block) break;
        BRAID_CHECK(
            block->bytes <= bytes.size() - at && block->bytes > 0 && !block->entries.empty(),
            "a block of {} bytes and {} entries", block->bytes, block->entries.size());
        check_entries(*block);
        if (at == 0) {
            section.space = block->space;
            section.first_position = block->first_position;
            section.records_before = block->records_before;
            described.previous = block->previous;
        }
        section.records += block->records;
        section.last_position =
            block->entries.back().first_position + (block->entries.back().records - 1);
        section.last_checksum = block->checksum;
        at += block->bytes;
    }
    return described;
}

/// As they are stored: those that are in a row of one frame are one.
std::vector<OrderEntry> put_together(const std::vector<OrderEntry>& entries) {
    std::vector<OrderEntry> together;
    for (const OrderEntry& entry : entries) {
        OrderEntry* before = together.empty() ? nullptr : &together.back();
        if (before != nullptr && before->source == entry.source && before->offset == entry.offset &&
            before->first_position + before->records == entry.first_position &&
            before->records + entry.records <= segment::frame_records_max)
            before->records += entry.records;
        else
            together.push_back(entry);
    }
    return together;
}

void check_section(Bytes bytes) {
    const Described described = describe(bytes);
    const auto entries = index::decode_order_section(bytes, described.section, described.previous,
                                                     store_seed, "pack");
    if (!entries) return;
    index::SpaceOrderBuilder builder;
    for (const OrderEntry& entry : *entries) builder.add(described.section.space, entry);
    std::vector<std::byte> built;
    const auto sections = builder.finish(built, section_offset, pack, store_seed, [&](SpaceId) {
        return index::OrderTotals{described.section.records_before, described.previous};
    });
    BRAID_CHECK(sections.size() == 1, "{} sections of one space", sections.size());
    const auto again = index::decode_order_section(built, sections.front(), described.previous,
                                                   store_seed, "pack");
    BRAID_CHECK(again.has_value(), "a section that was built can't be decoded: {}",
                again.error().message());
    BRAID_CHECK(*again == put_together(*entries), "a section changes when it is stored");
}

}  // namespace
}  // namespace braid::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace braid;
    Bytes input = fuzz::input_bytes(data, size);
    const bool sealed = fuzz::take_byte(input) & 1;
    std::vector<std::byte> section(input.begin(), input.end());
    if (sealed) fuzz::seal_order_blocks(section, fuzz::pack, fuzz::store_seed);
    fuzz::check_section(section);
    return 0;
}
