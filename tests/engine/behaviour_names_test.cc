// Names and inventory; peek and status.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "engine/engine.h"
#include "tests/engine/store_fixture.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

using Names = std::vector<std::string>;

/// A(sp,order-1,1..3) and A(sp,order-10,1..7).
void fill_prefix_siblings(Store& store) {
    must_append(store, "sp", "order-1", 1, 3);
    must_append(store, "sp", "order-10", 1, 7);
}

/// A(space1,a,1) and A(space10,b,1).
void fill_prefix_spaces(Store& store) {
    must_append(store, "space1", "a", 1, 1);
    must_append(store, "space10", "b", 1, 1);
}

/// Names that a file system, a shell, a C string or a decoder of UTF-8 would trip over.
Names odd_names() {
    return {"a/b",
            "../../escape",
            "/etc/passwd",
            "a\\b",
            "a:b",
            "*",
            "?",
            "#",
            "%",
            "%00",
            " ",
            ".",
            "..",
            "line\nbreak",
            "\t",
            std::string(255, 'n'),
            "\xf0\x9f\xa6\x8a",
            "\xff\xfe",
            std::string("\0", 1),
            std::string("\0\0", 2),
            std::string("nul\0inside", 10),
            "LOCK",
            "pack-1"};
}

Names sorted(Names names) {
    std::sort(names.begin(), names.end(), [](const std::string& left, const std::string& right) {
        return std::lexicographical_compare(
            left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
                return static_cast<unsigned char>(a) < static_cast<unsigned char>(b);
            });
    });
    return names;
}

std::uint64_t peeked_sequence(Store& store, std::string_view space, std::string_view segment) {
    const auto peeked = must(store.peek(space, segment));
    return peeked ? (*peeked)->sequence.value : 0;
}

void check_missing(Store& store, std::string_view space, std::string_view segment) {
    const auto peeked = store.peek(space, segment);
    REQUIRE(peeked.has_value());
    CHECK_FALSE(peeked->has_value());
    const SegmentStatus status = must(store.status(space, segment));
    CHECK(status.first_sequence == 0);
    CHECK(status.last_sequence == 0);
    CHECK(status.first_timestamp == 0);
    CHECK(status.last_timestamp == 0);
    CHECK(status.last_position == 0);
    CHECK(must(store.spaces()).empty());
    CHECK(must(store.segments(space)).empty());
}

}  // namespace

TEST_CASE("K-01 peek is the last of 253") {
    in_every_state(fill_data_set, [](Store& store) {
        const auto peeked = must(store.peek("space0", "segment0"));
        REQUIRE(peeked);
        const Entry& entry = **peeked;
        CHECK(entry.sequence == 253);
        CHECK(entry.space == "space0");
        CHECK(entry.segment == "segment0");
        CHECK(entry.text() == test_data(253));
    });
}

TEST_CASE("K-02 a missing segment peeks as none, and asking makes nothing") {
    with_every_size([](StoreFixture& fixture) {
        for (const char* segment : {"missing1", "missing2", "missing3"}) {
            check_missing(*fixture, "space0", segment);
        }
        fixture.reopen();
        CHECK(must(fixture->spaces()).empty());
    });
}

TEST_CASE("K-03 a missing space peeks as none") {
    with_every_size([](StoreFixture& fixture) { check_missing(*fixture, "missing", "missing"); });
}

TEST_CASE("K-04 peek doesn't see a segment whose name begins alike") {
    in_every_state(fill_prefix_siblings, [](Store& store) {
        CHECK(peeked_sequence(store, "sp", "order-1") == 3);
        CHECK(peeked_sequence(store, "sp", "order-10") == 7);
        CHECK(peeked_sequence(store, "sp", "order-") == 0);
    });
}

TEST_CASE("K-05 a segment whose name begins another's is continued by its own sequence") {
    for (const bool drain_first : {false, true}) {
        with_every_size([&](StoreFixture& fixture) {
            fill_prefix_siblings(*fixture);
            if (drain_first) must(fixture->drain());
            CHECK(append_range(*fixture, "sp", "order-1", 4, 4).has_value());
            CHECK(peeked_sequence(*fixture, "sp", "order-1") == 4);
        });
    }
}

TEST_CASE("K-06 peek beside an open transaction") {
    with_every_size([](StoreFixture& fixture) {
        Transaction stalled = fixture->begin();
        stalled.append("sp", "segB", "open");
        for (std::uint64_t sequence = 1; sequence <= 20; ++sequence) {
            must_append(*fixture, "sp", "segA", sequence, sequence);
            CHECK(peeked_sequence(*fixture, "sp", "segA") == sequence);
            CHECK(peeked_sequence(*fixture, "sp", "segB") == 0);
        }
    });
}

