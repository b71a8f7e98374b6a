#pragma once

#include "index/catalog.h"

namespace braid::test {

/// A drain's record with something of everything; different ones for different `number`s.
inline index::CatalogRecord sample_drain(std::uint64_t number) {
    index::CatalogRecord record;
    record.cut = 1000 * number;
    record.transaction = 500 * number;
    record.timestamp = 1'700'000'000'000'000'000 + number;
    record.next_space = 3;
    record.next_segment = 8 + number;
    record.next_pack = static_cast<std::uint32_t>(number) + 1;
    record.names = {segment::SpaceNamed{2, "orders"}, segment::SegmentNamed{7 + number, 2, "eu-1"}};
    const auto pack = static_cast<std::uint32_t>(number);
    record.packs = {{pack, 9000, 12288, 12288 + 64, 1000 * number - 999, 1000 * number, 1}};
    record.pieces = {{3, 1, 4096, 1 << 20, 1052672, 96, 1, 700, 1000 * number - 999,
                      1000 * number - 7, 1'700'000'000'000'000'000,
                      1'700'000'000'000'000'000 + number}};
    const segment::Link head(pack, 4096);
    record.segments = {
        {3, 700, 990, 5, 9, {}, {}, 0, 2},
        {4, 12, 1000, 7, 7, head, head, 0, 0},
        {900, 12, 880, 7, 8, segment::Link(pack, 128), segment::Link(1, 800), 3, 1},
    };
    record.sections = {{1, pack, 12288, 64, 300, 700, 3, 999, 0x1122334455667788},
                       {2, pack, 12352, 4096, 700, 0, 1, 1000, ~std::uint64_t{0}}};
    record.trims = {{3, 20, 800}, {900, 11, 870}};
    record.pack_trims = {{pack, 7}};
    record.next_body_file = number + 4;
    record.body_files = {{number, 7, 3}, {number + 2, 1, 0}, {number + 3, 0, 0}};
    record.consumers = {{"billing", 40, {{"orders", "", 990}, {"stock", "a", 0}}}, {"gone", 0, {}}};
    record.leases = {{"key", 30, "ann", 1000}, {"free", 0, "", 0}};
    record.noted = {{{1, 2, 3}, 77, 30, 900, 4}, {{255}, ~std::uint64_t{0}, 31, 0, 0}};
    return record;
}

inline index::CatalogRecord sample_snapshot() {
    index::CatalogRecord record = sample_drain(1);
    record.kind = index::CatalogRecordKind::snapshot;
    for (std::uint64_t i = 0; i < 50; ++i)
        record.names.emplace_back(segment::SegmentNamed{100 + i, 1, std::string(1 + i, 's')});
    return record;
}

/// Packs 1 to 3 and 5 gathered into pack 9.
inline index::CatalogRecord sample_gathering() {
    index::CatalogRecord record = sample_drain(8);
    record.kind = index::CatalogRecordKind::gather;
    record.names.clear();
    record.pieces.clear();
    record.segments.clear();
    record.packs = {{9, 20000, 24576, 24576 + 128, 1, 4000, 2}};
    record.gathered = {{9, 1, 170, 12, {{1, 3}, {5, 5}}}};
    record.sections = {{1, 9, 24576, 64, 300, 700, 3, 999, 7, 8},
                       {2, 9, 24640, 64, 700, 0, 1, 1000, 9, ~std::uint64_t{0}}};
    return record;
}

/// Numbers at the ends of their ranges, falling and rising.
inline index::CatalogRecord extreme_record() {
    constexpr std::uint64_t max = ~std::uint64_t{0};
    constexpr std::uint32_t max32 = ~std::uint32_t{0};
    const auto link = segment::Link::from_word((std::uint64_t{1} << 56) - 1);
    index::CatalogRecord record;
    record.cut = max;
    record.transaction = max;
    record.timestamp = max;
    record.next_space = max;
    record.next_segment = max;
    record.next_pack = max32;
    record.packs = {{max32, max, max, max, max, max, max32}, {}};
    record.gathered = {{max32, max32, max, max, {{1, max32 - 1}}}, {2, 0, 0, 0, {{1, 1}}}};
    record.pieces = {{max, max32, max, max, max, max, max, max, max, max, max, max}, {}};
    record.segments = {{max, max, max, max, max, link, {}, max32, max32},
                       {},
                       {1, 1, 1, max, 0, {}, link, 1, 0},
                       {max, 1, 1, 0, max, link, link, 0, 7}};
    record.sections = {
        {max, max32, max, max, max, max, max, max, max, max}, {}, {1, 2, 3, 4, 5, 6, max, 0, 9}};
    record.trims = {{max, max, max}, {}};
    record.pack_trims = {{max32, max}, {}};
    const std::string longest(255, 'x');
    record.consumers = {{longest, max, {{longest, longest, max}, {}}}};
    record.leases = {{longest, max, longest, max}};
    record.noted = {{{}, max, max, max, max}, {}, {{}, 1, 2, 3, 4}};
    return record;
}

}  // namespace braid::test
