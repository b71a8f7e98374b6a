// Consumers: section O of the behaviour cases, and what follows from their being durable.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

std::optional<Consumer> consumer_of(Store& store, std::string_view name) {
    return must(store.consumer(name));
}

Position position_of(Store& store, std::string_view name, const Source& source) {
    const auto consumer = consumer_of(store, name);
    return consumer ? consumer->position(source) : Position(0);
}

std::uint64_t lag(Store& store, const Source& source, Position cursor) {
    return must(store.lag(source, cursor));
}

/// How many entries a reader gives from there.
std::uint64_t readable(Store& store, const Source& source, Position cursor) {
    if (!source.segment.empty()) {
        SegmentBounds bounds;
        bounds.after = cursor;
        bounds.on_trimmed = OnTrimmed::skip;
        return entries(store.read_segment(source.space, source.segment, bounds)).size();
    }
    Bounds bounds;
    bounds.after = cursor;
    bounds.on_trimmed = OnTrimmed::skip;
    return entries(source.space.empty() ? store.read_all(bounds)
                                        : store.read_space(source.space, bounds))
        .size();
}

}  // namespace

TEST_CASE("O-01 an unknown consumer is none") {
    StoreFixture store;
    CHECK_FALSE(consumer_of(*store, "nobody"));
    CHECK(must(store->consumers()).empty());
    CHECK(code(store->delete_consumer("nobody")) == Errc::not_found);
}

TEST_CASE("O-02 a cursor is set and found again, in memory, drained and after a reopening") {
    with_every_size([](StoreFixture& store) {
        must_append(*store, "orders", "eu", 1, 10);
        must(store->set_consumer("billing", "orders", 4));
        must(store->set_consumer("billing", {"orders", "eu"}, 5));
        must(store->set_consumer("billing", {}, 6));
        const auto check = [&] {
            const auto billing = consumer_of(*store, "billing");
            REQUIRE(billing);
            CHECK(billing->name == "billing");
            CHECK(billing->epoch == 0);
            CHECK(billing->cursors ==
                  std::vector<ConsumerCursor>{{"", "", 6}, {"orders", "", 4}, {"orders", "eu", 5}});
        };
        check();
        must(store->drain());
        check();
        store.reopen();
        check();
        must(store->set_consumer("billing", "orders", 7));
        store.reopen();
        CHECK(position_of(*store, "billing", "orders") == 7);
        CHECK(position_of(*store, "billing", {}) == 6);
        CHECK(must(store->verify()).damages.empty());
    });
}

TEST_CASE("consumers acknowledged before a kill are found after it, drained or not") {
    StoreFixture store;
    store.in_killed_process([](Store& one) {
        return append_range(one, "orders", "eu", 1, 5) &&
               one.set_consumer("drained", "orders", 2) &&
               one.set_consumer("deleted", "orders", 2) && one.drain() &&
               one.delete_consumer("deleted") && one.set_consumer("drained", "orders", 3) &&
               one.set_consumer("fresh", {}, 4) && one.take_consumer("fresh");
    });
    CHECK(position_of(*store, "drained", "orders") == 3);
    CHECK(position_of(*store, "fresh", {}) == 4);
    CHECK(consumer_of(*store, "fresh")->epoch != 0);
    CHECK_FALSE(consumer_of(*store, "deleted"));
    CHECK(must(store->consumers()) == std::vector<std::string>{"drained", "fresh"});
}

TEST_CASE("O-03 compare and set") {
    StoreFixture store;
    must_append(*store, "orders", "eu", 1, 10);
    must(store->set_consumer("billing", "orders", 3, {.expect = 0}));
    must(store->set_consumer("billing", "orders", 4, {.expect = 3}));
    const auto refused = store->set_consumer("billing", "orders", 5, {.expect = 3});
    REQUIRE(code(refused) == Errc::conflict);
    const Error error = refused.error();
    REQUIRE(error.conflicts().size() == 1);
    CHECK(error.conflicts()[0].consumer == "billing");
    CHECK(error.conflicts()[0].space == "orders");
    CHECK(error.conflicts()[0].required == "position 3");
    CHECK(error.conflicts()[0].actual == "it stands at position 4");
    CHECK(position_of(*store, "billing", "orders") == 4);
}

