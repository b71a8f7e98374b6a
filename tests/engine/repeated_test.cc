// Transactions with an id of the caller's (C-09), and conditions on what was read.
#include <fmt/format.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "engine/transaction_ids.h"
#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

TransactionId id_of(std::uint64_t number) {
    TransactionId id{};
    std::memcpy(id.data(), &number, sizeof number);
    return id;
}

Transaction& fill(Transaction& transaction, std::uint64_t number) {
    return transaction.append("a", "x", fmt::format("{}", number))
        .append("b", "y", "second")
        .append("a", "x", "third")
        .set_id(id_of(number));
}

Result<Receipt> commit(Store& store, std::uint64_t number,
                       Durability durability = Durability::durable) {
    Transaction transaction = store.begin();
    return fill(transaction, number).commit(durability);
}

void check_same(const Receipt& repeated, const Receipt& first) {
    CHECK(repeated.repeated);
    CHECK_FALSE(first.repeated);
    CHECK(repeated.transaction == first.transaction);
    CHECK(repeated.first_position == first.first_position);
    CHECK(repeated.last_position == first.last_position);
    CHECK(repeated.timestamp == first.timestamp);
    REQUIRE(repeated.segments.size() == first.segments.size());
    for (std::size_t i = 0; i < first.segments.size(); ++i) {
        CHECK(repeated.segments[i].first == first.segments[i].first);
        CHECK(repeated.segments[i].last == first.segments[i].last);
    }
}

}  // namespace

TEST_CASE("C-09 a transaction's id given again returns the first receipt and adds nothing") {
    with_every_size([](StoreFixture& store) {
        std::vector<Receipt> first;
        for (std::uint64_t i = 0; i < 40; ++i) first.push_back(must(commit(*store, i)));
        const auto check = [&] {
            for (std::uint64_t i = 0; i < 40; ++i) check_same(must(commit(*store, i)), first[i]);
            CHECK(last_sequence(*store, "a", "x") == 80);
        };
        check();
        must(store->drain());
        check();
        store.reopen();
        check();
        CHECK(must(store->verify()).damages.empty());
    });
}

TEST_CASE("an id is known again after a kill, drained or not") {
    StoreFixture store;
    store.in_killed_process([](Store& one) {
        return commit(one, 1) && one.drain() && commit(one, 2) && commit(one, 3);
    });
    for (std::uint64_t i = 1; i <= 3; ++i) CHECK(must(commit(*store, i)).repeated);
    CHECK_FALSE(must(commit(*store, 4)).repeated);
    CHECK(last_sequence(*store, "a", "x") == 8);
}

TEST_CASE("an id with another content is a conflict, whatever else is demanded") {
    StoreFixture store;
    must(commit(*store, 1));
    const auto with = [&](auto&& build) {
        Transaction transaction = store->begin();
        build(transaction);
        return code(transaction.set_id(id_of(1)).commit());
    };
    CHECK(with([](Transaction& t) { t.append("a", "x", "1"); }) == Errc::conflict);
    CHECK(with([](Transaction& t) { fill(t, 1).append("a", "x", ""); }) == Errc::conflict);
    CHECK(with([](Transaction& t) { fill(t, 1).set_consumer("c", {}, 1); }) == Errc::conflict);
    CHECK(with([](Transaction& t) {
              t.append("a", "x", "1").append("b", "z", "second").append("a", "x", "third");
          }) == Errc::conflict);
    CHECK(last_sequence(*store, "a", "x") == 2);
}

TEST_CASE("an id is judged before conditions, and one that was refused is not remembered") {
    StoreFixture store;
    Transaction transaction = store->begin();
    fill(transaction, 1).require("a", "x", expect::exists());
    CHECK(code(transaction.commit()) == Errc::conflict);
    fill(transaction, 1).require("a", "x", expect::none());
    CHECK_FALSE(must(transaction.commit()).repeated);
    fill(transaction, 1).require("a", "x", expect::none());
    CHECK(must(transaction.commit()).repeated);
}

TEST_CASE("a transaction of moves alone is repeated as well") {
    StoreFixture store;
    must_append(*store, "in", "a", 1, 5);
    const auto move = [&] {
        return must(store->begin().set_consumer("c", "in", 3).set_id(id_of(9)).commit());
    };
    const Receipt first = move();
    must(store->set_consumer("c", "in", 5));
    check_same(move(), first);
    store.reopen();
    check_same(move(), first);
    CHECK(must(store->consumer("c"))->position("in") == 5);
}

TEST_CASE("only the last transactions are remembered") {
    Options options = default_options();
    options.transaction_ids_max = 10;
    StoreFixture store(options);
    for (std::uint64_t i = 0; i < 25; ++i) CHECK_FALSE(must(commit(*store, i)).repeated);
    for (std::uint64_t i = 15; i < 25; ++i) CHECK(must(commit(*store, i)).repeated);
    store.reopen();
    for (std::uint64_t i = 15; i < 25; ++i) CHECK(must(commit(*store, i)).repeated);
    CHECK_FALSE(must(commit(*store, 14)).repeated);
    CHECK_FALSE(must(commit(*store, 15)).repeated);
    CHECK(must(commit(*store, 14)).repeated);
}

