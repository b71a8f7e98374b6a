// Hints of where extents lie: they shorten walks, and nothing else.
#include "engine/extent_hints.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <vector>

#include "engine/engine.h"
#include "tests/engine/model_random.h"
#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

using segment::Link;
using Hint = ExtentHints::Hint;

Link link(std::uint64_t number) {
    return Link(1, 8 * number);
}

}  // namespace

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
