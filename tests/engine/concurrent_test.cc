// Many threads at once; also run under ThreadSanitizer. All names hold the word "concurrent".
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

using Clock = std::chrono::steady_clock;

/// Numbers of records, smaller where a sanitizer makes everything ten times slower.
constexpr std::uint64_t scaled(std::uint64_t count) {
    return sanitized ? count / 20 : count;
}

/// Runs `body(0)` to `body(count - 1)` on threads of their own that start together.
template <class Body>
void on_threads(std::uint64_t count, const Body& body) {
    std::barrier start(static_cast<std::ptrdiff_t>(count));
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < count; ++i) {
        threads.emplace_back([&, i] {
            start.arrive_and_wait();
            body(i);
        });
    }
    for (std::thread& thread : threads) thread.join();
}

/// Records expecting 1..count with the thread's own payload, in one transaction.
Result<Receipt> race(Store& store, std::uint64_t racer, std::uint64_t first, std::uint64_t last) {
    Transaction transaction = store.begin();
    for (std::uint64_t sequence = first; sequence <= last; ++sequence) {
        transaction.append("space0", "segment0", fmt::format("racer {}", racer),
                           expecting(expect::sequence(sequence)));
    }
    return transaction.commit();
}

/// Lets threads race for 1..count of one segment, and checks that one of them has got it whole.
void check_race(Store& store, std::uint64_t racers, std::uint64_t count) {
    std::atomic<std::uint64_t> winners = 0;
    std::atomic<std::uint64_t> winner = 0;
    std::atomic<std::uint64_t> conflicts = 0;
    on_threads(racers, [&](std::uint64_t racer) {
        const Result<Receipt> result = race(store, racer, 1, count);
        if (result) {
            ++winners;
            winner = racer;
        } else if (result.error().code() == Errc::conflict) {
            ++conflicts;
        }
    });
    CHECK(winners == 1);
    CHECK(conflicts == racers - 1);
    const std::vector<Seen> read = entries(store.read_segment("space0", "segment0"));
    CHECK(sequences(read) == numbers(1, count));
    for (const Seen& entry : read) CHECK(entry.payload == fmt::format("racer {}", winner.load()));
}

/// Collects what must come once and without a gap in each segment.
class OnceEach {
public:
    void see(const Entry& entry) {
        std::uint64_t& last = last_[std::string(entry.segment)];
        if (entry.sequence.value != last + 1) good_ = false;
        last = entry.sequence.value;
        if (entry.position.value <= position_) good_ = false;
        position_ = entry.position.value;
        ++count_;
    }
    [[nodiscard]] bool good() const noexcept { return good_; }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] Position position() const noexcept { return position_; }

private:
    std::map<std::string, std::uint64_t> last_;
    std::uint64_t position_ = 0;
    std::uint64_t count_ = 0;
    bool good_ = true;
};

/// Writers that go on until they are told to stop.
class Busy {
public:
    Busy(Store& store, std::uint64_t count) : store_(store) {
        for (std::uint64_t i = 0; i < count; ++i) {
            threads_.emplace_back([this, i] { run(i); });
        }
    }
    ~Busy() {
        stop_ = true;
        for (std::thread& thread : threads_) thread.join();
        CHECK(failures_ == 0);
    }

private:
    void run(std::uint64_t writer) {
        const Durability durability = writer % 2 == 0 ? Durability::durable : Durability::buffered;
        while (!stop_) {
            if (!store_.append("busy", segment_name(writer), "noise", {}, durability)) ++failures_;
        }
    }

