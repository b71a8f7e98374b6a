// Hints of where extents lie: they shorten walks, and nothing else.
#include "engine/extent_hints.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "segment/frame.h"
#include "tests/engine/model_random.h"
#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

using segment::Link;
using Hint = ExtentHints::Hint;

Link link(std::uint64_t number) {
    return Link(1, 8 * number);
}

/// Too large to be joined with others.
std::string large_data(std::uint64_t sequence) {
    return test_data(sequence) + std::string(2050, '.');
}

/// Overwrites the first sequence in the header of the frame that holds this record alone.
void lie_about(const std::string& directory, std::uint64_t sequence, std::uint64_t lie) {
    constexpr std::size_t in_header = 24;
    const std::string payload = large_data(sequence) + '\0';  // padding
    int frames = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
        if (!file.path().filename().string().starts_with("pack-")) continue;
        std::fstream stream(file.path(), std::ios::in | std::ios::out | std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
        const std::size_t at = bytes.find(payload);
        if (at == std::string::npos) continue;
        ++frames;
        stream.seekp(static_cast<std::streamoff>(at - segment::frame_header_bytes + in_header));
        stream.write(reinterpret_cast<const char*>(&lie), sizeof lie);
    }
    REQUIRE(frames == 1);
}

}  // namespace

TEST_CASE("hints: headers that lie, and are come by on the way, lead nobody astray") {
    StoreFixture store;
    constexpr std::uint64_t entries = 400;
    for (std::uint64_t i = 1; i <= entries; ++i) {
        must(store->append("sp", "a", large_data(i), {}, Durability::buffered));
        if (i % 25 == 0) must(store->drain());
    }
    store.close();
    lie_about(store.directory(), 57, 300);
    lie_about(store.directory(), 200, 20);
    store.open();
    Random random(1);
    for (int round = 0; round < 3000; ++round) {
        const std::uint64_t wanted = random.between(1, entries);
        CAPTURE(wanted);
        Reader reader = store->read_segment("sp", "a", {.from = wanted});
        const Result<Entry>* entry = reader.next();
        REQUIRE(entry != nullptr);
        if (wanted == 57 || wanted == 200) {
            CHECK(code(*entry) == Errc::corrupt);
            continue;
        }
        REQUIRE(*entry);
        CHECK((**entry).text() == large_data(wanted));
    }
}

TEST_CASE("hints: the nearest extent at or beyond a sequence") {
    ExtentHints hints;
    CHECK_FALSE(hints.nearest(1, 5).link);
    hints.add(1, std::vector<Hint>{{30, link(30)}, {20, link(20)}});
    hints.add(1, std::vector<Hint>{{20, link(20)}, {10, link(10)}});
    hints.add(2, std::vector<Hint>{{7, link(7)}});
    CHECK(hints.size() == 4);
    const auto check = [&](std::uint64_t wanted, Link expected, bool is_close) {
        CAPTURE(wanted);
        const auto [found, close] = hints.nearest(1, wanted);
        CHECK(found == expected);
        CHECK(close == is_close);
    };
    check(1, link(10), false);
    check(10, link(10), false);
    check(11, link(20), true);
    check(30, link(30), true);
    check(31, {}, false);
    CHECK(hints.nearest(2, 1).link == link(7));
    CHECK_FALSE(hints.nearest(3, 1).link);
}

TEST_CASE("hints: their number is bounded") {
    ExtentHints hints;
    std::vector<Hint> many;
    for (std::uint64_t segment = 1; segment <= 20; ++segment) {
        many.clear();
        for (std::uint64_t i = 1; i <= ExtentHints::hints_max / 8; ++i)
            many.push_back({i, link(i)});
        hints.add(segment, many);
        CHECK(hints.size() <= ExtentHints::hints_max);
        CHECK(hints.nearest(segment, 3).link == link(3));
    }
}

TEST_CASE("hints: entries of long chains through many packs are found in any order, as before") {
    StoreFixture store;
    constexpr std::uint64_t entries = 400;
    for (std::uint64_t i = 1; i <= entries; ++i) {
        for (const char* segment : {"a", "b", "c"})
            must_append(*store, "sp", segment, i, i, Durability::buffered);
        if (i % 25 == 0) must(store->drain());
    }
    const auto check = [&](std::uint64_t wanted) {
        CAPTURE(wanted);
        SegmentBounds bounds;
        bounds.from = wanted;
        Reader reader = store->read_segment("sp", "b", bounds);
        const Result<Entry>* entry = reader.next();
        REQUIRE(entry != nullptr);
        REQUIRE(*entry);
        CHECK((**entry).sequence == wanted);
        CHECK((**entry).text() == test_data(wanted));
        bounds = {};
        bounds.to = wanted;
        bounds.backward = true;
        Reader back = store->read_segment("sp", "b", bounds);
        for (std::uint64_t i = 0; i < std::min<std::uint64_t>(wanted, 3); ++i)
            CHECK((**back.next()).sequence == wanted - i);
    };
    Random random(1);
    for (int round = 0; round < 1000; ++round) check(random.between(1, entries));
    // What is trimmed is gone, whatever was known of it.
    must(store->trim("sp", "b", 350));
    CHECK(sequences(test::entries(store->read_segment("sp", "b"))) == numbers(351, entries));
    for (std::uint64_t wanted = 351; wanted <= entries; ++wanted) {
        SegmentBounds bounds;
        bounds.from = wanted;
        CHECK(sequences(test::entries(store->read_segment("sp", "b", bounds))) ==
              numbers(wanted, entries));
    }
}

}  // namespace braid::test
