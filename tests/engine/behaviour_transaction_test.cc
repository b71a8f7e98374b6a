// Expectations and conflicts, and transactions over many segments.
#include "tests/engine/store_fixture.h"

namespace braid::test {

TEST_CASE("C-05 a wrong expected version is refused before any write") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "space0", "segment0", 1, 1);
        Transaction transaction = fixture->begin();
        transaction.require("space0", "segment0", expect::last(1));
        transaction.append("space0", "segment0", "x", expecting(expect::sequence(3)));
        CHECK(code(transaction.commit()) == Errc::conflict);
        transaction.require("space0", "segment0", expect::last(2));
        transaction.append("space0", "segment0", "x", expecting(expect::sequence(2)));
        CHECK(code(transaction.commit()) == Errc::conflict);
        CHECK(last_sequence(*fixture, "space0", "segment0") == 1);
        CHECK(fixture->stat().sequenced == 1);
    });
}

TEST_CASE("C-06 events that are not contiguous are refused before any write") {
    with_every_size([](StoreFixture& fixture) {
        Transaction transaction = fixture->begin();
        transaction.require("space0", "segment0", expect::last(0));
        transaction.append("space0", "segment0", "1", expecting(expect::sequence(1)));
        transaction.append("space0", "segment0", "3", expecting(expect::sequence(3)));
        check_conflict(transaction.commit(), "segment0", 3, 2);
        check_empty(*fixture);
    });
}

TEST_CASE("C-07 expecting any, none, existing") {
    with_every_size([](StoreFixture& fixture) {
        Store& store = *fixture;
        CHECK(code(store.append("s", "a", "x", expecting(expect::exists()))) == Errc::conflict);
        CHECK(store.append("s", "a", "x", expecting(expect::none())).has_value());
        for (int drained = 0; drained < 2; ++drained) {
            CHECK(store.append("s", "a", "x", expecting(expect::any())).has_value());
            const Result<Receipt> none = store.append("s", "a", "x", expecting(expect::none()));
            REQUIRE(code(none) == Errc::conflict);
            CHECK_FALSE(none.error().conflicts().front().required.empty());
            CHECK(store.append("s", "a", "x", expecting(expect::exists())).has_value());
            must(store.drain());
        }
        CHECK(last_sequence(store, "s", "a") == 5);
    });
}

TEST_CASE("C-07 an expectation is judged as its append finds the segment") {
    with_every_size([](StoreFixture& fixture) {
        Transaction transaction = fixture->begin();
        transaction.require("s", "a", expect::none());
        transaction.append("s", "a", "1", expecting(expect::none()));
        transaction.append("s", "a", "2", expecting(expect::exists()));
        transaction.append("s", "a", "3", expecting(expect::last(2)));
        CHECK(must(transaction.commit()).last_position == 3);
        transaction.append("s", "b", "1");
        transaction.append("s", "b", "2", expecting(expect::none()));
        CHECK(code(transaction.commit()) == Errc::conflict);
        transaction.append("s", "b", "1");
        transaction.require("s", "b", expect::exists());
        CHECK(code(transaction.commit()) == Errc::conflict);
    });
}

TEST_CASE("C-08 a conflict carries what was asked for and what is there") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "space0", "segment0", 1, 2);
        const Result<Receipt> result = append_sequences(*fixture, {2});
        check_conflict(result, "segment0", 2, 3);
        const Error error = result.error();
        CHECK(error.conflicts().front().space == "space0");
        CHECK_FALSE(error.conflicts().front().required.empty());
    });
}

TEST_CASE("X-01 a transaction over two segments is one") {
    in_every_state(
        [](Store& store) {
            Transaction transaction = store.begin();
            transaction.append("sp", "a", "a1").append("sp", "a", "a2").append("sp", "b", "b1");
            const Receipt receipt = must(transaction.commit());
            REQUIRE(receipt.segments.size() == 2);
            CHECK(receipt.segments[0].first == 1);
            CHECK(receipt.segments[0].last == 2);
            CHECK(receipt.segments[1].first == 1);
            CHECK(receipt.segments[1].last == 1);
        },
        [](Store& store) {
            const std::vector<Seen> read = entries(store.read_space("sp"));
            CHECK(payloads(read) == std::vector<std::string>{"a1", "a2", "b1"});
            CHECK(positions(read) == numbers(1, 3));
            for (const Seen& entry : read) CHECK(entry.transaction == read[0].transaction);
        });
}

TEST_CASE("X-02 one conflict refuses the whole transaction and is named") {
    with_every_size([](StoreFixture& fixture) {
        Transaction transaction = fixture->begin();
        transaction.append("sp", "a", "a1", expecting(expect::sequence(1)));
        transaction.append("sp", "b", "b2", expecting(expect::sequence(2)));
        const Result<Receipt> result = transaction.commit();
        check_conflict(result, "b", 2, 1);
        CHECK(result.error().conflicts().size() == 1);
        check_empty(*fixture);
    });
}

