// Appending to one segment: sequences, refusals, what comes back.
#include <fmt/format.h>

#include <future>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

/// Checks that the store holds A(1..2) of space0/segment0 with their payloads and nothing else.
void check_only_first_two(Store& store) {
    CHECK(last_sequence(store, "space0", "segment0") == 2);
    const std::vector<std::string> expected{"test data 1", "test data 2"};
    CHECK(payloads(entries(store.read_segment("space0", "segment0"))) == expected);
    CHECK(payloads(entries(store.read_space("space0"))) == expected);
    CHECK(payloads(entries(store.read_all())) == expected);
    CHECK(must(store.spaces()) == std::vector<std::string>{"space0"});
    CHECK(must(store.segments("space0")) == std::vector<std::string>{"segment0"});
    CHECK(store.stat().sequenced == 2);
}

}  // namespace

TEST_CASE("P-01 a first batch gets sequences from 1") {
    with_every_size([](StoreFixture& fixture) {
        const Receipt receipt = must_append(*fixture, "space0", "segment0", 1, 5);
        REQUIRE(receipt.segments.size() == 1);
        CHECK(receipt.segments[0].first == 1);
        CHECK(receipt.segments[0].last == 5);
        CHECK(receipt.first_position == 1);
        CHECK(receipt.last_position == 5);
        CHECK(receipt.transaction.value > 0);
        CHECK(receipt.timestamp.value > 0);
    });
}

TEST_CASE("P-02 segments are independent") {
    with_every_size([](StoreFixture& fixture) {
        for (std::uint64_t segment = 0; segment < 3; ++segment) {
            const Receipt receipt = must_append(*fixture, "space0", segment_name(segment), 1, 5);
            REQUIRE(receipt.segments.size() == 1);
            CHECK(receipt.segments[0].first == 1);
            CHECK(receipt.segments[0].last == 5);
        }
        for (std::uint64_t segment = 0; segment < 3; ++segment) {
            CHECK(sequences(entries(fixture->read_segment("space0", segment_name(segment)))) ==
                  numbers(1, 5));
        }
    });
}

TEST_CASE("P-03 a segment is continued") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "space0", "segment0", 1, 2);
        const Receipt receipt = must_append(*fixture, "space0", "segment0", 3, 3);
        CHECK(receipt.segments[0].first == 3);
        CHECK(receipt.segments[0].last == 3);
        const SegmentStatus status = must(fixture->status("space0", "segment0"));
        CHECK(status.first_sequence == 1);
        CHECK(status.last_sequence == 3);
    });
}

TEST_CASE("P-04 a gap at the head is refused") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "space0", "segment0", 1, 2);
        check_conflict(append_sequences(*fixture, {4}), "segment0", 4, 3);
        check_only_first_two(*fixture);
        fixture.reopen();
        check_only_first_two(*fixture);
    });
}

TEST_CASE("P-05 a segment must start at 1") {
    with_every_size([](StoreFixture& fixture) {
        check_conflict(append_sequences(*fixture, {2}), "segment0", 2, 1);
        check_empty(*fixture);
        CHECK(must(fixture->segments("space0")).empty());
    });
}

TEST_CASE("P-06 sequence 0 is never met") {
    with_every_size([](StoreFixture& fixture) {
        CHECK(code(append_sequences(*fixture, {0})) == Errc::conflict);
        check_empty(*fixture);
        must_append(*fixture, "space0", "segment0", 1, 2);
        CHECK(code(append_sequences(*fixture, {0})) == Errc::conflict);
        check_only_first_two(*fixture);
    });
}

TEST_CASE("P-07 a rewrite is refused") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "space0", "segment0", 1, 2);
        check_conflict(append_sequences(*fixture, {2}), "segment0", 2, 3);
        check_only_first_two(*fixture);
        must(fixture->drain());
        check_conflict(append_sequences(*fixture, {2}), "segment0", 2, 3);
        check_only_first_two(*fixture);
    });
}

TEST_CASE("P-08 a gap inside a batch is refused as a whole") {
    with_every_size([](StoreFixture& fixture) {
        check_conflict(append_sequences(*fixture, {1, 3}), "segment0", 3, 2);
        check_empty(*fixture);
    });
}

TEST_CASE("P-09 a duplicate inside a batch is refused as a whole") {
    with_every_size([](StoreFixture& fixture) {
        check_conflict(append_sequences(*fixture, {1, 1}), "segment0", 1, 2);
        check_empty(*fixture);
    });
}

TEST_CASE("P-10 an empty batch succeeds and leaves nothing") {
    with_every_size([](StoreFixture& fixture) {
        const Receipt receipt = must(fixture->begin().commit());
        CHECK(receipt.transaction == 0);
        CHECK(receipt.segments.empty());
        check_empty(*fixture);
    });
}

TEST_CASE("P-11 missing names are refused") {
    with_every_size([](StoreFixture& fixture) {
        CHECK(code(fixture->append("", "segment0", "x")) == Errc::invalid_argument);
        CHECK(code(fixture->append("space0", "", "x")) == Errc::invalid_argument);
        check_empty(*fixture);
    });
}

