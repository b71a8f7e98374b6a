// The store as it stood at a position, read later.
#include <fmt/format.h>

#include <algorithm>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

constexpr std::uint64_t transactions = 24;

/// Transactions of one to five records over three segments of two spaces, and what all of it is.
struct Grown {
    std::vector<Seen> all;
    std::vector<std::uint64_t> ends{0};  // of transactions

    void fill(Store& store, std::uint64_t count = transactions) {
        for (std::uint64_t i = 0; i < count; ++i) {
            Transaction transaction = store.begin();
            for (std::uint64_t j = 0; j <= i % 5; ++j)
                transaction.append((i + j) % 3 == 0 ? "other" : "sp", (i + j) % 2 == 0 ? "a" : "b",
                                   fmt::format("{} of {}", j, i));
            ends.push_back(must(transaction.commit()).last_position.value);
        }
        all = entries(store.read_all());
    }
    /// What the reader of all is to give as of the position, as far as `wanted`.
    template <class Wanted>
    [[nodiscard]] std::vector<Seen> as_of(std::uint64_t position, Wanted wanted) const {
        const std::uint64_t end = *std::prev(std::upper_bound(ends.begin(), ends.end(), position));
        std::vector<Seen> result;
        for (const Seen& entry : all)
            if (entry.position <= end && wanted(entry)) result.push_back(entry);
        return result;
    }
};

std::vector<Seen> backward(std::vector<Seen> entries) {
    std::reverse(entries.begin(), entries.end());
    return entries;
}

void check_all_as_of(const Store& store, const Grown& grown, std::uint64_t position) {
    CAPTURE(position);
    for (const bool is_backward : {false, true}) {
        const auto check = [&](Reader reader, const auto& wanted) {
            const std::vector<Seen> expected = grown.as_of(position, wanted);
            CHECK(entries(std::move(reader)) == (is_backward ? backward(expected) : expected));
        };
        const Bounds bounds{.backward = is_backward, .as_of = position};
        const SegmentBounds of_segment{.backward = is_backward, .as_of = position};
        check(store.read_all(bounds), [](const Seen&) { return true; });
        check(store.read_space("sp", bounds), [](const Seen& one) { return one.space == "sp"; });
        check(store.read_spaces({{"other", 0}, {"sp", 0}}, bounds),
              [](const Seen&) { return true; });
        check(store.read_segment("sp", "a", of_segment),
              [](const Seen& one) { return one.space == "sp" && one.segment == "a"; });
    }
}

}  // namespace

TEST_CASE(
    "R-21 as of each position the whole transactions up to it are read, whatever came later") {
    Grown grown;
    in_every_state(
        [&](Store& store) {
            grown = {};
            grown.fill(store);
        },
        [&](Store& store) {
            for (std::uint64_t position = 0; position <= grown.ends.back(); ++position)
                check_all_as_of(store, grown, position);
        });
}

TEST_CASE("R-21 a state as of a position is the same after a drain, a reopening and more commits") {
    with_every_size([](StoreFixture& fixture) {
        Grown grown;
        grown.fill(*fixture);
        const std::uint64_t position = grown.ends[transactions / 2] + 1;
        check_all_as_of(*fixture, grown, position);
        Grown().fill(*fixture);
        check_all_as_of(*fixture, grown, position);
        must(fixture->drain());
        Grown().fill(*fixture);
        check_all_as_of(*fixture, grown, position);
        fixture.reopen();
        check_all_as_of(*fixture, grown, position);
    });
}

TEST_CASE("R-21 as of a position in a transaction of thousands of entries it isn't there at all") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "sp", "a", 1, 1);
        must_append(*fixture, "sp", "b", 1, 3000);
        must_append(*fixture, "sp", "a", 2, 2);
        for (const std::uint64_t position : {1, 2, 1500, 3000}) {
            CAPTURE(position);
            CHECK(positions(entries(fixture->read_all({.as_of = position}))) == numbers(1, 1));
            CHECK(entries(fixture->read_segment("sp", "b", {.as_of = position})).empty());
        }
        CHECK(entries(fixture->read_all({.as_of = 3001})).size() == 3001);
    });
}

