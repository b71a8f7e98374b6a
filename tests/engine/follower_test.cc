// Followers: batches, filters, how far they have looked; and the lag of a cursor.
#include <fmt/format.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

using namespace std::chrono_literals;

/// Appends to three segments of two spaces, one to four records a transaction.
std::function<void(Store&)> mixed(std::uint64_t transactions, std::uint64_t seed = 1) {
    return [=](Store& store) {
        std::mt19937_64 random(seed);
        for (std::uint64_t n = 0; n < transactions; ++n) {
            auto transaction = store.begin();
            for (std::uint64_t i = 0; i <= random() % 4; ++i)
                transaction.append(random() % 3 == 0 ? "rare" : "sp",
                                   fmt::format("sg{}", random() % 3), "payload");
            must(transaction.commit(Durability::buffered));
        }
        must(store.sync());
    };
}

/// Positions that batches give until nothing comes; their chain is unbroken.
std::vector<std::uint64_t> follow_batches(Follower& follower, Position after, std::size_t most) {
    std::vector<std::uint64_t> found;
    Position previous = after;
    while (const Result<Batch>* next = follower.next_batch(most, 0ns)) {
        const Batch batch = must(*next);
        REQUIRE(!batch.entries.empty());
        CHECK(batch.entries.size() <= most);
        CHECK(batch.previous == previous);
        CHECK(batch.first == batch.entries.front().position);
        CHECK(batch.last == batch.entries.back().position);
        for (const Entry& entry : batch.entries) {
            found.push_back(entry.position.value);
            CHECK(entry.text() == "payload");
        }
        previous = batch.last;
    }
    return found;
}

/// Eight followers beside eight writers, for so long and at least for some transactions of each.
/// Returns how many positions there were.
std::uint64_t follow_writers(std::chrono::seconds time) {
    constexpr std::uint64_t writers = 8;
    constexpr std::uint64_t transactions = sanitized ? 60 : 400;
    const auto until = std::chrono::steady_clock::now() + time;
    StoreFixture fixture(small_options());
    std::vector<std::thread> following;
    std::vector<std::thread> writing;
    std::atomic<std::uint64_t> unsound = 0;
    std::atomic<std::uint64_t> end = 0;  // the last position, once it is known
    for (std::uint64_t f = 0; f < 8; ++f)
        following.emplace_back([&, f] {
            const Level level = f % 2 == 0 ? Level::durable : Level::committed;
            Follower follower = f < 4 ? fixture->follow_all({.level = level})
                                      : fixture->follow_space("sp", {.level = level});
            std::uint64_t next = 1;
            Position previous = 0;
            while (end == 0 || next <= end) {
                const Result<Batch>* batch = follower.next_batch(1 + f * 10, 10ms);
                if (batch == nullptr) continue;
                if (!*batch || (**batch).previous != previous) break;
                for (const Entry& entry : (**batch).entries)
                    if (entry.position != next++) ++unsound;
                previous = (**batch).last;
            }
            if (end == 0 || next != end + 1) ++unsound;
        });
    for (std::uint64_t w = 0; w < writers; ++w)
        writing.emplace_back([&, w] {
            for (std::uint64_t n = 0; n < transactions || std::chrono::steady_clock::now() < until;
                 ++n) {
                auto transaction = fixture->begin();
                transaction.append("sp", fmt::format("sg{}", w), "own").append("sp", "all", "both");
                if (!transaction.commit(n % 4 == 0 ? Durability::durable : Durability::buffered))
                    ++unsound;
            }
        });
    for (std::thread& thread : writing) thread.join();
    must(fixture->sync());
    end = fixture->stat().durable.value;
    for (std::thread& thread : following) thread.join();
    CHECK(unsound == 0);
    CHECK(end >= writers * transactions * 2);
    return end;
}

}  // namespace

