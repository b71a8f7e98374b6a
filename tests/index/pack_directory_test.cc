#include "index/pack_directory.h"

#include <doctest/doctest.h>

#include <map>

namespace braid::index {
namespace {

constexpr std::uint64_t seed = 7;
constexpr std::uint32_t pack = 3;

/// Extents of some segments, one behind the other, and what was built of them.
struct Sample {
    void add(std::uint64_t segment, std::uint64_t first, std::uint32_t records,
             std::uint64_t length) {
        builder.add(segment, first, records, end);
        extents[{segment, first}] = end;
        end += length;
    }
    void finish() { bytes = builder.finish(pack, seed); }
    [[nodiscard]] auto find(std::uint64_t segment, std::uint64_t wanted) const {
        return PackDirectory(bytes, builder.entries()).find(segment, wanted);
    }

    DirectoryBuilder builder;
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> extents;
    std::uint64_t end = 128;
    std::vector<std::byte> bytes;
};

TEST_CASE("directory: each extent is found in a stretch that isn't long") {
    Sample sample;
    // Ids with gaps, one of which is far; a few records, or many.
    for (const std::uint64_t segment : {1, 2, 3, 5, 8, 100, 101, 102, 5000}) {
        const std::uint64_t count = segment % 3 == 0 ? 2000 : 3;
        for (std::uint64_t i = 0; i < count; ++i)
            sample.add(segment, 10 + 2 * i, 2, 8 * (12 + (segment + i) % 40));
    }
    for (std::uint64_t segment = 6000; segment < 9000; ++segment) sample.add(segment, 1, 1, 176);
    sample.finish();
    REQUIRE(sample.builder.entries() > 18 * directory_block_entries);
    REQUIRE(sample.bytes.size() == directory_bytes(sample.builder.entries()));
    for (const auto& [key, offset] : sample.extents) {
        const auto [segment, first] = key;
        for (const std::uint64_t wanted : {first, first + 1}) {
            const auto found = sample.find(segment, wanted);
            REQUIRE(found);
            CHECK(found->begin <= offset);
            CHECK((found->end == 0 || found->end > offset));
            if (found->end != 0) CHECK(found->end - found->begin < 2 * directory_interval_bytes);
            CHECK(found->first.value <= wanted);
            CHECK(found->first.value + found->records > first);
        }
    }
}

TEST_CASE("directory: a segment that isn't there, and what comes before or behind it") {
    Sample sample;
    for (const std::uint64_t segment : {4, 7, 9}) sample.add(segment, 5, 3, 200);
    sample.finish();
    for (const std::uint64_t segment : {0, 1, 5, 6, 8, 10, 1000000})
        CHECK(!sample.find(segment, 5));
    const auto before = sample.find(7, 1);  // the first one, to go back from
    REQUIRE(before);
    CHECK(before->begin == 328);
    CHECK(before->end == 528);
    const auto behind = sample.find(9, 1000);
    REQUIRE(behind);
    CHECK(behind->begin == 528);
    CHECK(behind->end == 0);
    CHECK(behind->records == 3);
    CHECK(!PackDirectory({}, 0).find(1, 1));
}

TEST_CASE("directory: each changed byte of a block is noticed, and a block in another's place") {
    Sample sample;
    for (std::uint64_t segment = 1; segment <= 400; ++segment) sample.add(segment, 1, 1, 100 * 8);
    sample.finish();
    REQUIRE(sample.bytes.size() == 3 * directory_block_bytes);
    const auto block = [&](std::size_t number) {
        return std::span(sample.bytes)
            .subspan(number * directory_block_bytes, directory_block_bytes);
    };
    for (std::uint64_t number : {0, 1, 2})
        CHECK(directory_block_is_sound(block(number), number, pack, seed));
    CHECK_FALSE(directory_block_is_sound(block(1), 2, pack, seed));
    CHECK_FALSE(directory_block_is_sound(block(1), 1, pack + 1, seed));
    CHECK_FALSE(directory_block_is_sound(block(1), 1, pack, seed + 1));
    CHECK_FALSE(directory_block_is_sound(block(1).first(directory_block_bytes - 1), 1, pack, seed));
    for (std::size_t at = 0; at < directory_block_bytes; ++at) {
        block(2)[at] ^= std::byte{0x10};
        CHECK_FALSE(directory_block_is_sound(block(2), 2, pack, seed));
        block(2)[at] ^= std::byte{0x10};
    }
}

TEST_CASE("directory: any bytes lead nowhere beyond it") {
    std::vector<std::byte> bytes(2 * directory_block_bytes);
    std::uint64_t state = 1;
    for (int round = 0; round < 200; ++round) {
        for (std::byte& byte : bytes) {
            state = state * 6364136223846793005U + 1442695040888963407U;
            byte = static_cast<std::byte>(state >> 56);
        }
        const PackDirectory directory(bytes, 2 * directory_block_entries - round % 170);
        for (const std::uint64_t segment : {std::uint64_t{0}, state, ~std::uint64_t{0}})
            if (const auto found = directory.find(segment, state >> 3)) CHECK(found->block < 2);
    }
}

}  // namespace
}  // namespace braid::index