    Store& store_;
    std::atomic<bool> stop_ = false;
    std::atomic<std::uint64_t> failures_ = 0;
    std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("C-01 concurrent: of two racers one wins and the other is told") {
    with_every_size([](StoreFixture& fixture) { check_race(*fixture, 2, 100); });
}

TEST_CASE("C-02 C-03 concurrent: four racers, and the space holds the winner's once") {
    with_every_size([](StoreFixture& fixture) {
        check_race(*fixture, 4, 25);
        const std::vector<Seen> read = entries(fixture->read_space("space0"));
        CHECK(read.size() == 25);
        CHECK(sequences(read) == numbers(1, 25));
    });
}

TEST_CASE("C-04 concurrent: the loser reads the head and goes on") {
    with_every_size([](StoreFixture& fixture) {
        std::atomic<std::uint64_t> recovered = 0;
        on_threads(2, [&](std::uint64_t racer) {
            const Result<Receipt> result = race(*fixture, racer, 1, 100);
            if (result) return;
            // What refused it can be seen: the head is there as soon as the conflict is.
            const auto peeked = fixture->peek("space0", "segment0");
            if (!peeked || !*peeked || (**peeked)->sequence != 100) return;
            if (race(*fixture, racer, 101, 200)) ++recovered;
        });
        CHECK(recovered == 1);
        CHECK(sequences(entries(fixture->read_segment("space0", "segment0"))) == numbers(1, 200));
    });
}

TEST_CASE("P-28 concurrent appends after a hundred each get their own number") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "space0", "segment0", 1, 100);
        std::mutex mutex;
        std::set<std::uint64_t> got;
        on_threads(5, [&](std::uint64_t) {
            const Result<Receipt> result = fixture->append("space0", "segment0", "auto");
            const std::lock_guard lock(mutex);
            if (result) got.insert(result->segments[0].first.value);
        });
        CHECK(got == std::set<std::uint64_t>{101, 102, 103, 104, 105});
    });
}

TEST_CASE("P-29 ten concurrent publishers on an empty segment") {
    with_every_size([](StoreFixture& fixture) {
        std::mutex mutex;
        std::set<std::uint64_t> got;
        on_threads(10, [&](std::uint64_t) {
            Transaction transaction = fixture->begin();
            transaction.append("space0", "segment0", "auto");
            const Result<Receipt> result = transaction.commit();
            const std::lock_guard lock(mutex);
            if (result) got.insert(result->segments[0].first.value);
        });
        CHECK(got.size() == 10);
        CHECK(sequences(entries(fixture->read_segment("space0", "segment0"))) == numbers(1, 10));
    });
}

TEST_CASE("K-07 concurrent: peek never goes back") {
    constexpr std::chrono::seconds in_all{10};
    const Clock::duration each = in_all / static_cast<std::int64_t>(2 * all_sizes().size());
    for (const Level level : {Level::committed, Level::durable}) {
        with_every_size([&](StoreFixture& fixture) {
            must_append(*fixture, "busy", "segment0", 1, 1);
            std::uint64_t last = 1;
            bool good = true;
            {
                Busy busy(*fixture, 8);
                // Longer where the disk is so busy that nothing was written meanwhile.
                const auto end = Clock::now() + each;
                const auto latest = Clock::now() + std::chrono::seconds(30);
                while (good && Clock::now() < (last == 1 ? latest : end)) {
                    const auto peeked = must(fixture->peek("busy", "segment0", level));
                    const std::uint64_t sequence = peeked ? (*peeked)->sequence.value : 0;
                    good = sequence >= last;
                    last = std::max(last, sequence);
                }
            }
            CHECK(good);
            CHECK(last > 1);
        });
    }
}

TEST_CASE(
    "S-10 concurrent: a reader that resumes in small steps beside 16 writers misses nothing") {
    constexpr std::uint64_t writers = 16;
    with_every_size([&](StoreFixture& fixture) {
        // Small sizes drain all the time, which shows as much with fewer records.
        const bool small = fixture.options().tail_bytes_max < (1 << 20);
        const std::uint64_t each = scaled(small ? 1000 : 5000);
        OnceEach once;
        std::atomic<bool> stuck = false;
        std::thread reader([&] {
            const auto end = Clock::now() + std::chrono::minutes(2);
            while (once.good() && once.count() < writers * each && Clock::now() < end) {
                Reader step = fixture->read_space("sp", {.after = once.position(), .limit = 100});
                while (const Result<Entry>* next = step.next()) {
                    if (!*next) {
                        stuck = true;
                        return;
                    }
                    once.see(**next);
                }
            }
        });
        std::atomic<std::uint64_t> failures = 0;
        on_threads(writers, [&](std::uint64_t writer) {
            const Durability durability =
                writer % 4 == 0 ? Durability::durable : Durability::buffered;
            for (std::uint64_t i = 0; i < each; ++i) {
                if (!fixture->append("sp", segment_name(writer), test_data(i), {}, durability)) {
                    ++failures;
                }
            }
        });
        reader.join();
        CHECK(failures == 0);
        CHECK_FALSE(stuck);
        CHECK(once.good());
        CHECK(once.count() == writers * each);
    });
}