TEST_CASE("a repeated transaction whose entries are trimmed still tells its numbers") {
    StoreFixture store;
    const Receipt first = must(commit(*store, 1));
    must(store->trim("a", "x", 2));
    const Receipt again = must(commit(*store, 1));
    CHECK(again.repeated);
    CHECK(again.transaction == first.transaction);
    CHECK(again.last_position == first.last_position);
    CHECK(again.segments.size() == 1);
}

TEST_CASE("a buffered commit repeated durably is durable when that returns") {
    Options options = default_options();
    options.flush_interval = std::chrono::hours(1);
    StoreFixture store(options);
    const Receipt first = must(commit(*store, 1, Durability::buffered));
    check_same(must(commit(*store, 1, Durability::buffered)), first);
    CHECK(store->stat().durable == 0);
    check_same(must(commit(*store, 1)), first);
    CHECK(store->stat().durable == 3);
}

TEST_CASE("concurrent commits of the same ids: each is done once, and all are told the same") {
    StoreFixture store;
    constexpr std::uint64_t count = sanitized ? 100 : 400;
    constexpr int threads = 4;
    std::vector<std::vector<Receipt>> told(threads);
    std::vector<std::thread> committers;
    for (int i = 0; i < threads; ++i)
        committers.emplace_back([&, i] {
            for (std::uint64_t number = 0; number < count; ++number)
                told[static_cast<std::size_t>(i)].push_back(must(commit(*store, number)));
        });
    for (std::thread& committer : committers) committer.join();
    CHECK(last_sequence(*store, "a", "x") == 2 * count);
    for (std::uint64_t number = 0; number < count; ++number) {
        int first = 0;
        for (const auto& receipts : told) {
            first += receipts[number].repeated ? 0 : 1;
            CHECK(receipts[number].transaction == told[0][number].transaction);
            CHECK(receipts[number].segments.size() == 2);
        }
        CHECK(first == 1);
    }
}

TEST_CASE("ids are found among many, and forgotten ones are not") {
    constexpr std::uint64_t remembered = 1000;
    TransactionIds ids(remembered);
    for (std::uint64_t i = 1; i <= 5 * remembered; ++i) {
        // Every tenth comes twice: the newer one counts.
        const std::uint64_t name = i % 10 == 0 ? i - 1 : i;
        ids.restore({id_of(name), name, i, i, 1});
        REQUIRE(ids.find(id_of(name)) != nullptr);
        REQUIRE(ids.find(id_of(name))->transaction == i);
        if (i <= remembered) continue;
        const std::uint64_t gone = i - remembered;
        if (gone % 10 != 9 && gone % 10 != 0) REQUIRE(ids.find(id_of(gone)) == nullptr);
    }
    CHECK(ids.size() == remembered);
    for (std::uint64_t i = 4 * remembered + 1; i <= 5 * remembered; ++i)
        if (i % 10 != 0) CHECK(ids.find(id_of(i)) != nullptr);
    std::vector<index::NotedTransaction> noted;
    TransactionNumber after = 4 * remembered + 500;
    while (ids.collect(after, 5 * remembered - 100, 7, noted)) {
    }
    REQUIRE(noted.size() == 400);
    for (std::uint64_t i = 0; i < 400; ++i) CHECK(noted[i].transaction == 4 * remembered + 501 + i);
}

TEST_CASE("X-05 a segment that was only looked at must be untouched since") {
    with_every_size([](StoreFixture& store) {
        must_append(*store, "a", "x", 1, 3);
        must_append(*store, "b", "y", 1, 3);
        const auto decide = [&](Position since) {
            return store->begin()
                .require("a", "x", expect::untouched(since))
                .require("a", "missing", expect::untouched(0))
                .append("b", "y", "z")
                .commit();
        };
        CHECK(code(decide(2)) == Errc::conflict);
        must(decide(3));
        must(store->drain());
        must(decide(7));
        store.reopen();
        must(decide(3));
        must_append(*store, "a", "x", 4, 4);
        const auto refused = decide(6);
        REQUIRE(code(refused) == Errc::conflict);
        const Error error = refused.error();
        REQUIRE(error.conflicts().size() == 1);
        CHECK(error.conflicts()[0].segment == "x");
        CHECK(error.conflicts()[0].required == "no entry beyond position 6");
        CHECK(error.conflicts()[0].actual == "its last entry has position 10");
        // Its own appends don't count.
        must(store->begin()
                 .append("a", "x", "1")
                 .append("a", "x", "2", expecting(expect::untouched(10)))
                 .commit());
    });
}

}  // namespace braid::test