TEST_CASE("P-12 large records come back byte-equal") {
    const auto payload = [](std::uint64_t number) {
        std::string bytes(8192, '\0');
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] = static_cast<char>((number * 131 + i * 7 + i / 256) & 0xff);
        }
        return bytes;
    };
    in_every_state(
        [&](Store& store) {
            Transaction transaction = store.begin();
            for (std::uint64_t i = 1; i <= 50; ++i) {
                transaction.append("space0", "segment0", payload(i));
            }
            must(transaction.commit());
        },
        [&](Store& store) {
            const std::vector<Seen> read = entries(store.read_segment("space0", "segment0"));
            REQUIRE(read.size() == 50);
            for (std::uint64_t i = 1; i <= 50; ++i) CHECK(read[i - 1].payload == payload(i));
        });
}

TEST_CASE("P-13 a record of the largest size is taken, a larger one refused") {
    with_every_size([](StoreFixture& fixture) {
        const std::string largest(fixture.options().record_bytes_max, 'x');
        must(fixture->append("space0", "segment0", largest));
        const Result<Receipt> refused = fixture->append("space0", "segment0", largest + "x");
        CHECK(code(refused) == Errc::too_large);
        must(fixture->append("space0", "segment0", "small"));
        fixture.reopen();
        const std::vector<Seen> read = entries(fixture->read_segment("space0", "segment0"));
        REQUIRE(read.size() == 2);
        CHECK(bool(read[0].payload == largest));
        CHECK(read[1].payload == "small");
    });
}

TEST_CASE("P-14 25,000 records in one transaction are atomic") {
    static constexpr std::uint64_t count = 25000;
    with_every_size([](StoreFixture& fixture) {
        const Receipt receipt = must_append(*fixture, "space0", "segment0", 1, count);
        const auto check = [&] {
            const std::vector<Seen> read = entries(fixture->read_segment("space0", "segment0"));
            REQUIRE(read.size() == count);
            CHECK(sequences(read) == numbers(1, count));
            for (const Seen& entry : read) {
                if (entry.transaction != receipt.transaction.value) FAIL("two transactions");
            }
            CHECK(read.back().payload == test_data(count));
        };
        check();
        fixture.reopen();
        check();
    });
}

TEST_CASE("P-14 25,000 records acknowledged in a killed process are all there") {
    static constexpr std::uint64_t count = 25000;
    with_every_size([](StoreFixture& fixture) {
        fixture.in_killed_process([](Store& store) {
            return append_range(store, "space0", "segment0", 1, count).has_value();
        });
        CHECK(sequences(entries(fixture->read_segment("space0", "segment0"))) == numbers(1, count));
    });
}

TEST_CASE("P-17 a dropped transaction commits nothing") {
    with_every_size([](StoreFixture& fixture) {
        {
            Transaction transaction = fixture->begin();
            for (int i = 0; i < 5; ++i) transaction.append("space0", "segment0", "never");
        }
        check_empty(*fixture);
        fixture.reopen();
        check_empty(*fixture);
    });
}

TEST_CASE("P-18 payload and metadata come back") {
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    const Pairs expected{{"origin", "publish"}, {"type", "edge"}};
    in_every_state(
        [](Store& store) {
            must(store.append("space0", "segment0", "payload",
                              with_metadata({{"origin", "publish"}, {"type", "edge"}})));
        },
        [&](Store& store) {
            const std::vector<Seen> read = entries(store.read_segment("space0", "segment0"));
            REQUIRE(read.size() == 1);
            CHECK(read[0].payload == "payload");
            CHECK(bool(read[0].metadata == expected));
            CHECK(read[0].sequence == 1);
            const auto peeked = must(store.peek("space0", "segment0"));
            REQUIRE(peeked);
            CHECK((*peeked)->sequence == 1);
            CHECK(bool(seen(**peeked) == read[0]));
        });
}

TEST_CASE("P-19 a payload may be empty") {
    in_every_state([](Store& store) { must(store.append("space0", "segment0", "")); },
                   [](Store& store) {
                       const std::vector<Seen> read =
                           entries(store.read_segment("space0", "segment0"));
                       REQUIRE(read.size() == 1);
                       CHECK(read[0].payload.empty());
                       CHECK(read[0].sequence == 1);
                   });
}

TEST_CASE("P-20 payloads and metadata are any bytes, in order, keys repeat") {
    std::string payload;
    for (int byte = 0; byte < 256; ++byte) payload.push_back(static_cast<char>(byte));
    const std::string long_value(64 << 10, 'v');
    const std::string nul_key("k\0y", 3);
    const std::string nul_value("\0\0", 2);
    const std::vector<std::pair<std::string, std::string>> expected{
        {"twice", "1"}, {nul_key, nul_value}, {"gr\xc3\xbc\xc3\x9f", "\xff"}, {"long", long_value},
        {"", ""},       {"twice", "2"}};
    in_every_state(
        [&](Store& store) {
            std::vector<KeyValue> pairs;
            for (const auto& [key, value] : expected) pairs.push_back({key, value});
            must(store.append("space0", "segment0", payload, with_metadata(pairs)));
        },
        [&](Store& store) {
            const std::vector<Seen> read = entries(store.read_segment("space0", "segment0"));
            REQUIRE(read.size() == 1);
            CHECK(bool(read[0].payload == payload));
            CHECK(bool(read[0].metadata == expected));
        });
}