TEST_CASE("S-10 concurrent: a follower beside 8 writers misses nothing") {
    constexpr std::uint64_t writers = 8;
    const std::uint64_t each = scaled(1000);
    for (const Level level : {Level::committed, Level::durable}) {
        with_every_size([&](StoreFixture& fixture) {
            OnceEach once;
            std::thread reader([&] {
                Follower follower = fixture->follow_space("sp", {.level = level});
                while (once.good() && once.count() < writers * each) {
                    const Result<Entry>* next = follower.next(std::chrono::seconds(60));
                    if (next == nullptr || !*next) return;
                    once.see(**next);
                }
            });
            on_threads(writers, [&](std::uint64_t writer) {
                const Durability durability =
                    writer % 2 == 0 ? Durability::durable : Durability::buffered;
                for (std::uint64_t i = 0; i < each; ++i) {
                    static_cast<void>(
                        fixture->append("sp", segment_name(writer), test_data(i), {}, durability));
                }
            });
            reader.join();
            CHECK(once.good());
            CHECK(once.count() == writers * each);
        });
    }
}

TEST_CASE(
    "U-19 concurrent: from a cursor in history to what 8 writers append, 100,000 entries once") {
    constexpr std::uint64_t writers = 8;
    constexpr std::uint64_t history = 40'000;
    constexpr std::uint64_t cursor = 20'000;
    constexpr std::uint64_t wanted = 100'000;
    constexpr std::uint64_t transaction_records = 10;
    for (const Level level : {Level::committed, Level::durable}) {
        StoreFixture fixture(small_options());
        const auto append_some = [&](std::uint64_t writer) {
            Transaction transaction = fixture->begin();
            for (std::uint64_t i = 0; i < transaction_records; ++i)
                transaction.append("sp", segment_name(writer), test_data(i));
            return transaction.commit(Durability::buffered).has_value();
        };
        for (std::uint64_t n = 0; n < history / transaction_records; ++n)
            REQUIRE(append_some(n % writers));
        must(fixture->sync());
        std::atomic<bool> is_collected = false;
        std::uint64_t next = cursor + 1;
        std::thread collector([&] {
            Follower follower = fixture->follow_space("sp", {.after = cursor, .level = level});
            while (next <= cursor + wanted) {
                const Result<Entry>* entry = follower.next(std::chrono::minutes(1));
                if (entry == nullptr || !*entry || (**entry).position != next) break;
                ++next;
            }
            is_collected = true;
        });
        std::atomic<std::uint64_t> failures = 0;
        on_threads(writers, [&](std::uint64_t writer) {
            while (!is_collected)
                if (!append_some(writer)) ++failures;
        });
        collector.join();
        CHECK(failures == 0);
        CHECK(next == cursor + wanted + 1);
    }
}

TEST_CASE("M-08 concurrent: four segments in batches, merged beside their writers") {
    const std::uint64_t batch = scaled(250);
    const std::uint64_t each = 12 * batch;
    with_every_size([&](StoreFixture& fixture) {
        OnceEach once;
        std::thread reader([&] {
            const auto end = Clock::now() + std::chrono::minutes(2);
            while (once.good() && once.count() < 4 * each && Clock::now() < end) {
                const Bounds bounds{.after = once.position()};
                Reader merge = fixture->read_spaces({{"space0", {}}, {"space1", {}}}, bounds);
                while (const Result<Entry>* next = merge.next()) {
                    if (!*next) return;
                    once.see(**next);
                }
            }
        });
        on_threads(4, [&](std::uint64_t writer) {
            for (std::uint64_t first = 1; first <= each; first += batch) {
                static_cast<void>(append_range(*fixture, space_name(writer % 2),
                                               segment_name(writer), first, first + batch - 1));
            }
        });
        reader.join();
        CHECK(once.good());
        CHECK(once.count() == 4 * each);
        for (std::uint64_t writer = 0; writer < 4; ++writer) {
            const auto peeked = must(fixture->peek(space_name(writer % 2), segment_name(writer)));
            REQUIRE(peeked);
            CHECK((*peeked)->sequence == each);
        }
    });
}

