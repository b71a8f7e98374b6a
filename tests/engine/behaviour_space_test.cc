// Reading one space and several; what is visible when.
#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <map>
#include <set>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

constexpr std::uint64_t space_entries = data_set_segments * data_set_records;

std::vector<Seen> space_entries_of(Store& store, const Bounds& bounds = {}) {
    return entries(store.read_space("sp", bounds));
}

std::vector<SpaceCursor> all_spaces() {
    std::vector<SpaceCursor> spaces;
    for (std::uint64_t i = 0; i < data_set_spaces; ++i) spaces.push_back({space_name(i), {}});
    return spaces;
}

/// Checks that in each segment the sequences are 1, 2, 3 … and the positions ascend.
void check_order(const std::vector<Seen>& read) {
    std::map<std::pair<std::string, std::string>, std::uint64_t> last;
    std::uint64_t position = 0;
    bool good = true;
    for (const Seen& entry : read) {
        std::uint64_t& sequence = last[{entry.space, entry.segment}];
        good = good && entry.sequence == ++sequence && entry.position > position;
        position = entry.position;
    }
    CHECK(good);
}

/// Ten transactions of two records each in two segments of space sp, and what they got.
struct Batches {
    std::vector<Seen> all;

    void fill(Store& store) {
        for (std::uint64_t i = 0; i < 10; ++i) {
            Transaction transaction = store.begin();
            transaction.append("sp", "a", test_data(i)).append("sp", "b", test_data(i));
            must(transaction.commit());
            must_append(store, "between", "x", i + 1, i + 1);
        }
        all = space_entries_of(store);
        REQUIRE(all.size() == 20);
    }
    [[nodiscard]] std::vector<std::uint64_t> within(const Bounds& bounds) const {
        std::vector<std::uint64_t> result;
        for (const Seen& entry : all) {
            if (Position(entry.position) <= bounds.after) continue;
            if (Timestamp(entry.timestamp) < bounds.from_time) continue;
            if (Timestamp(entry.timestamp) > bounds.to_time) continue;
            result.push_back(entry.position);
        }
        return result;
    }
};

}  // namespace

TEST_CASE(
    "U-19 a follower of a space that begins, and is drained, before it looks misses nothing") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "other", "x", 1, 1);
        Follower follower = fixture->follow_space("late");
        must_append(*fixture, "late", "y", 1, 2);
        REQUIRE(fixture->drain());
        must_append(*fixture, "late", "y", 3, 3);
        for (std::uint64_t position = 2; position <= 4; ++position) {
            const Result<Entry>* next = follower.try_next();
            REQUIRE((next != nullptr && *next));
            CHECK((*next)->position == position);
        }
        CHECK(follower.try_next() == nullptr);
    });
}

TEST_CASE("S-01 a whole space of the data set") {
    in_every_state(fill_data_set, [](Store& store) {
        const std::vector<Seen> read = entries(store.read_space("space0"));
        CHECK(read.size() == space_entries);
        for (const Seen& entry : read) {
            if (entry.space != "space0" || entry.payload != test_data(entry.sequence)) {
                FAIL("an entry that is not space0's");
            }
        }
    });
}

TEST_CASE("S-02 a missing space reads as empty") {
    with_every_size([](StoreFixture& fixture) {
        CHECK(entries(fixture->read_space("missing")).empty());
        must_append(*fixture, "sp", "a", 1, 1);
        CHECK(entries(fixture->read_space("missing")).empty());
        CHECK(entries(fixture->read_space("missing", {.after = 1})).empty());
        CHECK(entries(fixture->read_space("missing", {.backward = true})).empty());
    });
}

TEST_CASE("S-03 sequences ascend within segments, positions strictly") {
    in_every_state(fill_data_set, [](Store& store) {
        for (std::uint64_t i = 0; i < data_set_spaces; ++i) {
            check_order(entries(store.read_space(space_name(i))));
        }
    });
}

TEST_CASE("S-04 a cursor is exclusive: two halves are the whole") {
    in_every_state(fill_data_set, [](Store& store) {
        const std::vector<Seen> whole = entries(store.read_space("space0"));
        for (const std::uint64_t count : {0, 1, 632, 1264, 1265}) {
            CAPTURE(count);
            std::vector<Seen> read;
            Position cursor;
            Reader first = store.read_space("space0");
            for (std::uint64_t i = 0; i < count; ++i) {
                const Result<Entry>* next = first.next();
                REQUIRE(next != nullptr);
                REQUIRE(next->has_value());
                read.push_back(seen(**next));
                cursor = (*next)->position;
            }
            CHECK(first.cursor() == cursor);
            const std::vector<Seen> rest = entries(store.read_space("space0", {.after = cursor}));
            read.insert(read.end(), rest.begin(), rest.end());
            CHECK(bool(read == whole));
        }
    });
}