TEST_CASE("U-20 batches are an unbroken chain of all entries") {
    in_every_state(mixed(150), [](Store& store) {
        const auto all = positions(entries(store.read_all()));
        const auto of_space = positions(entries(store.read_space("sp")));
        for (const std::size_t most : {1, 7, 1000}) {
            Follower everything = store.follow_all();
            CHECK(follow_batches(everything, 0, most) == all);
            Follower space = store.follow_space("sp");
            CHECK(follow_batches(space, 0, most) == of_space);
            Follower resumed = store.follow_all({.after = 100});
            CHECK(follow_batches(resumed, 100, most) == numbers(101, all.size()));
        }
    });
}

TEST_CASE("U-20 batches and single entries of one follower take turns") {
    StoreFixture fixture;
    mixed(50)(*fixture);
    Follower follower = fixture->follow_all();
    std::uint64_t next = 1;
    while (const Result<Entry>* entry = follower.try_next()) {
        CHECK(must(*entry).position == next++);
        const Result<Batch>* batch = follower.next_batch(3, 0ns);
        if (batch == nullptr) break;
        CHECK(must(*batch).previous == next - 1);
        CHECK(must(*batch).first == next);
        next = must(*batch).last.value + 1;
    }
    CHECK(next == fixture->stat().durable.value + 1);
}

TEST_CASE("U-20 a batch waits for its first entry, and the end is told") {
    StoreFixture fixture;
    Follower follower = fixture->follow_all();
    CHECK(follower.next_batch(10, 0ns) == nullptr);
    std::thread writer([&] { must_append(*fixture, "sp", "sg", 1, 5); });
    const Result<Batch>* batch = follower.next_batch();
    REQUIRE(batch != nullptr);
    CHECK(must(*batch).first == 1);
    writer.join();
    while (follower.next_batch(10, 0ns) != nullptr) {
    }
    fixture.close();
    batch = follower.next_batch();
    REQUIRE(batch != nullptr);
    CHECK(code(*batch) == Errc::closed);
}

TEST_CASE("M-01 several spaces are followed as one, each from its cursor") {
    in_every_state(mixed(100), [](Store& store) {
        Follower both = store.follow_spaces({{"sp", 50}, {"rare", 0}, {"nope", 0}});
        std::vector<std::uint64_t> found;
        while (const auto* entry = both.try_next()) found.push_back(must(*entry).position.value);
        CHECK(found == positions(entries(store.read_spaces({{"sp", 50}, {"rare", 0}}))));
    });
}

TEST_CASE(
    "U-21 a filtered follower tells how far it has looked, and resuming there loses nothing") {
    in_every_state(mixed(120), [](Store& store) {
        std::vector<std::uint64_t> wanted;
        for (const Seen& entry : entries(store.read_space("sp")))
            if (entry.segment != "sg1") wanted.push_back(entry.position);
        for (const std::uint64_t stop : {0, 1, 17, 1000}) {
            std::vector<std::uint64_t> found;
            Follower first = store.follow_space("sp", {.segments = {"sg2", "sg0", "none"}});
            while (found.size() < stop) {
                const auto* entry = first.try_next();
                if (entry == nullptr) break;
                found.push_back(must(*entry).position.value);
                CHECK(first.looked_through() >= first.cursor());
            }
            if (stop == 1000) CHECK(first.looked_through() == store.stat().durable);
            CHECK(first.looked_through() <= store.stat().committed);
            Follower second = store.follow_space(
                "sp", {.after = first.looked_through(), .segments = {"sg0", "sg2"}});
            while (const auto* entry = second.try_next())
                found.push_back(must(*entry).position.value);
            CHECK(found == wanted);
        }
    });
}

TEST_CASE("U-21 a follower of nothing that comes looks on with the store") {
    StoreFixture fixture;
    Follower follower = fixture->follow_all({.segments = {"none"}});
    for (std::uint64_t n = 1; n <= 20; ++n) {
        must_append(*fixture, "sp", "sg", n, n);
        CHECK(follower.try_next() == nullptr);
        CHECK(follower.looked_through() == n);
        CHECK(follower.cursor() == 0);
    }
}