TEST_CASE("O-04 a cursor goes back only when asked to") {
    StoreFixture store;
    must_append(*store, "orders", "eu", 1, 10);
    must(store->set_consumer("billing", "orders", 8));
    CHECK(code(store->set_consumer("billing", "orders", 7)) == Errc::conflict);
    must(store->set_consumer("billing", "orders", 8));
    must(store->set_consumer("billing", "orders", 2, {.backward = true}));
    CHECK(position_of(*store, "billing", "orders") == 2);
}

TEST_CASE("O-05 a cursor beyond what is durable is out of range") {
    Options options = default_options();
    options.flush_interval = std::chrono::hours(1);
    StoreFixture store(options);
    must_append(*store, "orders", "eu", 1, 3);
    CHECK(code(store->set_consumer("billing", "orders", 4)) == Errc::out_of_range);
    must_append(*store, "orders", "eu", 4, 4, Durability::buffered);
    CHECK(code(store->begin().set_consumer("billing", "orders", 4).commit(Durability::buffered)) ==
          Errc::out_of_range);
    must(store->sync());
    must(store->set_consumer("billing", "orders", 4));
}

TEST_CASE("O-06 consumers are listed in byte order, in pages") {
    StoreFixture store;
    std::vector<std::string> names{"a", "A", "a0", "\xff", "b", std::string("a\0", 2)};
    for (const std::string& name : names) must(store->set_consumer(name, {}, 0));
    std::sort(names.begin(), names.end());
    CHECK(must(store->consumers()) == names);
    CHECK(must(store->consumers(page("A", 2))) == std::vector<std::string>{names[1], names[2]});
    CHECK(must(store->consumers(page("\xff", 0))).empty());
    CHECK(code(store->set_consumer("", {}, 0)) == Errc::invalid_argument);
    CHECK(code(store->set_consumer(std::string(256, 'x'), {}, 0)) == Errc::invalid_argument);
    CHECK(code(store->set_consumer("a", {"", "segment"}, 0)) == Errc::invalid_argument);
}

TEST_CASE("O-07 a deleted consumer is gone, and one of that name begins anew") {
    with_every_size([](StoreFixture& store) {
        must_append(*store, "orders", "eu", 1, 10);
        must(store->set_consumer("billing", "orders", 8));
        must(store->set_consumer("billing", "stock", 9));
        must(store->drain());
        must(store->delete_consumer("billing"));
        CHECK_FALSE(consumer_of(*store, "billing"));
        must(store->drain());
        CHECK_FALSE(consumer_of(*store, "billing"));
        must(store->set_consumer("billing", "orders", 1));
        store.reopen();
        const auto billing = consumer_of(*store, "billing");
        REQUIRE(billing);
        CHECK(billing->cursors == std::vector<ConsumerCursor>{{"orders", "", 1}});
        must(store->delete_consumer("billing"));
        store.reopen();
        CHECK_FALSE(consumer_of(*store, "billing"));
    });
}

TEST_CASE("a transaction used again moves the consumer that is there by then") {
    StoreFixture store;
    must_append(*store, "orders", "eu", 1, 10);
    Transaction transaction = store->begin();
    const auto move = [&](std::string_view consumer, const Source& source, Position position) {
        transaction.set_consumer(consumer, source, position);
        must(transaction.commit());
    };
    move("billing", "orders", 4);
    move("billing", "orders", 5);
    move("billing", {"orders", "eu"}, 6);
    move("shipping", {"orders", "eu"}, 7);
    move("billing", {"orders", "eu"}, 8);
    CHECK(position_of(*store, "billing", "orders") == 5);
    CHECK(position_of(*store, "billing", {"orders", "eu"}) == 8);
    CHECK(position_of(*store, "shipping", {"orders", "eu"}) == 7);
    must(store->drain());
    must(store->delete_consumer("billing"));
    must(store->drain());  // nothing of it is left
    for (int i = 0; i < 100; ++i)
        must(store->set_consumer(fmt::format("other {}", i), "orders", 1));
    move("billing", {"orders", "eu"}, 2);
    CHECK(position_of(*store, "billing", {"orders", "eu"}) == 2);
    CHECK(position_of(*store, "billing", "orders") == 0);
    store.reopen();
    CHECK(position_of(*store, "billing", {"orders", "eu"}) == 2);
    CHECK(position_of(*store, "other 99", "orders") == 1);
}