TEST_CASE("X-08 concurrent: a hundred disjoint transactions all succeed and share flushes") {
    static constexpr std::uint64_t count = 100;
    with_every_size([](StoreFixture& fixture) {
        std::atomic<std::uint64_t> good = 0;
        on_threads(count, [&](std::uint64_t i) {
            Transaction transaction = fixture->begin();
            transaction.append("sp", segment_name(2 * i), "x");
            transaction.append("sp", segment_name(2 * i + 1), "x");
            if (transaction.commit()) ++good;
        });
        CHECK(good == count);
        CHECK(entries(fixture->read_space("sp")).size() == 2 * count);
    });
}

TEST_CASE("X-08 concurrent: commits in flight from one thread share flushes") {
    static constexpr std::uint64_t count = 1000;
    with_every_size([](StoreFixture& fixture) {
        std::mutex mutex;
        std::condition_variable changed;
        std::uint64_t done = 0;
        std::uint64_t good = 0;
        const std::uint64_t flushes = fixture->metrics().log_flushes;
        for (std::uint64_t i = 0; i < count; ++i) {
            Transaction transaction = fixture->begin();
            transaction.append("sp", segment_name(i % 50), "x");
            transaction.commit_async([&](Result<Receipt> result) {
                const std::lock_guard lock(mutex);
                ++done;
                good += result ? 1 : 0;
                changed.notify_one();
            });
        }
        std::unique_lock lock(mutex);
        REQUIRE(changed.wait_for(lock, std::chrono::minutes(1), [&] { return done == count; }));
        CHECK(good == count);
        CHECK(fixture->metrics().log_flushes - flushes < count);
    });
}

TEST_CASE("X-09 concurrent: overlapping transactions in opposite order have one winner") {
    with_every_size([](StoreFixture& fixture) {
        for (std::uint64_t version = 1; version <= 10; ++version) {
            std::atomic<std::uint64_t> winners = 0;
            std::atomic<std::uint64_t> conflicts = 0;
            on_threads(10, [&](std::uint64_t i) {
                const char* first = i % 2 == 0 ? "a" : "b";
                const char* second = i % 2 == 0 ? "b" : "a";
                Transaction transaction = fixture->begin();
                transaction.append("sp", first, "x", expecting(expect::sequence(version)));
                transaction.append("sp", second, "x", expecting(expect::sequence(version)));
                const Result<Receipt> result = transaction.commit();
                if (result) ++winners;
                if (code(result) == Errc::conflict) ++conflicts;
            });
            CHECK(winners == 1);
            CHECK(conflicts == 9);
        }
        CHECK(last_sequence(*fixture, "sp", "a") == 10);
        CHECK(last_sequence(*fixture, "sp", "b") == 10);
    });
}

TEST_CASE("V-01 concurrent: what was committed is read at once beside 8 busy writers") {
    const std::uint64_t rounds = sanitized ? 50 : 200;
    with_every_size([&](StoreFixture& fixture) {
        Busy busy(*fixture, 8);
        for (std::uint64_t i = 1; i <= rounds; ++i) {
            const Durability durability = i % 2 == 0 ? Durability::durable : Durability::buffered;
            const Receipt receipt = must_append(*fixture, "sp", "a", i, i, durability);
            const Position before = receipt.first_position - 1;
            const auto peeked = must(fixture->peek("sp", "a"));
            REQUIRE(peeked);
            CHECK((*peeked)->sequence == i);
            CHECK(last_sequence(*fixture, "sp", "a") == i);
            CHECK(entries(fixture->read_segment("sp", "a", {.from = i})).size() == 1);
            CHECK(entries(fixture->read_space("sp", {.after = before})).size() == 1);
            CHECK(entries(fixture->read_all({.after = before, .limit = 1}))[0].segment == "a");
            if (durability == Durability::durable) {
                const Bounds durable{.after = before, .level = Level::durable};
                CHECK(entries(fixture->read_space("sp", durable)).size() == 1);
            }
        }
    });
}