TEST_CASE("R-21 as of what is trimmed since is refused, or is what is left") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "sp", "a", 1, 10);
        must_append(*fixture, "sp", "b", 1, 10);
        must_append(*fixture, "sp", "a", 11, 20);
        must(fixture->trim("sp", "a", 15));  // through position 25
        const Position before = 20;
        for (const bool is_backward : {false, true}) {
            const Bounds bounds{.backward = is_backward, .as_of = before};
            const SegmentBounds of_segment{.backward = is_backward, .as_of = before};
            for (const Delivery& read :
                 {read_to_end(fixture->read_all(bounds)),
                  read_to_end(fixture->read_space("sp", bounds)),
                  read_to_end(fixture->read_segment("sp", "a", of_segment))}) {
                CHECK(read.entries.empty());
                REQUIRE(read.error);
                CHECK(read.error->code() == Errc::trimmed);
                CHECK(read.error->trimmed()->trimmed_through == 25);
            }
            CHECK(entries(fixture->read_segment("sp", "b", of_segment)).size() == 10);
            const Bounds skipping{
                .backward = is_backward, .on_trimmed = OnTrimmed::skip, .as_of = before};
            CHECK(entries(fixture->read_space("sp", skipping)).size() == 10);
        }
        CHECK(sequences(entries(fixture->read_segment("sp", "a", {.as_of = 30}))) ==
              numbers(16, 20));
    });
}

TEST_CASE("R-21 as of nothing is empty, beyond the end it is out of range") {
    with_every_size([](StoreFixture& fixture) {
        CHECK(entries(fixture->read_all({.as_of = 0})).empty());
        must_append(*fixture, "sp", "a", 1, 3);
        CHECK(entries(fixture->read_all({.as_of = 0})).empty());
        CHECK(entries(fixture->read_all({.as_of = 3})).size() == 3);
        CHECK(entries(fixture->read_all({.after = 3, .as_of = 2})).empty());
        const Delivery beyond = read_to_end(fixture->read_all({.as_of = 4}));
        REQUIRE(beyond.error);
        CHECK(beyond.error->code() == Errc::out_of_range);
    });
}

TEST_CASE("R-12 a long segment is read from any cursor or time, and back from any time") {
    Grown grown;
    in_every_state(
        [&](Store& store) {
            grown = {};
            grown.fill(store, 60);
        },
        [&](Store& store) {
            const auto is_of = [](const Seen& one) {
                return one.space == "sp" && one.segment == "a";
            };
            const std::vector<Seen> all = grown.as_of(grown.ends.back(), is_of);
            for (const Seen& at : all) {
                CAPTURE(at.position);
                std::vector<Seen> beyond;
                std::vector<Seen> since;
                std::vector<Seen> until;
                for (const Seen& one : all) {
                    if (one.position > at.position) beyond.push_back(one);
                    if (one.timestamp >= at.timestamp) since.push_back(one);
                    if (one.timestamp <= at.timestamp) until.push_back(one);
                }
                CHECK(entries(store.read_segment("sp", "a", {.after = at.position})) == beyond);
                CHECK(entries(store.read_segment("sp", "a", {.from_time = at.timestamp})) == since);
                CHECK(entries(store.read_segment("sp", "a",
                                                 {.to_time = at.timestamp, .backward = true})) ==
                      backward(until));
            }
        });
}

TEST_CASE("S-07 spaces are read from any time and back from any time, with cursors or without") {
    Grown grown;
    in_every_state(
        [&](Store& store) {
            grown = {};
            grown.fill(store, 40);
        },
        [&](Store& store) {
            const auto select = [&](std::string_view space, std::uint64_t from, std::uint64_t to,
                                    std::uint64_t after) {
                return grown.as_of(grown.ends.back(), [&](const Seen& one) {
                    return (space.empty() || one.space == space) && one.timestamp >= from &&
                           one.timestamp <= to && one.position > after;
                });
            };
            const std::uint64_t past = grown.all.back().timestamp + 1;
            CHECK(entries(store.read_space("sp", {.from_time = past})).empty());
            CHECK(entries(store.read_all({.to_time = 1, .backward = true})).empty());
            for (std::size_t i = 0; i < grown.all.size(); i += 3) {
                const std::uint64_t time = grown.all[i].timestamp;
                const std::uint64_t after = grown.all[i].position / 2;
                CAPTURE(i);
                for (const std::string_view space : {"", "sp", "other"}) {
                    const auto read = [&](const Bounds& bounds) {
                        return entries(space.empty() ? store.read_all(bounds)
                                                     : store.read_space(space, bounds));
                    };
                    CHECK(read({.from_time = time}) == select(space, time, no_limit, 0));
                    CHECK(read({.after = after, .from_time = time}) ==
                          select(space, time, no_limit, after));
                    CHECK(read({.to_time = time, .backward = true}) ==
                          backward(select(space, 0, time, 0)));
                    CHECK(read({.from_time = time, .to_time = time}) ==
                          select(space, time, time, 0));
                }
                CHECK(entries(
                          store.read_spaces({{"sp", after}, {"other", 0}}, {.from_time = time})) ==
                      grown.as_of(grown.ends.back(), [&](const Seen& one) {
                          return one.timestamp >= time &&
                                 (one.space == "other" || one.position > after);
                      }));
            }
        });
}