TEST_CASE("O-08 the lag of a cursor in a segment, a space and the store is exact") {
    in_every_state(
        [](Store& store) {
            for (std::uint64_t i = 1; i <= 60; ++i) {
                must_append(store, "a", i % 3 == 0 ? "x" : "y", i % 3 == 0 ? i / 3 : i - i / 3,
                            i % 3 == 0 ? i / 3 : i - i / 3);
                if (i % 5 == 0) must_append(store, "b", "x", i - 4, i);
                if (i == 30) must(store.drain());
            }
        },
        [](Store& store) {
            const Source sources[] = {{},         "a",        "b",        "c",
                                      {"a", "x"}, {"a", "y"}, {"b", "x"}, {"a", "z"}};
            for (const Source& source : sources) {
                for (std::uint64_t cursor = 0; cursor <= 120; ++cursor) {
                    CAPTURE(cursor);
                    CAPTURE(std::string(source.space));
                    CAPTURE(std::string(source.segment));
                    REQUIRE(lag(store, source, cursor) == readable(store, source, cursor));
                }
                CHECK(code(store.lag(source, 121)) == Errc::out_of_range);
            }
        });
}

TEST_CASE("the lag counts only what is still there") {
    with_every_size([](StoreFixture& store) {
        must_append(*store, "a", "x", 1, 10);
        must_append(*store, "a", "y", 1, 10);
        must_append(*store, "b", "x", 1, 10);
        must(store->trim("a", "x", 7));
        must_append(*store, "a", "x", 11, 12);
        for (const Source& source : {Source(), Source("a"), Source("b"), Source("a", "x")})
            for (std::uint64_t cursor = 0; cursor <= 32; ++cursor)
                REQUIRE(lag(*store, source, cursor) == readable(*store, source, cursor));
    });
}

TEST_CASE("O-09 an owner who was replaced is refused") {
    StoreFixture store;
    must_append(*store, "orders", "eu", 1, 10);
    const Epoch first = must(store->take_consumer("billing"));
    must(store->set_consumer("billing", "orders", 1, {.epoch = first}));
    const Epoch second = must(store->take_consumer("billing"));
    CHECK(second > first);
    const auto refused = store->set_consumer("billing", "orders", 2, {.epoch = first});
    REQUIRE(code(refused) == Errc::conflict);
    const Error error = refused.error();
    CHECK(error.conflicts()[0].required == fmt::format("epoch {}", first.value));
    CHECK(error.conflicts()[0].actual == fmt::format("it is owned by epoch {}", second.value));
    CHECK(code(store->set_consumer("billing", "orders", 2)) == Errc::conflict);
    CHECK(code(store->delete_consumer("billing", {.epoch = first})) == Errc::conflict);
    store.reopen();
    CHECK(consumer_of(*store, "billing")->epoch == second);
    CHECK(code(store->set_consumer("billing", "orders", 2, {.epoch = first})) == Errc::conflict);
    must(store->set_consumer("billing", "orders", 2, {.epoch = second}));
    must(store->set_consumer("billing", "orders", 3, {.any_epoch = true}));
    must(store->delete_consumer("billing", {.epoch = second}));
    const Epoch third = must(store->take_consumer("billing"));
    CHECK(third > second);
}

