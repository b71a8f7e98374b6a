#include "index/space_order.h"

#include <doctest/doctest.h>

#include "segment/checksum.h"
#include "tests/segment/sample.h"

using namespace braid;
using index::OrderEntry;
using index::OrderSection;
using index::OrderTotals;

namespace {

const std::uint64_t seed = segment::store_seed(test::sample_uuid);
constexpr std::uint32_t pack = 9;
constexpr std::uint64_t offset = 8192;

struct Order {
    std::vector<std::byte> bytes;
    std::vector<OrderSection> sections;
};

Order order_of(const std::map<SpaceId, std::vector<OrderEntry>>& entries,
               const OrderTotals& totals = {}) {
    index::SpaceOrderBuilder builder;
    for (const auto& [space, list] : entries)
        for (const OrderEntry& entry : list) builder.add(space, entry);
    Order order;
    order.sections =
        builder.finish(order.bytes, offset, pack, seed, [&](SpaceId) { return totals; });
    return order;
}

Bytes section_bytes(const Order& order, std::size_t i) {
    return Bytes(order.bytes).subspan(order.sections[i].offset - offset, order.sections[i].bytes);
}

std::vector<OrderEntry> few() {
    return {{100, 2, 0, 4096},
            {102, 1, 0, 128},
            {110, 65535, 2, 4096},
            {70000, 1, 2, 8192},
            {70001, 3, 0, 256}};
}

std::vector<OrderEntry> many(std::uint64_t start, std::size_t count) {
    std::mt19937_64 random(start);
    std::vector<OrderEntry> entries;
    Position position = 1 + random() % 1000;
    for (std::size_t i = 0; i < count; ++i) {
        const auto records = static_cast<std::uint32_t>(1 + random() % 5);
        entries.push_back({position, records, static_cast<std::uint32_t>(random() % 3),
                           (random() >> (random() % 60)) & ~std::uint64_t{7}});
        position += records + random() % 100;
    }
    return entries;
}

}  // namespace

TEST_CASE("the orders of several spaces come back, and add up") {
    const std::map<SpaceId, std::vector<OrderEntry>> spaces = {
        {2, few()}, {5, many(1, 3000)}, {6, {{7, 1, 0, 128}}}};
    const OrderTotals totals{1000, 0xabcdef};
    const Order order = order_of(spaces, totals);
    REQUIRE(order.sections.size() == 3);
    std::size_t i = 0;
    for (const auto& [space, entries] : spaces) {
        const OrderSection& section = order.sections[i];
        std::uint64_t records = 0;
        for (const OrderEntry& entry : entries) records += entry.records;
        CHECK(section.space == space);
        CHECK(section.pack == pack);
        CHECK(section.offset % 8 == 0);
        CHECK(section.records == records);
        CHECK(section.records_before == 1000);
        CHECK(section.first_position == entries.front().first_position);
        CHECK(section.last_position ==
              entries.back().first_position + (entries.back().records - 1));
        auto decoded = index::decode_order_section(section_bytes(order, i), section, 0xabcdef, seed,
                                                   "pack-000009");
        REQUIRE(decoded);
        CHECK(*decoded == entries);
        ++i;
    }
    CHECK(order.sections[1].bytes > 2 * index::order_block_bytes_max);
    CHECK(order.sections.back().offset + order.sections.back().bytes ==
          offset + order.bytes.size());
}

TEST_CASE("sections follow what stands in the buffer already") {
    index::SpaceOrderBuilder builder;
    builder.add(1, {5, 1, 0, 128});
    std::vector<std::byte> out(4096);
    const auto sections = builder.finish(out, 0, pack, seed, [](SpaceId) { return OrderTotals(); });
    REQUIRE(sections.size() == 1);
    CHECK(sections[0].offset == 4096);
    CHECK(index::decode_order_section(Bytes(out).subspan(4096), sections[0], 0, seed, "p"));
}

TEST_CASE("blocks are at most 4 KiB and each can be read alone") {
    const auto entries = many(2, 5000);
    const Order order = order_of({{1, entries}});
    std::vector<OrderEntry> found;
    std::uint64_t previous = 0;
    for (std::size_t at = 0; at < order.bytes.size();) {
        auto block =
            index::decode_order_block(Bytes(order.bytes).subspan(at), pack, seed, "p", offset + at);
        REQUIRE(block);
        CHECK(block->bytes <= index::order_block_bytes_max);
        CHECK(block->previous == previous);
        CHECK(block->first_position == block->entries.front().first_position);
        found.insert(found.end(), block->entries.begin(), block->entries.end());
        previous = block->checksum;
        at += block->bytes;
    }
    CHECK(found == entries);
    CHECK(previous == order.sections[0].last_checksum);
}

TEST_CASE("an entry of an ordinary drain takes three to five bytes") {
    std::vector<OrderEntry> entries;
    for (std::uint64_t i = 0; i < 1000; ++i) entries.push_back({1 + 3 * i, 1, 0, 128 + 176 * i});
    const Order order = order_of({{1, entries}});
    CHECK(order.bytes.size() <= 5 * entries.size() + 2 * sizeof(index::OrderBlockHeader));
}

