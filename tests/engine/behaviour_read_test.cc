// Reading one segment.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

/// Fills sp/sg with A(1..count), a few records a transaction, and another segment between them.
std::function<void(Store&)> segment_of(std::uint64_t count) {
    return [count](Store& store) {
        for (std::uint64_t first = 1; first <= count; first += 3) {
            must_append(store, "sp", "sg", first, std::min(first + 2, count), Durability::buffered);
            must(store.append("sp", "other", "noise", {}, Durability::buffered));
        }
        must(store.sync());
    };
}

std::vector<std::uint64_t> read_sequences(Store& store, const SegmentBounds& bounds) {
    return sequences(entries(store.read_segment("sp", "sg", bounds)));
}

/// Checks what bounds give of A(sp,sg,1..count), in every state.
void check_bounds(std::uint64_t count, const SegmentBounds& bounds,
                  const std::vector<std::uint64_t>& expected) {
    in_every_state(segment_of(count),
                   [&](Store& store) { CHECK(read_sequences(store, bounds) == expected); });
}

/// Files of the store's directory that this process has open or mapped. `log`: those of the log,
/// too, whose next one is made in the background.
std::uint64_t held_files(const std::string& directory, bool log) {
    const auto is_held = [&](const std::string& name) {
        return name.find(directory) != std::string::npos &&
               (log || name.find(directory + "/log") == std::string::npos);
    };
    std::uint64_t count = 0;
    for (const auto& link : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code error;
        const std::filesystem::path target = std::filesystem::read_symlink(link.path(), error);
        if (!error && is_held(target.string())) ++count;
    }
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        if (is_held(line)) ++count;
    }
    return count;
}

}  // namespace

TEST_CASE("R-01 a whole segment") {
    check_bounds(10, {}, numbers(1, 10));
}

TEST_CASE("R-02 from 0") {
    check_bounds(10, {.from = 0}, numbers(1, 10));
}

TEST_CASE("R-03 a single entry") {
    check_bounds(10, {.from = 3, .to = 3}, {3});
}

TEST_CASE("R-04 both ends of a range are inclusive") {
    check_bounds(10, {.from = 3, .to = 5}, {3, 4, 5});
}

TEST_CASE("R-05 beyond the end is empty") {
    check_bounds(10, {.from = 11}, {});
    check_bounds(10, {.from = no_limit}, {});
}

TEST_CASE("R-06 a window is clipped") {
    check_bounds(10, {.from = 9, .to = 15}, {9, 10});
}

TEST_CASE("R-07 the last 21 of 253") {
    in_every_state(fill_data_set, [](Store& store) {
        const std::vector<Seen> read =
            entries(store.read_segment("space3", "segment2", {.from = 233}));
        CHECK(sequences(read) == numbers(233, 253));
        CHECK(read.front().payload == test_data(233));
        CHECK(read.front().space == "space3");
        CHECK(read.front().segment == "segment2");
    });
}

TEST_CASE("R-08 only an upper bound") {
    check_bounds(10, {.to = 4}, numbers(1, 4));
}

TEST_CASE("R-09 an inverted range is empty") {
    check_bounds(20, {.from = 10, .to = 3}, {});
}

TEST_CASE("R-10 a missing segment reads as empty") {
    with_every_size([](StoreFixture& fixture) {
        CHECK(entries(fixture->read_segment("sp", "sg")).empty());
        CHECK(entries(fixture->read_segment("sp", "sg", {.backward = true})).empty());
        must_append(*fixture, "sp", "other", 1, 1);
        CHECK(entries(fixture->read_segment("sp", "sg")).empty());
        CHECK(must(fixture->segments("sp")) == std::vector<std::string>{"other"});
    });
}