TEST_CASE("P-21 without metadata there is none") {
    in_every_state([](Store& store) { must(store.append("space0", "segment0", "x")); },
                   [](Store& store) {
                       const std::vector<Seen> read =
                           entries(store.read_segment("space0", "segment0"));
                       REQUIRE(read.size() == 1);
                       CHECK(read[0].metadata.empty());
                   });
}

TEST_CASE("P-22 a commit has one transaction number, a later one a larger") {
    in_every_state(
        [](Store& store) {
            must_append(store, "space0", "segment0", 1, 3);
            must_append(store, "space0", "segment0", 4, 6);
        },
        [](Store& store) {
            const std::vector<Seen> read = entries(store.read_segment("space0", "segment0"));
            REQUIRE(read.size() == 6);
            CHECK(read[0].transaction == read[1].transaction);
            CHECK(read[0].transaction == read[2].transaction);
            CHECK(read[3].transaction > read[2].transaction);
            CHECK(read[3].transaction == read[4].transaction);
            CHECK(read[3].transaction == read[5].transaction);
        });
}

TEST_CASE("P-23 transaction numbers grow") {
    with_every_size([](StoreFixture& fixture) {
        std::uint64_t previous = 0;
        for (std::uint64_t first = 1; first <= 5; first += 2) {
            const Receipt receipt = must_append(*fixture, "space0", "segment0", first, first + 1);
            CHECK(receipt.transaction.value > previous);
            previous = receipt.transaction.value;
            SegmentBounds bounds;
            bounds.from = first;
            for (const Seen& entry : entries(fixture->read_segment("space0", "segment0", bounds))) {
                CHECK(entry.transaction == receipt.transaction.value);
            }
        }
    });
}

TEST_CASE("P-24 a failed commit burns no number") {
    with_every_size([](StoreFixture& fixture) {
        const Receipt before = must_append(*fixture, "space0", "segment0", 1, 2);
        CHECK(code(append_sequences(*fixture, {7})) == Errc::conflict);
        CHECK(code(fixture->append("", "x", "x")) == Errc::invalid_argument);
        const Receipt after = must_append(*fixture, "space0", "segment0", 3, 3);
        CHECK(after.transaction == before.transaction + 1);
        CHECK(after.first_position == before.last_position + 1);
        CHECK(after.segments[0].first == 3);
    });
}

TEST_CASE("P-25 the entries of a commit share a timestamp") {
    in_every_state([](Store& store) { must_append(store, "space0", "segment0", 1, 100); },
                   [](Store& store) {
                       const std::vector<Seen> read =
                           entries(store.read_segment("space0", "segment0"));
                       REQUIRE(read.size() == 100);
                       CHECK(read[0].timestamp != 0);
                       for (const Seen& entry : read) CHECK(entry.timestamp == read[0].timestamp);
                       const SegmentStatus status = must(store.status("space0", "segment0"));
                       CHECK(status.first_timestamp == read[0].timestamp);
                       CHECK(status.last_timestamp == read[0].timestamp);
                   });
}

TEST_CASE("P-26 timestamps never decrease along the space") {
    in_every_state(
        [](Store& store) {
            for (std::uint64_t i = 0; i < 1000; ++i) {
                must(store.append("space0", segment_name(i % 3), test_data(i), {},
                                  Durability::buffered));
            }
            must(store.sync());
        },
        [](Store& store) {
            const std::vector<Seen> read = entries(store.read_space("space0"));
            REQUIRE(read.size() == 1000);
            for (std::size_t i = 1; i < read.size(); ++i) {
                if (read[i].timestamp < read[i - 1].timestamp) FAIL("a timestamp went back");
            }
        });
}

TEST_CASE("P-27 an append without expectation starts at 1") {
    with_every_size([](StoreFixture& fixture) {
        const Receipt receipt = must(fixture->append("space0", "segment0", "x"));
        REQUIRE(receipt.segments.size() == 1);
        CHECK(receipt.segments[0].first == 1);
        CHECK(receipt.segments[0].last == 1);
    });
}

TEST_CASE("P-30 an open transaction hinders nobody") {
    with_every_size([](StoreFixture& fixture) {
        Transaction open = fixture->begin();
        open.append("space0", "segment1", "waits");
        auto other = std::async(std::launch::async,
                                [&] { return fixture->append("space0", "segment2", "passes"); });
        REQUIRE(other.wait_for(std::chrono::seconds(30)) == std::future_status::ready);
        CHECK(other.get().has_value());
        CHECK(must(open.commit()).first_position == 2);
    });
}

}  // namespace braid::test
