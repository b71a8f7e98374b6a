// Leases, on a simulated disk whose clock the test sets.
#include <fmt/format.h>

#include <thread>

#include "engine/engine.h"
#include "engine/transaction_body.h"
#include "tests/engine/store_fixture.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t second_ns = 1'000'000'000;

/// An engine without threads on a disk in memory.
class LeasedStore {
public:
    LeasedStore() { open(); }

    Engine& operator*() { return *engine_; }
    Engine* operator->() { return engine_.get(); }
    void pass(std::uint64_t count) { disk_->advance(count * second_ns); }
    void reopen() {
        must(engine_->close());
        open();
    }
    void crash() {
        disk_->cut_power();
        auto found = disk_->after_crash(1);
        engine_.reset();
        disk_ = std::move(found);
        open();
    }
    Result<void> release(std::string_view key, LeaseToken token) {
        TransactionBody body(engine_->options());
        body.release_lease(key, token);
        auto receipt = engine_->commit(body, Durability::durable);
        if (!receipt) return receipt.error();
        return {};
    }
    /// An append under the condition of a lease.
    Result<Receipt> append(std::string_view key, LeaseToken token) {
        TransactionBody body(engine_->options());
        body.append("sp", "sg", as_bytes("x"), {});
        body.require_lease(key, token);
        return engine_->commit(body, Durability::durable);
    }

private:
    void open() {
        engine_.reset();
        Options options = small_options();
        options.create = true;
        engine_ = must(Engine::open(disk_->borrow(), options, Engine::Threads::none));
    }

    std::unique_ptr<sim::SimDisk> disk_ = std::make_unique<sim::SimDisk>(1);
    std::shared_ptr<Engine> engine_;
};

}  // namespace

TEST_CASE("a lease has one holder until its time is over, and tokens rise with each grant") {
    LeasedStore store;
    const Lease first = must(store->acquire_lease("key", "ann", seconds(10)));
    CHECK(first.key == "key");
    CHECK(first.holder == "ann");
    CHECK(first.ttl == seconds(10));
    CHECK(first.left == seconds(10));
    const auto refused = store->acquire_lease("key", "bob", seconds(10));
    REQUIRE(code(refused) == Errc::conflict);
    const Error error = refused.error();
    REQUIRE(error.conflicts().size() == 1);
    CHECK(error.conflicts()[0].lease == "key");
    CHECK(error.conflicts()[0].required == "no other holder");
    CHECK(error.conflicts()[0].actual ==
          fmt::format("'ann' holds it with token {} for another 10000 ms", first.token.value));
    store.pass(9);
    CHECK(store->lease("key", Level::committed)->left == seconds(1));
    CHECK(code(store->acquire_lease("key", "bob", seconds(10))) == Errc::conflict);
    CHECK(must(store->acquire_lease("other", "bob", seconds(10))).token > first.token);
    store.pass(1);
    CHECK(store->lease("key", Level::committed)->left == seconds(0));
    const Lease second = must(store->acquire_lease("key", "bob", seconds(10)));
    CHECK(second.token > first.token);
    CHECK(store->lease("key", Level::durable)->holder == "bob");
}

TEST_CASE("the holder of a lease gets it again at once, with a new token") {
    LeasedStore store;
    const Lease first = must(store->acquire_lease("key", "ann", seconds(10)));
    const Lease second = must(store->acquire_lease("key", "ann", seconds(5)));
    CHECK(second.token > first.token);
    CHECK(code(store.append("key", first.token)) == Errc::conflict);
    must(store.append("key", second.token));
}

TEST_CASE("a lease that is renewed lasts its full time from then") {
    LeasedStore store;
    const Lease lease = must(store->acquire_lease("key", "ann", seconds(10)));
    const TransactionNumber transaction = store->stat().last_transaction;
    store.pass(9);
    must(store->renew_lease("key", lease.token));
    CHECK(store->stat().last_transaction == transaction);
    store.pass(9);
    CHECK(code(store->acquire_lease("key", "bob", seconds(10))) == Errc::conflict);
    store.pass(100);  // nobody else has it yet
    must(store->renew_lease("key", lease.token));
    CHECK(code(store->acquire_lease("key", "bob", seconds(10))) == Errc::conflict);
    store.pass(10);
    must(store->acquire_lease("key", "bob", seconds(10)));
    CHECK(code(store->renew_lease("key", lease.token)) == Errc::conflict);
    CHECK(code(store->renew_lease("missing", lease.token)) == Errc::conflict);
    CHECK(code(store->renew_lease("missing", 0)) == Errc::conflict);
}

TEST_CASE("a lease that is released is free, and gone once that is drained") {
    LeasedStore store;
    const Lease lease = must(store->acquire_lease("key", "ann", seconds(10)));
    must(store->drain());
    CHECK(code(store.release("key", lease.token + 1)) == Errc::conflict);
    must(store.release("key", lease.token));
    CHECK_FALSE(store->lease("key", Level::committed));
    CHECK(code(store.release("key", lease.token)) == Errc::conflict);
    CHECK(code(store->renew_lease("key", lease.token)) == Errc::conflict);
    CHECK(code(store.append("key", lease.token)) == Errc::conflict);
    CHECK(store->leases({}, no_limit).empty());
    must(store->drain());
    store.reopen();
    CHECK_FALSE(store->lease("key", Level::committed));
    CHECK(must(store->acquire_lease("key", "bob", seconds(10))).token > lease.token);
}