TEST_CASE("R-11 a segment doesn't read another whose name begins alike") {
    in_every_state(
        [](Store& store) {
            must_append(store, "sp", "order-1", 1, 3);
            must_append(store, "sp", "order-10", 1, 7);
        },
        [](Store& store) {
            CHECK(sequences(entries(store.read_segment("sp", "order-1"))) == numbers(1, 3));
            CHECK(sequences(entries(store.read_segment("sp", "order-1", {.from = 2}))) ==
                  numbers(2, 3));
            CHECK(entries(store.read_segment("sp", "order-")).empty());
        });
}

TEST_CASE("R-12 a limit") {
    check_bounds(10, {.limit = 3}, numbers(1, 3));
}

TEST_CASE("R-13 no limit and the largest limit") {
    check_bounds(7, {.limit = 0}, numbers(1, 7));
    check_bounds(7, {.limit = no_limit}, numbers(1, 7));
}

TEST_CASE("R-14 a limit from a start") {
    check_bounds(10, {.from = 5, .limit = 2}, {5, 6});
}

TEST_CASE("R-15 a window of time is inclusive at both ends") {
    std::vector<std::uint64_t> times;
    in_every_state(
        [&](Store& store) {
            times.clear();
            for (std::uint64_t i = 1; i <= 4; ++i) {
                times.push_back(must_append(store, "sp", "sg", i, i).timestamp.value);
            }
        },
        [&](Store& store) {
            std::vector<std::uint64_t> expected;
            for (std::uint64_t i = 1; i <= 4; ++i) {
                const std::uint64_t time = times[i - 1];
                if (time >= times[1] && time <= times[2]) expected.push_back(i);
            }
            CHECK(read_sequences(store, {.from_time = times[1], .to_time = times[2]}) == expected);
            CHECK(read_sequences(store, {.from_time = times[0], .to_time = times[3]}) ==
                  numbers(1, 4));
            CHECK(read_sequences(store, {.from_time = times[2], .to_time = times[1] - 1}).empty());
            CHECK(read_sequences(store, {.from_time = times[3] + 1}).empty());
            CHECK(read_sequences(store, {.to_time = times[0] - 1}).empty());
        });
}

TEST_CASE("R-16 a start in the future is empty") {
    in_every_state(segment_of(3), [](Store& store) {
        const std::uint64_t hour_ns = std::uint64_t{3600} * 1'000'000'000;
        const std::uint64_t last = must(store.status("sp", "sg")).last_timestamp.value;
        CHECK(read_sequences(store, {.from_time = last + hour_ns}).empty());
    });
}

TEST_CASE("R-17 without an upper bound of time all are read") {
    in_every_state(segment_of(3), [](Store& store) {
        CHECK(read_sequences(store, {.from_time = 1}) == numbers(1, 3));
    });
}

TEST_CASE("R-18 bounds of sequence and time hold together") {
    std::vector<std::uint64_t> times;
    in_every_state(
        [&](Store& store) {
            times.assign(1, 0);
            for (std::uint64_t first = 1; first <= 20; first += 4) {
                const Receipt receipt = must_append(store, "sp", "sg", first, first + 3);
                for (int i = 0; i < 4; ++i) times.push_back(receipt.timestamp.value);
            }
        },
        [&](Store& store) {
            for (std::uint64_t from = 1; from <= 20; from += 3) {
                for (std::uint64_t to = from; to <= 20; to += 5) {
                    std::vector<std::uint64_t> expected;
                    for (std::uint64_t i = from; i <= to; ++i) {
                        if (times[i] >= times[6] && times[i] <= times[15]) expected.push_back(i);
                    }
                    const SegmentBounds bounds{
                        .from = from, .to = to, .from_time = times[6], .to_time = times[15]};
                    CHECK(read_sequences(store, bounds) == expected);
                }
            }
        });
}