TEST_CASE("S-05 resuming at the end gives what comes later") {
    with_every_size([](StoreFixture& fixture) {
        fill_data_set(*fixture);
        const Position cursor = entries(fixture->read_space("space0")).back().position;
        CHECK(entries(fixture->read_space("space0", {.after = cursor})).empty());
        must_append(*fixture, "space0", "segment0", 254, 255);
        must_append(*fixture, "space1", "segment0", 254, 255);
        for (int drained = 0; drained < 2; ++drained) {
            CHECK(sequences(entries(fixture->read_space("space0", {.after = cursor}))) ==
                  numbers(254, 255));
            must(fixture->drain());
        }
    });
}

TEST_CASE("S-06 a cursor at the start gives all") {
    in_every_state(fill_data_set, [](Store& store) {
        CHECK(entries(store.read_space("space0", {.after = 0})).size() == space_entries);
        CHECK(Position() == store.read_space("space0").cursor());
    });
}

TEST_CASE("S-07 bounds of time are inclusive") {
    Batches batches;
    in_every_state(
        [&](Store& store) { batches.fill(store); },
        [&](Store& store) {
            for (std::size_t from = 0; from < 20; from += 3) {
                for (std::size_t to = 0; to < 20; to += 4) {
                    const Bounds bounds{.from_time = batches.all[from].timestamp,
                                        .to_time = batches.all[to].timestamp};
                    CHECK(positions(space_entries_of(store, bounds)) == batches.within(bounds));
                }
            }
            const std::uint64_t newest = batches.all.back().timestamp;
            CHECK(space_entries_of(store, {.from_time = newest + 1}).empty());
        });
}

TEST_CASE("S-08 a cursor and bounds of time hold together") {
    Batches batches;
    in_every_state(
        [&](Store& store) { batches.fill(store); },
        [&](Store& store) {
            for (std::size_t after = 0; after < 20; after += 3) {
                const Bounds bounds{.after = batches.all[after].position,
                                    .from_time = batches.all[6].timestamp,
                                    .to_time = batches.all[15].timestamp};
                CHECK(positions(space_entries_of(store, bounds)) == batches.within(bounds));
            }
        });
}

TEST_CASE("S-09 a limit, forward and backward") {
    Batches batches;
    in_every_state(
        [&](Store& store) { batches.fill(store); },
        [&](Store& store) {
            std::vector<std::uint64_t> all = positions(batches.all);
            const std::vector<std::uint64_t> first(all.begin(), all.begin() + 3);
            CHECK(positions(space_entries_of(store, {.limit = 3})) == first);
            std::reverse(all.begin(), all.end());
            CHECK(positions(space_entries_of(store, {.backward = true})) == all);
            const std::vector<std::uint64_t> last(all.begin(), all.begin() + 3);
            CHECK(positions(space_entries_of(store, {.limit = 3, .backward = true})) == last);
        });
}

TEST_CASE("S-13 a stalled transaction hides nobody's data") {
    with_every_size([](StoreFixture& fixture) {
        Transaction stalled = fixture->begin();
        stalled.append("sp", "segA", "late");
        must_append(*fixture, "sp", "segB", 1, 10);
        std::vector<Seen> read = space_entries_of(*fixture);
        CHECK(read.size() == 10);
        must(stalled.commit());
        read = space_entries_of(*fixture);
        REQUIRE(read.size() == 11);
        CHECK(read.back().segment == "segA");
        CHECK(read.back().position == 11);
    });
}

TEST_CASE("S-14 who starts earlier and commits later is read once") {
    with_every_size([](StoreFixture& fixture) {
        Transaction first = fixture->begin();
        first.append("sp", "one", "1");
        Transaction second = fixture->begin();
        second.append("sp", "two", "2");
        must(second.commit());
        const std::vector<Seen> before = space_entries_of(*fixture);
        REQUIRE(before.size() == 1);
        must(first.commit());
        const std::vector<Seen> rest =
            space_entries_of(*fixture, {.after = before.back().position});
        REQUIRE(rest.size() == 1);
        CHECK(rest[0].segment == "one");
    });
}