TEST_CASE("X-02 every expectation that is not met is named") {
    with_every_size([](StoreFixture& fixture) {
        Transaction transaction = fixture->begin();
        transaction.append("sp", "a", "a", expecting(expect::sequence(2)));
        transaction.append("sp", "b", "b", expecting(expect::sequence(1)));
        transaction.append("sp", "c", "c", expecting(expect::exists()));
        const Result<Receipt> result = transaction.commit();
        REQUIRE(code(result) == Errc::conflict);
        const Error error = result.error();
        REQUIRE(error.conflicts().size() == 2);
        CHECK(error.conflicts()[0].segment == "a");
        CHECK(error.conflicts()[1].segment == "c");
    });
}

TEST_CASE("X-03 a transaction over two spaces is one, and in each space once") {
    in_every_state(
        [](Store& store) {
            Transaction transaction = store.begin();
            transaction.append("sp1", "a", "a1").append("sp2", "b", "b1").append("sp1", "a", "a2");
            must(transaction.commit());
        },
        [](Store& store) {
            CHECK(payloads(entries(store.read_space("sp1"))) ==
                  std::vector<std::string>{"a1", "a2"});
            CHECK(payloads(entries(store.read_space("sp2"))) == std::vector<std::string>{"b1"});
            const std::vector<Seen> all = entries(store.read_all());
            CHECK(payloads(all) == std::vector<std::string>{"a1", "b1", "a2"});
            for (const Seen& entry : all) CHECK(entry.transaction == all[0].transaction);
        });
}

TEST_CASE("X-04 the interleaving within a transaction is kept") {
    in_every_state(
        [](Store& store) {
            Transaction transaction = store.begin();
            for (std::uint64_t i = 0; i < 200; ++i) {
                transaction.append("sp", i % 2 == 0 ? "a" : "b", test_data(i));
            }
            must(transaction.commit());
        },
        [](Store& store) {
            const std::vector<Seen> read = entries(store.read_space("sp"));
            REQUIRE(read.size() == 200);
            for (std::uint64_t i = 0; i < 200; ++i) {
                CHECK(read[i].payload == test_data(i));
                CHECK(read[i].segment == (i % 2 == 0 ? "a" : "b"));
                CHECK(read[i].sequence == i / 2 + 1);
            }
        });
}

TEST_CASE("X-06 an empty transaction succeeds and can be used again") {
    with_every_size([](StoreFixture& fixture) {
        Transaction transaction = fixture->begin();
        CHECK(must(transaction.commit()).transaction == 0);
        CHECK(must(transaction.commit(Durability::buffered)).transaction == 0);
        transaction.append("sp", "a", "x");
        CHECK(must(transaction.commit()).first_position == 1);
        CHECK(must(transaction.commit()).transaction == 0);
        CHECK(entries(fixture->read_all()).size() == 1);
    });
}

TEST_CASE("X-07 a cleared transaction writes nothing and forgets its error") {
    with_every_size([](StoreFixture& fixture) {
        Transaction transaction = fixture->begin();
        transaction.append("sp", "a", "never").append("", "a", "wrong");
        transaction.clear();
        CHECK(must(transaction.commit()).transaction == 0);
        check_empty(*fixture);
        transaction.append("sp", "a", "first");
        CHECK(must(transaction.commit()).segments[0].first == 1);
    });
}

TEST_CASE("X-11 a transaction above a limit is refused before any write") {
    with_every_size([](StoreFixture& fixture) {
        const Options& options = fixture.options();
        const std::string record(options.record_bytes_max, 'x');
        Transaction large = fixture->begin();
        for (std::uint64_t bytes = 0; bytes <= options.transaction_bytes_max;
             bytes += record.size()) {
            large.append("sp", "a", record);
        }
        const Result<Receipt> refused = large.commit();
        REQUIRE(code(refused) == Errc::too_large);
        CHECK_FALSE(refused.error().message().empty());
        Transaction wide = fixture->begin();
        for (std::uint32_t i = 0; i <= options.transaction_segments_max; ++i) {
            wide.append("sp", segment_name(i), "x");
        }
        CHECK(code(wide.commit()) == Errc::too_large);
        check_empty(*fixture);
        CHECK(must(fixture->append("sp", "a", "x")).first_position == 1);
    });
}

TEST_CASE("X-12 1,000 segments in one transaction, killed after the acknowledgement") {
    static constexpr std::uint64_t count = 1000;
    with_every_size([](StoreFixture& fixture) {
        fixture.in_killed_process([](Store& store) {
            Transaction transaction = store.begin();
            for (std::uint64_t i = 0; i < count; ++i) {
                transaction.append("sp", segment_name(i), test_data(i));
            }
            return transaction.commit().has_value();
        });
        const auto check = [&] {
            const std::vector<Seen> read = entries(fixture->read_space("sp"));
            REQUIRE(read.size() == count);
            CHECK(must(fixture->segments("sp")).size() == count);
            for (std::uint64_t i = 0; i < count; ++i) {
                CHECK(read[i].payload == test_data(i));
                CHECK(read[i].segment == segment_name(i));
                CHECK(read[i].transaction == read[0].transaction);
            }
        };
        check();
        must(fixture->drain());
        check();
        fixture.reopen();
        check();
    });
}

}  // namespace braid::test