TEST_CASE("S-20 the lag of a cursor is what reading from it gives") {
    in_every_state(mixed(80), [](Store& store) {
        const std::uint64_t end = store.stat().committed.value;
        for (std::uint64_t after = 0; after <= end; ++after) {
            CHECK(must(store.lag({}, after)) == end - after);
            for (const char* space : {"sp", "rare", "none"}) {
                CHECK(must(store.lag(space, after)) ==
                      entries(store.read_space(space, {.after = after})).size());
                CHECK(must(store.lag({space, "sg1"}, after)) ==
                      entries(store.read_segment(space, "sg1", {.after = after})).size());
            }
        }
        CHECK(code(store.lag({}, end + 1)) == Errc::out_of_range);
        CHECK(code(store.lag("sp", end + 1)) == Errc::out_of_range);
        CHECK(code(store.lag({"sp", "sg1"}, end + 1)) == Errc::out_of_range);
    });
}

TEST_CASE("S-20 the lag over many drains, and of a trimmed segment") {
    StoreFixture fixture(small_options());
    for (std::uint64_t drains = 0; drains < 6; ++drains) {
        mixed(40, drains)(*fixture);
        if (drains != 5) must(fixture->drain());
    }
    const std::uint64_t end = fixture->stat().committed.value;
    for (std::uint64_t after = 0; after <= end; after += 3)
        CHECK(must(fixture->lag("sp", after)) ==
              entries(fixture->read_space("sp", {.after = after})).size());
    must(fixture->trim("sp", "sg0", 20));
    CHECK(must(fixture->lag({"sp", "sg0"}, 0)) ==
          entries(fixture->read_segment("sp", "sg0")).size());
}

// BRAID_SECONDS=n: for so long.
TEST_CASE("concurrent: eight followers get every position of eight writers exactly once") {
    const char* text = ::getenv("BRAID_SECONDS");
    const std::chrono::seconds time(text == nullptr ? 0 : std::atoi(text));
    MESSAGE("positions: ", follow_writers(time));
}

TEST_CASE("concurrent: many followers of segments are told of their own, and of the end") {
    constexpr std::uint64_t followers = 60;
    constexpr std::uint64_t rounds = sanitized ? 5 : 30;
    StoreFixture fixture;
    std::vector<std::thread> threads;
    std::atomic<std::uint64_t> given = 0;
    std::atomic<std::uint64_t> unsound = 0;
    for (std::uint64_t f = 0; f < followers; ++f)
        threads.emplace_back([&, f] {
            Follower follower = fixture->follow_segment("sp", fmt::format("sg{}", f));
            for (std::uint64_t next = 1;; ++next) {
                const Result<Entry>* entry = follower.next();
                if (!*entry) {
                    if (entry->error().code() != Errc::closed || next != rounds + 1) ++unsound;
                    return;
                }
                if ((**entry).sequence != next) ++unsound;
                given.fetch_add(1);
                given.notify_one();
            }
        });
    for (std::uint64_t n = 0; n < rounds; ++n) {
        for (std::uint64_t f = 0; f < followers; ++f)
            must(fixture->append("sp", fmt::format("sg{}", f), "news", {}, Durability::buffered));
        must(fixture->sync());
        if (n % 3 == 0) must(fixture->drain());
        for (std::uint64_t seen = given; seen < (n + 1) * followers; seen = given) given.wait(seen);
    }
    fixture.close();
    for (std::thread& thread : threads) thread.join();
    CHECK(unsound == 0);
}