TEST_CASE("every flipped bit and every cut of a section is corrupt") {
    Order order = order_of({{2, few()}});
    const OrderSection& section = order.sections[0];
    for (std::size_t bit = 0; bit < order.bytes.size() * 8; ++bit) {
        CAPTURE(bit);
        test::flip(order.bytes, bit);
        const auto decoded = index::decode_order_section(order.bytes, section, 0, seed, "p");
        REQUIRE_FALSE(decoded);
        CHECK(decoded.error().code() == Errc::corrupt);
        test::flip(order.bytes, bit);
    }
    for (std::size_t size = 0; size < order.bytes.size(); ++size) {
        const Bytes cut = Bytes(order.bytes).first(size);
        CHECK_FALSE(index::decode_order_section(cut, section, 0, seed, "p"));
        CHECK_FALSE(index::decode_order_block(cut, pack, seed, "p", offset));
    }
}

/// Entries of a section that are decoded block by block; nullopt where it or a block is damaged.
std::optional<std::vector<OrderEntry>> by_blocks(Bytes bytes, const OrderSection& section,
                                                 std::optional<std::uint64_t> previous = 0) {
    const auto places = index::check_order_section(bytes, section, previous, seed, "p");
    if (!places) return std::nullopt;
    std::vector<OrderEntry> all;
    for (const index::OrderBlockPlace& place : *places) {
        std::vector<OrderEntry> entries = {{1, 1, 1, 8}};  // are replaced
        if (!index::decode_order_entries(bytes, place, section.pack, seed, entries))
            return std::nullopt;
        CHECK(entries.front().first_position == place.first_position);
        all.insert(all.end(), entries.begin(), entries.end());
    }
    return all;
}

TEST_CASE("a section read block by block is the same, and every flipped bit is noticed") {
    const auto entries = many(3, 3000);
    Order order = order_of({{2, few()}, {5, entries}});
    const OrderSection& section = order.sections[1];
    const std::vector<std::byte> sound(section_bytes(order, 1).begin(),
                                       section_bytes(order, 1).end());
    CHECK(by_blocks(sound, section) == entries);
    CHECK(by_blocks(sound, section, std::nullopt) == entries);
    CHECK_FALSE(by_blocks(sound, section, 1));
    std::vector<std::byte> bytes = sound;
    for (std::size_t bit = 0; bit < bytes.size() * 8; bit += 13) {
        test::flip(bytes, bit);
        REQUIRE_FALSE(by_blocks(bytes, section));
        test::flip(bytes, bit);
    }
    for (std::size_t size = 0; size < bytes.size(); size += 11)
        REQUIRE_FALSE(by_blocks(Bytes(bytes).first(size), section));
    OrderSection other = section;
    other.records_before += 1;
    CHECK_FALSE(by_blocks(sound, other));
    other = section;
    other.records += 1;
    CHECK_FALSE(by_blocks(sound, other));
    other = section;
    other.last_checksum += 1;
    CHECK_FALSE(by_blocks(sound, other));
}

TEST_CASE("a section that isn't what the catalog says is corrupt") {
    const Order order = order_of({{2, few()}, {3, many(4, 2000)}});
    const Bytes bytes = section_bytes(order, 1);
    OrderSection section = order.sections[1];
    const auto sound = [&](std::uint64_t previous) {
        return index::decode_order_section(bytes, section, previous, seed, "p").has_value();
    };
    REQUIRE(sound(0));
    CHECK_FALSE(sound(1));
    SUBCASE("space") {
        section.space = 4;
    }
    SUBCASE("pack") {
        section.pack = 8;
    }
    SUBCASE("records") {
        ++section.records;
    }
    SUBCASE("records before") {
        ++section.records_before;
    }
    SUBCASE("first position") {
        ++section.first_position;
    }
    SUBCASE("last position") {
        ++section.last_position;
    }
    SUBCASE("checksum") {
        ++section.last_checksum;
    }
    SUBCASE("bytes") {
        section.bytes -= 8;
    }
    CHECK_FALSE(sound(0));
}

TEST_CASE("a block of another store or pack is corrupt") {
    const Order order = order_of({{2, few()}});
    CHECK_FALSE(index::decode_order_block(order.bytes, pack, seed + 1, "p", offset));
    CHECK_FALSE(index::decode_order_block(order.bytes, pack + 1, seed, "p", offset));
}

TEST_CASE("random entries under a good checksum never crash the decoder") {
    const std::uint64_t start = test::fresh_seed();
    CAPTURE(start);
    std::mt19937_64 random(start);
    for (int i = 0; i < 20'000; ++i) {
        auto bytes = test::random_bytes(random, 56 + 8 * (random() % 20));
        index::OrderBlockHeader header{};
        header.first_position = random() % 3 ? random() % 100 : ~std::uint64_t{0} - random() % 9;
        header.records = static_cast<std::uint32_t>(random() % 40);
        header.entries = static_cast<std::uint16_t>(random() % 20);
        header.bytes = static_cast<std::uint16_t>(random() % 5 ? bytes.size() : random());
        header.pack = pack;
        header.magic = index::order_block_magic;
        std::memcpy(bytes.data(), &header, sizeof header);
        header.checksum = segment::checksum(Bytes(bytes).subspan(8), segment::mix_seed(seed, pack));
        std::memcpy(bytes.data(), &header, sizeof header);
        auto block = index::decode_order_block(bytes, pack, seed, "p", offset);
        if (block) CHECK(block->entries.size() == header.entries.value());
        const auto noise = test::random_bytes(random, random() % 200);
        static_cast<void>(index::decode_order_block(noise, pack, seed, "p", offset));
    }
}

TEST_CASE("the bytes of a known section are what the format says") {
    CHECK(test::hex(order_of({{2, few()}}).bytes) ==
          "84a8bf9ff51a37a3000000000000000002000000000000006400000000000000"
          "00000000000000000600010005005800090000004f4252440002008004020100"
          "df0708ffff0302800482a204010280080103002000000000");
}