TEST_CASE("S-17 a cursor means the same after a reopening and after a kill") {
    with_every_size([](StoreFixture& fixture) {
        Batches batches;
        batches.fill(*fixture);
        Position cursor;
        {
            Reader reader = fixture->read_space("sp");
            for (int i = 0; i < 7; ++i) REQUIRE(reader.next() != nullptr);
            cursor = reader.cursor();
        }
        CHECK(cursor == batches.all[6].position);
        const std::vector<std::uint64_t> rest = batches.within({.after = cursor});
        CHECK(positions(space_entries_of(*fixture, {.after = cursor})) == rest);
        fixture.reopen();
        CHECK(positions(space_entries_of(*fixture, {.after = cursor})) == rest);
        fixture.in_killed_process(
            [](Store& store) { return append_range(store, "after", "x", 1, 5).has_value(); });
        CHECK(positions(space_entries_of(*fixture, {.after = cursor})) == rest);
        CHECK(entries(fixture->read_space("after")).size() == 5);
    });
}

TEST_CASE("S-17 a cursor beyond the end is out of range") {
    in_every_state(
        [](Store& store) { must_append(store, "sp", "a", 1, 3); },
        [](Store& store) {
            CHECK(space_entries_of(store, {.after = 3}).empty());
            const auto error_of = [](Reader reader) {
                const Delivery delivery = read_to_end(std::move(reader));
                CHECK(delivery.entries.empty());
                REQUIRE(delivery.error);
                return delivery.error->code();
            };
            CHECK(error_of(store.read_space("sp", {.after = 4})) == Errc::out_of_range);
            CHECK(error_of(store.read_all({.after = 4})) == Errc::out_of_range);
            CHECK(error_of(store.read_segment("sp", "a", {.after = 4})) == Errc::out_of_range);
            CHECK(error_of(store.read_spaces({{"sp", 4}})) == Errc::out_of_range);
        });
}

TEST_CASE("S-19 a space doesn't read another whose name begins alike") {
    in_every_state(
        [](Store& store) {
            must_append(store, "space1", "a", 1, 2);
            must_append(store, "space10", "b", 1, 3);
        },
        [](Store& store) {
            const std::vector<Seen> read = entries(store.read_space("space1"));
            REQUIRE(read.size() == 2);
            CHECK(read[0].segment == "a");
            CHECK(read[1].segment == "a");
            CHECK(entries(store.read_space("space10")).size() == 3);
        });
}

TEST_CASE("S-20 positions are dense, so a lag is a difference") {
    static constexpr std::uint64_t count = 1000;
    in_every_state(
        [](Store& store) {
            for (std::uint64_t i = 0; i < count; ++i) {
                must(store.append(space_name(i % 2), segment_name(i % 7), test_data(i), {},
                                  Durability::buffered));
            }
            must(store.sync());
        },
        [](Store& store) {
            const std::vector<Seen> all = entries(store.read_all());
            CHECK(positions(all) == numbers(1, count));
            CHECK(store.stat().committed == count);
            for (const std::uint64_t cursor : {0, 1, 500, 999, 1000}) {
                CHECK(entries(store.read_all({.after = cursor})).size() == count - cursor);
            }
        });
}

TEST_CASE("M-01 five spaces from their starts") {
    in_every_state(fill_data_set, [](Store& store) {
        const std::vector<Seen> read = entries(store.read_spaces(all_spaces()));
        CHECK(read.size() == data_set_spaces * space_entries);
        check_order(read);
        CHECK(bool(read == entries(store.read_all())));
    });
}

TEST_CASE("M-01 each space from its own cursor") {
    in_every_state(fill_data_set, [](Store& store) {
        const std::uint64_t first = entries(store.read_space("space1"))[400].position;
        const std::uint64_t second = entries(store.read_space("space3"))[900].position;
        std::vector<std::uint64_t> expected;
        for (const Seen& entry : entries(store.read_all())) {
            if ((entry.space == "space1" && entry.position > first) ||
                (entry.space == "space3" && entry.position > second)) {
                expected.push_back(entry.position);
            }
        }
        CHECK(positions(entries(store.read_spaces({{"space1", first}, {"space3", second}}))) ==
              expected);
    });
}

TEST_CASE("M-02 no spaces read as empty") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "sp", "a", 1, 1);
        CHECK(entries(fixture->read_spaces({})).empty());
    });
}