TEST_CASE("O-10 many consumers cost an opening little, and each drain only what has changed") {
    const std::uint64_t count = sanitized ? 2'000 : 20'000;
    StoreFixture store;
    must_append(*store, "orders", "eu", 1, 100);
    for (std::uint64_t i = 0; i < count;) {
        Transaction many = store->begin();
        for (std::uint64_t end = i + 1000; i < end; ++i)
            many.set_consumer(fmt::format("consumer-{:06}", i), "orders", i % 100);
        must(many.commit(Durability::buffered));
    }
    must(store->drain());
    const auto catalog_bytes = [&] {
        std::uint64_t bytes = 0;
        for (const VerifyReport::File& file : must(store->verify()).files)
            if (file.name.starts_with("catalog")) bytes += file.bytes;
        return bytes;
    };
    const std::uint64_t before = catalog_bytes();
    CHECK(before > 20 * count);
    must(store->set_consumer("consumer-000007", "orders", 50));
    must(store->drain());
    CHECK(catalog_bytes() - before < 300);
    store.reopen();
    CHECK(must(store->consumers()).size() == count);
    CHECK(position_of(*store, "consumer-000007", "orders") == 50);
    CHECK(position_of(*store, "consumer-001234", "orders") == 34);
}

TEST_CASE("O-11 a trim below the slowest consumer is refused, and names it") {
    with_every_size([](StoreFixture& store) {
        must_append(*store, "a", "x", 1, 10);
        must_append(*store, "a", "y", 1, 10);
        must_append(*store, "b", "x", 1, 10);
        must(store->set_consumer("ahead", "a", 9));
        must(store->set_consumer("slow", {"a", "x"}, 4));
        must(store->set_consumer("of another segment", {"a", "y"}, 0));
        must(store->set_consumer("of another space", "b", 0));
        must(store->trim("a", "x", 4));
        const auto refused = store->trim("a", "x", 5);
        REQUIRE(code(refused) == Errc::conflict);
        const Error error = refused.error();
        REQUIRE(error.conflicts().size() == 1);
        CHECK(error.conflicts()[0].consumer == "slow");
        CHECK(error.conflicts()[0].required == "position 5 or beyond");
        CHECK(error.conflicts()[0].actual == "it stands at position 4");
        CHECK(must(store->status("a", "x")).first_sequence == 5);
        must(store->set_consumer("slow", {"a", "x"}, 10));
        CHECK(code(store->trim("a", "x", 10)) == Errc::conflict);  // "ahead", in the whole space
        must(store->trim("a", "x", 9));
        must(store->set_consumer("of everything", {}, 8));
        store.reopen();
        CHECK(code(store->trim("a", "x", 10)) == Errc::conflict);
        must(store->trim("a", "x", 10, {.past_consumers = true}));
        must(store->delete_consumer("of everything"));
        CHECK(code(store->trim("b", "x", 1)) == Errc::conflict);
        must(store->delete_consumer("of another space"));
        must(store->trim("b", "x", 10));
    });
}