TEST_CASE("R-20 a reader dropped early leaves no file open and no mapping") {
    with_every_size([](StoreFixture& fixture) {
        for (std::uint64_t first = 1; first <= 300; first += 100) {
            must_append(*fixture, "sp", "sg", first, first + 99);
            must(fixture->drain());
        }
        const auto drop_one = [&] {
            Reader reader = fixture->read_segment("sp", "sg");
            const Result<Entry>* next = reader.next();
            REQUIRE(next != nullptr);
            CHECK(next->has_value());
        };
        drop_one();
        const std::uint64_t held = held_files(fixture.directory(), false);
        for (int i = 0; i < 100; ++i) drop_one();
        CHECK(held_files(fixture.directory(), false) == held);
        CHECK(fixture->stat().pinned_bytes == 0);
        fixture.close();
        CHECK(held_files(fixture.directory(), true) == 0);
    });
}

TEST_CASE("R-21 a reader ends where the store stood when it was opened") {
    with_every_size([](StoreFixture& fixture) {
        segment_of(10)(*fixture);
        for (std::uint64_t last = 10; last < 14; ++last) {
            Reader reader = fixture->read_segment("sp", "sg");
            Reader whole_space = fixture->read_space("sp");
            Follower follower = fixture->follow_segment("sp", "sg");
            must_append(*fixture, "sp", "sg", last + 1, last + 1);
            must(fixture->drain());
            CHECK(sequences(entries(std::move(reader))) == numbers(1, last));
            CHECK(entries(std::move(whole_space)).back().sequence < last + 1);
            for (std::uint64_t sequence = 1; sequence <= last + 1; ++sequence) {
                const Result<Entry>* next = follower.next(std::chrono::seconds(30));
                REQUIRE(next != nullptr);
                REQUIRE(next->has_value());
                CHECK((*next)->sequence == sequence);
            }
            CHECK(follower.try_next() == nullptr);
        }
    });
}

TEST_CASE("R-21 a reader that stands in the middle goes on over a drain") {
    with_every_size([](StoreFixture& fixture) {
        segment_of(30)(*fixture);
        Reader reader = fixture->read_segment("sp", "sg");
        std::vector<std::uint64_t> read;
        const auto step = [&](std::uint64_t count) {
            for (std::uint64_t i = 0; i < count; ++i) {
                const Result<Entry>* next = reader.next();
                REQUIRE(next != nullptr);
                REQUIRE(next->has_value());
                read.push_back((*next)->sequence.value);
                CHECK((*next)->text() == test_data(read.back()));
            }
        };
        step(10);
        must(fixture->drain());
        step(10);
        must_append(*fixture, "sp", "sg", 31, 33);
        must(fixture->drain());
        step(10);
        CHECK(reader.next() == nullptr);
        CHECK(read == numbers(1, 30));
    });
}

TEST_CASE("R-22 backward from a sequence") {
    check_bounds(10, {.to = 10, .limit = 3, .backward = true}, {10, 9, 8});
    check_bounds(10, {.from = 3, .to = 6, .backward = true}, {6, 5, 4, 3});
}

TEST_CASE("R-23 damage in a record is told in its place") {
    with_every_size([](StoreFixture& fixture) {
        for (std::uint64_t i = 1; i <= 10; ++i) must_append(*fixture, "sp", "sg", i, i);
        must_append(*fixture, "sp", "whole", 1, 3);
        must(fixture->drain());
        fixture.close();
        REQUIRE(damage_stored(fixture.directory(), test_data(5)) == 1);
        fixture.open();
        for (int round = 0; round < 2; ++round) {
            const Delivery delivery = read_to_end(fixture->read_segment("sp", "sg"));
            CHECK(sequences(delivery.entries) == numbers(1, 4));
            REQUIRE(delivery.error);
            CHECK(delivery.error->code() == Errc::corrupt);
            CHECK(delivery.error->message().find("'sg'") != std::string::npos);
            CHECK(delivery.error->message().find("at offset ") != std::string::npos);
        }
        CHECK(sequences(entries(fixture->read_segment("sp", "whole"))) == numbers(1, 3));
    });
}