// Nothing is there to be cancelled.
TEST_CASE("K-09 peek and status wait for no flush and no thread") {
    sim::SimDisk disk(1);
    Options options = default_options();
    options.flush_interval = std::chrono::hours(1);
    // Whoever waited for a thread of the engine would wait for ever.
    auto engine = must(Engine::open(disk.borrow(), options, Engine::Threads::none));
    TransactionBody body(engine->options());
    body.append("sp", "a", as_bytes("one"), {});
    must(engine->commit(body, Durability::buffered));
    const auto newest = must(engine->peek("sp", "a", Level::committed));
    REQUIRE(newest);
    CHECK((**newest).text() == "one");
    CHECK_FALSE(must(engine->peek("sp", "a", Level::durable)));
    CHECK(must(engine->status("sp", "a")).last_sequence == 1);
    must(engine->close());
}

TEST_CASE("K-08 status is kept over a reopening") {
    with_every_size([](StoreFixture& fixture) {
        const Receipt first = must_append(*fixture, "sp", "a", 1, 2);
        const Receipt second = must_append(*fixture, "sp", "a", 3, 3);
        for (int openings = 0; openings < 3; ++openings) {
            fixture.reopen();
            const SegmentStatus status = must(fixture->status("sp", "a"));
            CHECK(status.first_sequence == 1);
            CHECK(status.last_sequence == 3);
            CHECK(status.first_timestamp == first.timestamp);
            CHECK(status.last_timestamp == second.timestamp);
            CHECK(status.last_position == 3);
        }
    });
}

TEST_CASE("I-01 a fresh store lists nothing") {
    with_every_size([](StoreFixture& fixture) {
        CHECK(must(fixture->spaces()).empty());
        CHECK(must(fixture->segments("missing-space")).empty());
    });
}

TEST_CASE("I-02 five spaces in order") {
    in_every_state(fill_data_set, [](Store& store) {
        CHECK(must(store.spaces()) == Names{"space0", "space1", "space2", "space3", "space4"});
    });
}

TEST_CASE("I-03 five segments in order") {
    in_every_state(fill_data_set, [](Store& store) {
        CHECK(must(store.segments("space0")) ==
              Names{"segment0", "segment1", "segment2", "segment3", "segment4"});
    });
}

TEST_CASE("I-04 names are listed by unsigned bytes") {
    in_every_state(
        [](Store& store) {
            for (const char* name : {"b", "a", "a0", "A", "\xc3\xa9", "Z"}) {
                must_append(store, "sp", name, 1, 1);
                must_append(store, name, "sg", 1, 1);
            }
        },
        [](Store& store) {
            CHECK(must(store.segments("sp")) == Names{"A", "Z", "a", "a0", "b", "\xc3\xa9"});
            CHECK(must(store.spaces()) == Names{"A", "Z", "a", "a0", "b", "sp", "\xc3\xa9"});
        });
}

TEST_CASE("I-05 a space doesn't list the segments of one whose name begins alike") {
    in_every_state(fill_prefix_spaces, [](Store& store) {
        CHECK(must(store.segments("space1")) == Names{"a"});
        CHECK(must(store.segments("space10")) == Names{"b"});
        CHECK(must(store.segments("space")).empty());
    });
}

TEST_CASE("I-06 a name is listed once") {
    in_every_state(
        [](Store& store) {
            for (std::uint64_t i = 1; i <= 1000; ++i) {
                must_append(store, "sp", "a", i, i, Durability::buffered);
            }
            must(store.sync());
        },
        [](Store& store) {
            CHECK(must(store.spaces()) == Names{"sp"});
            CHECK(must(store.segments("sp")) == Names{"a"});
        });
}

TEST_CASE("I-07 a failed first batch makes no name") {
    with_every_size([](StoreFixture& fixture) {
        CHECK(code(append_range(*fixture, "sp", "a", 2, 2)) == Errc::conflict);
        CHECK(must(fixture->segments("sp")).empty());
        CHECK(must(fixture->spaces()).empty());
        must_append(*fixture, "sp", "a", 1, 1);
        CHECK(must(fixture->segments("sp")) == Names{"a"});
        CHECK(must(fixture->spaces()) == Names{"sp"});
    });
}

TEST_CASE("I-08 an acknowledged name survives a kill") {
    with_every_size([](StoreFixture& fixture) {
        fixture.in_killed_process(
            [](Store& store) { return append_range(store, "sp", "a", 1, 1).has_value(); });
        CHECK(must(fixture->spaces()) == Names{"sp"});
        CHECK(must(fixture->segments("sp")) == Names{"a"});
        CHECK(sequences(entries(fixture->read_segment("sp", "a"))) == numbers(1, 1));
    });
}