TEST_CASE("a catalog that has grown long is begun anew with all consumers and ids") {
    StoreFixture store;
    must_append(*store, "in", "a", 1, 100);
    const TransactionId id{1, 2, 3};
    must(store->begin().append("in", "b", "once").set_id(id).commit());
    const auto newest_catalog = [&] {
        std::string newest;
        for (const VerifyReport::File& file : must(store->verify()).files)
            if (file.name.starts_with("catalog")) newest = file.name;
        return newest;
    };
    must(store->take_consumer("untouched"));
    for (std::uint64_t round = 1; newest_catalog() == "catalog-000001"; ++round) {
        REQUIRE(round < 100);
        Transaction many = store->begin();
        for (std::uint64_t i = 0; i < 5'000; ++i)
            many.set_consumer(fmt::format("a consumer with a long name {}", i), "in", round);
        must(many.commit(Durability::buffered));
        must(store->drain());
    }
    store.reopen();
    CHECK(must(store->consumers()).size() == 5'001);
    CHECK(consumer_of(*store, "untouched")->epoch != 0);
    CHECK(position_of(*store, "a consumer with a long name 7", "in") != 0);
    CHECK(must(store->begin().append("in", "b", "once").set_id(id).commit()).repeated);
}

TEST_CASE("X-10 appends and a cursor in one transaction are both there or neither") {
    StoreFixture store;
    must_append(*store, "in", "a", 1, 50);
    Transaction both = store->begin();
    both.append("out", "b", "1").set_consumer("group", "in", 42);
    const Receipt receipt = must(both.commit());
    CHECK(receipt.first_position == 51);
    CHECK(position_of(*store, "group", "in") == 42);
    both.append("out", "b", "2").set_consumer("group", "in", 41);
    CHECK(code(both.commit()) == Errc::conflict);
    CHECK(last_sequence(*store, "out", "b") == 1);
    both.append("out", "b", "2", expecting(expect::sequence(1))).set_consumer("group", "in", 43);
    CHECK(code(both.commit()) == Errc::conflict);
    CHECK(position_of(*store, "group", "in") == 42);
}

TEST_CASE("a transaction without entries has a number and no position") {
    StoreFixture store;
    const Receipt first = must_append(*store, "a", "x", 1, 2);
    const Receipt moved = must(store->set_consumer("c", "a", 1));
    CHECK(moved.transaction == first.transaction + 1);
    CHECK(moved.first_position == 0);
    CHECK(moved.last_position == 0);
    CHECK(moved.timestamp == 0);
    CHECK(moved.segments.empty());
    const Receipt next = must_append(*store, "a", "x", 3, 3);
    CHECK(next.transaction == moved.transaction + 1);
    CHECK(next.first_position == 3);
}

TEST_CASE("a condition on a consumer's cursor") {
    StoreFixture store;
    must_append(*store, "in", "a", 1, 5);
    must(store->set_consumer("c", "in", 3));
    must(store->begin().require_consumer("c", "in", 3).append("out", "b", "1").commit());
    must(store->begin().require_consumer("d", "in", 0).append("out", "b", "2").commit());
    CHECK(code(store->begin().require_consumer("c", "in", 4).append("out", "b", "3").commit()) ==
          Errc::conflict);
    CHECK(last_sequence(*store, "out", "b") == 2);
}

TEST_CASE("moves alone fill log and memory, and drains make room again") {
    Options options = small_options();
    StoreFixture store(options);
    must_append(*store, "in", "a", 1, 5);
    for (std::uint64_t i = 0; i < 5'000; ++i)
        must(store->begin()
                 .set_consumer(fmt::format("c{}", i % 7), "in", i % 6, {.backward = true})
                 .commit(Durability::buffered));
    must(store->sync());
    CHECK(must(store->verify()).damages.empty());
    store.reopen();
    for (std::uint64_t i = 4'993; i < 5'000; ++i)
        CHECK(position_of(*store, fmt::format("c{}", i % 7), "in") == i % 6);
}

TEST_CASE("a store open read-only sees consumers as of its cut") {
    StoreFixture store;
    must_append(*store, "in", "a", 1, 5);
    must(store->set_consumer("c", "in", 2));
    Options options;
    options.read_only = true;
    auto viewer = must(Store::open(store.directory(), options));
    must(store->set_consumer("c", "in", 4));
    CHECK(position_of(viewer, "c", "in") == 2);
    CHECK(code(viewer.set_consumer("c", "in", 5)) == Errc::invalid_argument);
    must(viewer.refresh());
    CHECK(position_of(viewer, "c", "in") == 4);
}

TEST_CASE("concurrent owners of one consumer: each of its moves is of the newest epoch") {
    StoreFixture store;
    must_append(*store, "in", "a", 1, 200);
    std::atomic<std::uint64_t> moves{0};
    const auto own = [&] {
        for (int i = 0; i < 20; ++i) {
            const Epoch epoch = must(store->take_consumer("c"));
            for (;;) {
                const Position at = position_of(*store, "c", "in");
                if (at == 200) return;
                const auto moved =
                    store->set_consumer("c", "in", at + 1, {.epoch = epoch, .expect = at});
                if (!moved) {
                    CHECK(code(moved) == Errc::conflict);
                    break;
                }
                ++moves;
            }
        }
    };
    std::thread one(own);
    std::thread other(own);
    one.join();
    other.join();
    CHECK(position_of(*store, "c", "in") == moves.load());
}

}  // namespace braid::test