TEST_CASE("S-18 what is trimmed is told, whatever the times that are asked for") {
    with_every_size([](StoreFixture& fixture) {
        for (std::uint64_t i = 1; i <= 20; ++i) must_append(*fixture, "sp", "a", i, i);
        const std::vector<Seen> all = entries(fixture->read_all());
        must(fixture->trim("sp", "a", 10));
        const std::uint64_t late = all[15].timestamp;
        const auto check = [](const Delivery& read) {
            REQUIRE(read.error);
            CHECK(read.error->code() == Errc::trimmed);
            CHECK(read.entries.empty());
        };
        check(read_to_end(fixture->read_space("sp", {.from_time = late})));
        check(read_to_end(fixture->read_all({.after = 3, .from_time = late})));
        check(read_to_end(fixture->read_segment("sp", "a", {.from = 2, .from_time = late})));
        check(read_to_end(fixture->read_space("sp", {.from_time = late, .as_of = 5})));
        check(read_to_end(
            fixture->read_all({.to_time = all[2].timestamp, .backward = true, .as_of = 5})));
        const Bounds going_on{.from_time = late, .on_trimmed = OnTrimmed::skip};
        CHECK(entries(fixture->read_space("sp", going_on)).front().timestamp == late);
    });
}

TEST_CASE("S-07 where reading begins late in a space, what lies before isn't read") {
    with_every_size([](StoreFixture& fixture) {
        for (std::uint64_t i = 1; i <= 200; ++i)
            must_append(*fixture, "sp", i % 2 == 0 ? "a" : "b", (i + 1) / 2, (i + 1) / 2);
        const std::vector<Seen> all = entries(fixture->read_space("sp"));
        fixture.close();
        REQUIRE(damage_stored(fixture.directory(), test_data(3)) > 0);
        fixture.open();
        const std::uint64_t late = all[150].timestamp;
        std::vector<Seen> since;
        for (const Seen& one : all)
            if (one.timestamp >= late) since.push_back(one);
        CHECK(entries(fixture->read_space("sp", {.from_time = late})) == since);
        CHECK(entries(fixture->read_all({.from_time = late})) == since);
        CHECK(read_to_end(fixture->read_space("sp", {.from_time = all[0].timestamp})).error);
    });
}

TEST_CASE("R-12 where reading begins late in a segment, what lies before isn't read") {
    with_every_size([](StoreFixture& fixture) {
        for (std::uint64_t i = 1; i <= 200; ++i) must_append(*fixture, "sp", "a", i, i);
        const std::vector<Seen> all = entries(fixture->read_segment("sp", "a"));
        fixture.close();
        REQUIRE(damage_stored(fixture.directory(), test_data(3)) > 0);
        fixture.open();
        const std::vector<Seen> late(all.begin() + 150, all.end());
        CHECK(entries(fixture->read_segment("sp", "a", {.after = 150})) == late);
        const SegmentBounds since{.from = 100, .from_time = late.front().timestamp};
        CHECK(entries(fixture->read_segment("sp", "a", {.from_time = since.from_time})) ==
              entries(fixture->read_segment("sp", "a", since)));
        CHECK(read_to_end(fixture->read_segment("sp", "a", {.after = 1})).error);
    });
}

TEST_CASE("R-21 half a transaction stays none when the rest of it is trimmed") {
    StoreFixture store;
    must_append(*store, "sp", "s1", 1, 3);  // positions 1 to 3
    auto transaction = store->begin();
    transaction.append("sp", "s1", "4");
    transaction.append("sp", "s1", "5");
    transaction.append("sp", "s2", "6");
    must(transaction.commit());
    must_append(*store, "sp", "s3", 1, 1);  // position 7
    const auto as_of = [&](Position position) {
        return sequences(entries(store->read_segment("sp", "s1", {.as_of = position})));
    };
    const auto check = [&] {
        CHECK(as_of(3) == numbers(1, 3));
        CHECK(as_of(4) == numbers(1, 3));
        CHECK(as_of(5) == numbers(1, 3));
        CHECK(as_of(6) == numbers(1, 5));
        CHECK(as_of(7) == numbers(1, 5));
    };
    check();
    must(store->trim("sp", "s2", 1));
    check();
    must(store->trim("sp", "s3", 1));  // nothing is left behind it
    check();
    must(store->drain());
    check();
}

}  // namespace braid::test