TEST_CASE("concurrent: followers of segments that don't change are never called") {
    const std::size_t idle = sanitized ? 100 : 1000;
    StoreFixture fixture;
    Transaction transaction = fixture->begin();
    for (std::size_t i = 0; i < idle; ++i)
        transaction.append("sp", fmt::format("idle{}", i), "the only one");
    must(transaction.commit());
    std::atomic<std::uint32_t> idle_calls = 0;
    std::vector<std::pair<Follower, std::uint64_t>> followers;
    for (std::size_t i = 0; i < idle; ++i) {
        Follower follower = fixture->follow_segment("sp", fmt::format("idle{}", i));
        REQUIRE(follower.try_next() != nullptr);
        REQUIRE(follower.try_next() == nullptr);
        const std::uint64_t call = must(follower.call_when_ready([&] { ++idle_calls; }));
        followers.emplace_back(std::move(follower), call);
    }
    // Each round the notifier looks at them all, and calls the one that has news.
    Follower busy = fixture->follow_segment("sp", "busy");
    for (std::uint64_t n = 1; n <= 50; ++n) {
        std::atomic<std::uint32_t> called = 0;
        const std::uint64_t call = must(busy.call_when_ready([&] {
            called = 1;
            called.notify_one();
        }));
        must_append(*fixture, "sp", "busy", n, n);
        called.wait(0);
        busy.cancel_call(call);
        while (busy.try_next() != nullptr) {
        }
    }
    CHECK(idle_calls == 0);
    for (auto& [follower, call] : followers) follower.cancel_call(call);
}

TEST_CASE("concurrent: a call for a follower comes once, and not after it was cancelled") {
    StoreFixture fixture;
    Follower follower = fixture->follow_segment("sp", "sg");
    for (std::uint64_t n = 1; n <= 200; ++n) {
        std::atomic<std::uint32_t> calls = 0;
        const std::uint64_t call = must(follower.call_when_ready([&] {
            calls.fetch_add(1);
            calls.notify_one();
        }));
        must_append(*fixture, "sp", "sg", n, n, Durability::buffered);
        if (n % 2 == 0) {
            follower.cancel_call(call);
            CHECK(calls <= 1);
        } else {
            must(fixture->sync());
            calls.wait(0);
            follower.cancel_call(call);
            CHECK(calls == 1);
        }
        must(fixture->sync());
        while (follower.try_next() != nullptr) {
        }
    }
    std::atomic<std::uint32_t> calls = 0;
    const std::uint64_t call = must(follower.call_when_ready([&] {
        calls = 1;
        calls.notify_one();
    }));
    fixture.close();
    calls.wait(0);
    follower.cancel_call(call);
}

TEST_CASE("a follower is called where history is left that it hasn't looked at") {
    for (const bool drained : {false, true}) {
        CAPTURE(drained);
        StoreFixture store;
        for (std::uint64_t i = 1; i <= 10; ++i) must_append(*store, "sp", "a", i, i);
        if (drained) must(store->drain());
        auto of_segment = store->follow_segment("sp", "a");
        auto of_space = store->follow_space("sp");
        for (Follower* follower : {&of_segment, &of_space}) {
            std::uint64_t got = 0;
            while (got < 10) {
                // A batch ends with what was looked at at once.
                const Result<Batch>* batch = follower->next_batch(256, 0ns);
                REQUIRE(batch != nullptr);
                got += (**batch).entries.size();
                std::atomic<bool> called = false;
                const std::uint64_t call = must(follower->call_when_ready([&] { called = true; }));
                for (int i = 0; i < 500 && !called && got < 10; ++i)
                    std::this_thread::sleep_for(10ms);
                CHECK((called || got == 10));
                follower->cancel_call(call);
            }
        }
    }
}

TEST_CASE("a follower of what comes to be and is trimmed before it looks is told so") {
    StoreFixture store;
    must_append(*store, "other", "a", 1, 100);
    must(store->drain());
    must(store->trim("other", "a", 100));
    auto of_space = store->follow_space("sp");
    auto of_segment = store->follow_segment("sp", "a");
    CHECK(of_segment.try_next() == nullptr);
    for (std::uint64_t i = 1; i <= 100; ++i) must_append(*store, "sp", "a", i, i);
    must(store->drain());
    must(store->trim("sp", "a", 100));
    must_append(*store, "other", "a", 101, 101);
    for (Follower* follower : {&of_space, &of_segment}) {
        const Result<Entry>* next = follower->try_next();
        REQUIRE(next != nullptr);
        REQUIRE_FALSE(*next);
        CHECK(next->error().code() == Errc::trimmed);
    }
}

}  // namespace braid::test