TEST_CASE("V-03 concurrent: who sees a position sees every one before it") {
    const std::uint64_t rounds = sanitized ? 10 : 100;
    with_every_size([&](StoreFixture& fixture) {
        Busy busy(*fixture, 8);
        Position seen_before = 0;
        for (std::uint64_t i = 0; i < rounds; ++i) {
            const std::vector<Seen> newest =
                entries(fixture->read_all({.limit = 1, .backward = true}));
            if (newest.empty()) continue;
            const std::vector<Seen> all = entries(fixture->read_all({.after = seen_before}));
            REQUIRE_FALSE((all.empty() && newest[0].position > seen_before.value));
            if (all.empty()) continue;
            CHECK(all.front().position == seen_before.value + 1);
            CHECK(all.back().position >= newest[0].position);
            CHECK(all.back().position - all.front().position + 1 == all.size());
            seen_before = all.back().position;
        }
    });
}

TEST_CASE("X-03 concurrent: a transaction is seen whole or not at all") {
    const std::uint64_t rounds = scaled(4000);
    with_every_size([&](StoreFixture& fixture) {
        std::atomic<bool> done = false;
        std::atomic<std::uint64_t> torn = 0;
        std::thread observer([&] {
            while (!done) {
                // The reader is opened once, so that it must see both halves or neither.
                Reader reader = fixture->read_spaces({{"one", {}}, {"two", {}}},
                                                     {.limit = 5, .backward = true});
                std::uint64_t first_transaction = 0;
                std::uint64_t of_first = 0;
                while (const Result<Entry>* next = reader.next()) {
                    if (!*next) break;
                    const std::uint64_t transaction = (*next)->transaction.value;
                    if (first_transaction == 0) first_transaction = transaction;
                    if (transaction == first_transaction) ++of_first;
                }
                if (of_first != 0 && of_first != 4) ++torn;
            }
        });
        on_threads(4, [&](std::uint64_t writer) {
            for (std::uint64_t i = 0; i < rounds / 4; ++i) {
                Transaction transaction = fixture->begin();
                transaction.append("one", segment_name(writer), "1");
                transaction.append("two", segment_name(writer), "2");
                transaction.append("one", segment_name(writer), "3");
                transaction.append("two", "shared", "4");
                static_cast<void>(
                    transaction.commit(i % 3 == 0 ? Durability::durable : Durability::buffered));
            }
        });
        done = true;
        observer.join();
        CHECK(torn == 0);
    });
}

TEST_CASE("V-02 concurrent: closing beside writers and readers tells them") {
    with_every_size([](StoreFixture& fixture) {
        must_append(fixture.store(), "sp", "a", 1, 1);
        std::atomic<std::uint64_t> wrong = 0;
        std::atomic<std::uint64_t> acknowledged = 0;
        std::vector<std::thread> threads;
        std::barrier start(7);
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                start.arrive_and_wait();
                for (;;) {
                    const Result<Receipt> result = fixture->append("sp", "a", "x");
                    if (result) {
                        ++acknowledged;
                        continue;
                    }
                    if (result.error().code() != Errc::closed) ++wrong;
                    return;
                }
            });
        }
        for (int i = 0; i < 2; ++i) {
            threads.emplace_back([&] {
                Follower follower = fixture->follow_space("sp");
                start.arrive_and_wait();
                while (const Result<Entry>* next = follower.next(std::chrono::seconds(60))) {
                    if (*next) continue;
                    if (next->error().code() != Errc::closed) ++wrong;
                    return;
                }
                ++wrong;
            });
        }
        start.arrive_and_wait();
        while (acknowledged < 100) std::this_thread::yield();
        CHECK(fixture->close().has_value());
        for (std::thread& thread : threads) thread.join();
        CHECK(wrong == 0);
        fixture.open();
        CHECK(last_sequence(*fixture, "sp", "a") == acknowledged + 1);
    });
}

}  // namespace braid::test