TEST_CASE("M-03 an unknown space among them adds nothing") {
    in_every_state(fill_data_set, [](Store& store) {
        std::vector<SpaceCursor> spaces = all_spaces();
        spaces.push_back({"nope", {}});
        CHECK(entries(store.read_spaces(spaces)).size() == data_set_spaces * space_entries);
    });
}

TEST_CASE("M-04 a limit counts all spaces together") {
    in_every_state(
        [](Store& store) {
            must_append(store, "one", "a", 1, 5);
            must_append(store, "two", "a", 1, 5);
        },
        [](Store& store) {
            CHECK(entries(store.read_spaces({{"one", {}}, {"two", {}}}, {.limit = 2})).size() == 2);
        });
}

TEST_CASE("M-05 the merge is in commit order and the same each time") {
    in_every_state(fill_data_set, [](Store& store) {
        const std::vector<Seen> first = entries(store.read_spaces(all_spaces()));
        const bool ordered = std::is_sorted(
            first.begin(), first.end(),
            [](const Seen& left, const Seen& right) { return left.timestamp < right.timestamp; });
        CHECK(ordered);
        CHECK(bool(entries(store.read_spaces(all_spaces())) == first));
        std::vector<SpaceCursor> reversed = all_spaces();
        std::reverse(reversed.begin(), reversed.end());
        CHECK(bool(entries(store.read_spaces(reversed)) == first));
    });
}

TEST_CASE("M-07 damage in one space is told by a read of many, and names it") {
    with_every_size([](StoreFixture& fixture) {
        for (std::uint64_t i = 1; i <= 20; ++i) {
            for (std::uint64_t space = 1; space <= 3; ++space) {
                must(fixture->append(space_name(space), "a",
                                     fmt::format("{} holds {}", space_name(space), i)));
            }
        }
        must(fixture->drain());
        fixture.close();
        REQUIRE(damage_stored(fixture.directory(), "space2 holds 11") == 1);
        fixture.open();
        const std::vector<SpaceCursor> spaces{{"space1", {}}, {"space2", {}}, {"space3", {}}};
        const Delivery delivery = read_to_end(fixture->read_spaces(spaces));
        CHECK(positions(delivery.entries) == numbers(1, 31));
        REQUIRE(delivery.error);
        CHECK(delivery.error->code() == Errc::corrupt);
        CHECK(delivery.error->message().find("space2") != std::string::npos);
        CHECK(entries(fixture->read_space("space1")).size() == 20);
        CHECK(entries(fixture->read_spaces({{"space1", {}}, {"space3", {}}})).size() == 40);
    });
}

TEST_CASE("V-02 what is not committed is invisible") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "sp", "a", 1, 2);
        Transaction open = fixture->begin();
        open.append("sp", "a", "never").append("sp", "new", "never").append("other", "x", "never");
        auto other = std::async(std::launch::async, [&] {
            return entries(fixture->read_all()).size() == 2 &&
                   entries(fixture->read_space("sp")).size() == 2 &&
                   last_sequence(*fixture, "sp", "a") == 2 &&
                   (*must(fixture->peek("sp", "a")))->sequence == 2 &&
                   must(fixture->spaces()).size() == 1 && must(fixture->segments("sp")).size() == 1;
        });
        CHECK(other.get());
    });
}

TEST_CASE("V-07 what goes wrong on a reader's side doesn't fail a commit") {
    with_every_size([](StoreFixture& fixture) {
        {
            Follower gone = fixture->follow_space("sp");
            Reader also_gone = fixture->read_space("sp");
        }
        Follower lost = fixture->follow_space("sp", {.after = 100});
        const Result<Entry>* next = lost.try_next();
        REQUIRE(next != nullptr);
        CHECK(code(*next) == Errc::out_of_range);
        CHECK(append_range(*fixture, "sp", "a", 1, 1).has_value());
    });
}

TEST_CASE("V-01 a buffered commit is read at once, at the durable level after a sync") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "sp", "a", 1, 1);
        must_append(*fixture, "sp", "a", 2, 2, Durability::buffered);
        CHECK(space_entries_of(*fixture).size() == 2);
        CHECK((*must(fixture->peek("sp", "a")))->sequence == 2);
        CHECK(space_entries_of(*fixture, {.level = Level::durable}).size() >= 1);
        must(fixture->sync());
        CHECK(space_entries_of(*fixture, {.level = Level::durable}).size() == 2);
        CHECK((*must(fixture->peek("sp", "a", Level::durable)))->sequence == 2);
    });
}

}  // namespace braid::test