TEST_CASE("R-23 after an error a reader says the same again") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "sp", "sg", 1, 1);
        Reader reader = fixture->read_segment("sp", "sg", {.after = 100});
        for (int i = 0; i < 3; ++i) {
            const Result<Entry>* next = reader.next();
            REQUIRE(next != nullptr);
            CHECK(code(*next) == Errc::out_of_range);
        }
    });
}

TEST_CASE("R-24 the first and the last few") {
    check_bounds(10, {.limit = 2}, {1, 2});
    check_bounds(10, {.limit = 2, .backward = true}, {10, 9});
}

TEST_CASE("R-12 a cursor bounds a segment too") {
    in_every_state(segment_of(10), [](Store& store) {
        const std::vector<Seen> all = entries(store.read_segment("sp", "sg"));
        for (const Seen& entry : all) {
            CHECK(read_sequences(store, {.after = entry.position}) ==
                  numbers(entry.sequence + 1, 10));
        }
        CHECK(read_sequences(store, {.from = 3, .after = all[4].position, .limit = 2}) ==
              numbers(6, 7));
        CHECK(read_sequences(store, {.after = all[7].position, .backward = true}) ==
              std::vector<std::uint64_t>{10, 9});
    });
}

TEST_CASE("R-03 a reader goes to any sequence, and on from there") {
    in_every_state(segment_of(200), [&](Store& store) {
        Reader reader = store.read_segment("sp", "sg");
        Reader backward = store.read_segment("sp", "sg", {.backward = true});
        Reader bounded = store.read_segment("sp", "sg", {.from = 50, .to = 60, .limit = 2});
        for (std::uint64_t n = 0; n < 400; ++n) {
            const std::uint64_t wanted = n * 7919 % 203;
            const bool is_there = wanted >= 1 && wanted <= 200;
            for (Reader* one : {&reader, &backward}) {
                const auto* entry = one->seek(wanted);
                REQUIRE((entry != nullptr) == is_there);
                if (is_there) CHECK(must(*entry).text() == test_data(wanted));
            }
            const auto* next = reader.next();
            REQUIRE((next != nullptr) == (is_there && wanted < 200));
            if (next != nullptr) CHECK(must(*next).sequence == wanted + 1);
            next = backward.next();
            REQUIRE((next != nullptr) == (is_there && wanted > 1));
            if (next != nullptr) CHECK(must(*next).sequence == wanted - 1);
            CHECK((bounded.seek(wanted) != nullptr) == (wanted >= 50 && wanted <= 60));
            CHECK((bounded.next() != nullptr) == (wanted >= 50 && wanted < 60));
            CHECK(bounded.next() == nullptr);
        }
        Reader of_space = store.read_space("sp");
        const auto* refused = of_space.seek(1);
        REQUIRE(refused != nullptr);
        CHECK(code(*refused) == Errc::invalid_argument);
    });
}

TEST_CASE("R-01 kept and copied entries outlive reader and store") {
    for (const Sizes& sizes : all_sizes()) {
        INFO(sizes.name);
        StoreFixture fixture(sizes.options);
        segment_of(30)(*fixture);
        std::vector<KeptEntry> kept;
        for (int drained = 0; drained < 2; ++drained) {
            Reader reader = fixture->read_segment("sp", "sg");
            while (const Result<Entry>* next = reader.next()) {
                REQUIRE(next->has_value());
                kept.push_back((*next)->keep());
                kept.push_back((*next)->copy());
            }
            must(fixture->drain());
        }
        fixture.close();
        REQUIRE(kept.size() == 120);
        for (std::size_t i = 0; i < kept.size(); ++i) {
            CHECK(kept[i]->space == "sp");
            CHECK(kept[i]->segment == "sg");
            CHECK(kept[i]->sequence == i % 60 / 2 + 1);
            CHECK(kept[i]->text() == test_data(i % 60 / 2 + 1));
        }
    }
}

}  // namespace braid::test