TEST_CASE("I-09 odd names work, and stay inside the store's directory") {
    namespace fs = std::filesystem;
    TemporaryDirectory parent;
    for (const Sizes& sizes : all_sizes()) {
        INFO(sizes.name);
        const fs::path directory = fs::path(parent.path()) / sizes.name / "store";
        fs::create_directories(directory.parent_path());
        const Names names = odd_names();
        std::optional<Store> store = must(Store::open(directory.string(), sizes.options));
        for (const std::string& name : names) {
            must(store->append(name, name, "own " + name));
            must(store->append("shared", name, "shared " + name));
        }
        for (int round = 0; round < 3; ++round) {
            CAPTURE(round);
            Names with_shared = names;
            with_shared.push_back("shared");
            CHECK(must(store->spaces()) == sorted(with_shared));
            CHECK(must(store->segments("shared")) == sorted(names));
            for (const std::string& name : names) {
                CHECK(must(store->segments(name)) == Names{name});
                CHECK(payloads(entries(store->read_segment(name, name))) == Names{"own " + name});
                CHECK(payloads(entries(store->read_space(name))) == Names{"own " + name});
                const auto peeked = must(store->peek("shared", name));
                REQUIRE(peeked);
                CHECK((*peeked)->text() == "shared " + name);
                CHECK((*peeked)->segment == name);
            }
            if (round == 0) must(store->drain());
            if (round == 1) {
                must(store->close());
                store = must(Store::open(directory.string(), sizes.options));
            }
        }
        CHECK(std::distance(fs::directory_iterator(directory.parent_path()), {}) == 1);
        for (const fs::directory_entry& file : fs::directory_iterator(directory)) {
            CHECK(file.is_regular_file());
        }
    }
}

TEST_CASE("I-10 names don't alias") {
    const std::vector<std::pair<std::string, std::string>> names{
        {"a:b", "c"}, {"a", "b:c"}, {std::string("a\0b", 3), "c"}, {"a", std::string("b\0c", 3)}};
    in_every_state(
        [&](Store& store) {
            for (std::size_t i = 0; i < names.size(); ++i) {
                must(store.append(names[i].first, names[i].second, test_data(i)));
            }
        },
        [&](Store& store) {
            for (std::size_t i = 0; i < names.size(); ++i) {
                const std::vector<Seen> read =
                    entries(store.read_segment(names[i].first, names[i].second));
                REQUIRE(read.size() == 1);
                CHECK(read[0].payload == test_data(i));
                CHECK(read[0].sequence == 1);
                CHECK(read[0].space == names[i].first);
                CHECK(read[0].segment == names[i].second);
            }
            CHECK(must(store.segments("a")) == Names{std::string("b\0c", 3), "b:c"});
        });
}

TEST_CASE("I-11 names that are too long are refused") {
    with_every_size([](StoreFixture& fixture) {
        const std::string longest(name_bytes_max, 'x');
        CHECK(fixture->append(longest, longest, "x").has_value());
        CHECK(code(fixture->append(longest + "x", "a", "x")) == Errc::invalid_argument);
        CHECK(code(fixture->append("a", longest + "x", "x")) == Errc::invalid_argument);
        CHECK(must(fixture->spaces()) == Names{longest});
        CHECK(fixture->stat().sequenced == 1);
    });
}

TEST_CASE("I-12 a segment named * is only itself") {
    in_every_state(
        [](Store& store) {
            must_append(store, "sp", "*", 1, 1);
            must_append(store, "sp", "x", 1, 1);
        },
        [](Store& store) {
            const std::vector<Seen> read = entries(store.read_segment("sp", "*"));
            REQUIRE(read.size() == 1);
            CHECK(read[0].segment == "*");
            Follower follower = store.follow_segment("sp", "*");
            const Result<Entry>* next = follower.next(std::chrono::seconds(30));
            REQUIRE(next != nullptr);
            REQUIRE(next->has_value());
            CHECK((*next)->segment == "*");
            CHECK(follower.try_next() == nullptr);
        });
}

TEST_CASE("I-04 listings come in pages") {
    in_every_state(fill_data_set, [](Store& store) {
        CHECK(must(store.spaces(page("", 2))) == Names{"space0", "space1"});
        CHECK(must(store.spaces(page("space1", 2))) == Names{"space2", "space3"});
        CHECK(must(store.spaces(page("space3", 2))) == Names{"space4"});
        CHECK(must(store.spaces(page("space4", 2))).empty());
        CHECK(must(store.segments("space2", page("segment1", 0))) ==
              Names{"segment2", "segment3", "segment4"});
        CHECK(must(store.segments("space2", page("segment1x", 1))) == Names{"segment2"});
        CHECK(must(store.segments("nope", page("a", 1))).empty());
    });
}

}  // namespace braid::test