TEST_CASE("a lease as a condition: its newest token holds, whatever the time") {
    LeasedStore store;
    const Lease first = must(store->acquire_lease("key", "ann", seconds(10)));
    must(store.append("key", first.token));
    store.pass(100);
    must(store.append("key", first.token));
    const Lease second = must(store->acquire_lease("key", "bob", seconds(10)));
    const auto refused = store.append("key", first.token);
    REQUIRE(code(refused) == Errc::conflict);
    CHECK(refused.error().conflicts()[0].lease == "key");
    CHECK(refused.error().conflicts()[0].required == fmt::format("token {}", first.token.value));
    CHECK(refused.error().conflicts()[0].actual ==
          fmt::format("'bob' holds it with token {}", second.token.value));
    CHECK(code(store.append("missing", 0)) == Errc::conflict);
    must(store.append("key", second.token));
    CHECK(must(store->status("sp", "sg")).last_sequence == 3);
}

TEST_CASE("a lease found at an opening lasts its full time from then, drained or not") {
    LeasedStore store;
    const Lease drained = must(store->acquire_lease("drained", "ann", seconds(10)));
    must(store->drain());
    const Lease fresh = must(store->acquire_lease("fresh", "ann", seconds(20)));
    store.pass(100);
    for (int round = 0; round < 2; ++round) {
        if (round == 0)
            store.crash();
        else
            store.reopen();
        store.pass(9);
        const auto found = store->lease("drained", Level::durable);
        REQUIRE(found);
        CHECK(found->holder == "ann");
        CHECK(found->token == drained.token);
        CHECK(found->ttl == seconds(10));
        CHECK(found->left == seconds(1));
        CHECK(store->lease("fresh", Level::durable)->left == seconds(11));
        CHECK(code(store->acquire_lease("drained", "bob", seconds(10))) == Errc::conflict);
        must(store.append("fresh", fresh.token));
    }
    store.pass(1);
    CHECK(must(store->acquire_lease("drained", "bob", seconds(10))).token > fresh.token);
    CHECK(must(store->verify()).damages.empty());
}

TEST_CASE("leases are listed by key, in pages") {
    LeasedStore store;
    for (const char* key : {"b", "a", "c"})
        must(store->acquire_lease(key, fmt::format("holder of {}", key), seconds(10)));
    const auto keys = [&](std::string after, std::uint64_t limit) {
        std::string listed;
        for (const Lease& lease : store->leases(std::move(after), limit)) listed += lease.key;
        return listed;
    };
    CHECK(keys("", no_limit) == "abc");
    CHECK(keys("a", 1) == "b");
    CHECK(keys("c", no_limit).empty());
    CHECK(store->leases("b", 1)[0].holder == "holder of c");
}

TEST_CASE("a lease wants a key, a holder and a time") {
    LeasedStore store;
    const std::string longest(255, 'x');
    must(store->acquire_lease(longest, longest, std::chrono::nanoseconds::max()));
    CHECK(store->lease(longest, Level::durable)->left > std::chrono::hours(24));
    CHECK(code(store->acquire_lease("", "ann", seconds(1))) == Errc::invalid_argument);
    CHECK(code(store->acquire_lease("key", "", seconds(1))) == Errc::invalid_argument);
    CHECK(code(store->acquire_lease(longest + "x", "ann", seconds(1))) == Errc::invalid_argument);
    CHECK(code(store->acquire_lease("key", longest + "x", seconds(1))) == Errc::invalid_argument);
    CHECK(code(store->acquire_lease("key", "ann", seconds(0))) == Errc::invalid_argument);
    CHECK(code(store->acquire_lease("key", "ann", seconds(-1))) == Errc::invalid_argument);
}

TEST_CASE("threads that want one lease: nobody writes with a token after a newer one was granted") {
    StoreFixture store;
    const auto work = [&](const std::string& name) {
        for (int i = 0; i < 20; ++i) {
            const auto lease = store->acquire_lease("key", name, std::chrono::nanoseconds(1));
            if (!lease) {
                CHECK(code(lease) == Errc::conflict);
                continue;
            }
            const auto written = store->begin()
                                     .require_lease("key", lease->token)
                                     .append("sp", "sg", fmt::format("{}", lease->token.value))
                                     .commit();
            CHECK((written || code(written) == Errc::conflict));
        }
    };
    std::thread one(work, "one");
    std::thread other(work, "other");
    one.join();
    other.join();
    std::uint64_t before = 0;
    for (const Seen& entry : entries(store->read_segment("sp", "sg"))) {
        const std::uint64_t token = std::stoull(entry.payload);
        CHECK(token > before);
        before = token;
    }
    CHECK(before != 0);
}

}  // namespace braid::test
