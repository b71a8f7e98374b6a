// Status signals: what comes first, what is told as one, and who is hindered by whom.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

constexpr std::chrono::minutes generous{2};

/// What a handler was told, as "segment:last sequence"; can hold the handler up.
class Told {
public:
    [[nodiscard]] StatusHandler handler() {
        return [this](const StatusSignal& signal) { take(signal); };
    }
    void block() {
        const std::scoped_lock lock(mutex_);
        is_blocked_ = true;
    }
    void release() {
        const std::scoped_lock lock(mutex_);
        is_blocked_ = false;
        changed_.notify_all();
    }
    /// Waits until the handler was called so often, and returns all calls.
    std::vector<std::string> wait(std::size_t calls) {
        std::unique_lock lock(mutex_);
        REQUIRE(changed_.wait_for(lock, generous, [&] { return told_.size() >= calls; }));
        return told_;
    }
    /// Waits until it was told of this; returns all calls.
    std::vector<std::string> wait(const std::string& last) {
        std::unique_lock lock(mutex_);
        REQUIRE(changed_.wait_for(lock, generous,
                                  [&] { return !told_.empty() && told_.back() == last; }));
        return told_;
    }
    [[nodiscard]] SegmentStatus last_status() {
        const std::scoped_lock lock(mutex_);
        return statuses_.back();
    }

private:
    void take(const StatusSignal& signal) {
        std::unique_lock lock(mutex_);
        told_.push_back(fmt::format("{}:{}", signal.segment, signal.status.last_sequence.value));
        statuses_.push_back(signal.status);
        changed_.notify_all();
        changed_.wait(lock, [this] { return !is_blocked_; });
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> told_;
    std::vector<SegmentStatus> statuses_;
    bool is_blocked_ = false;
};

using Texts = std::vector<std::string>;

void append_next(Store& store, std::string_view segment, int count = 1) {
    for (int i = 0; i < count; ++i) must(store.append("sp", segment, "x"));
}

SubscriptionStat wait_for_end(const Subscription& subscription) {
    const auto end = std::chrono::steady_clock::now() + generous;
    while (subscription.stat().is_active && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
    return subscription.stat();
}

}  // namespace

TEST_CASE("U-01 a subscriber of a segment is told how far it has come") {
    with_every_size([](StoreFixture& fixture) {
        Told told;
        auto subscription = must(fixture->subscribe("sp", "seg-a", told.handler()));
        must_append(*fixture, "sp", "seg-a", 1, 3);
        CHECK(told.wait("seg-a:3") == Texts{"seg-a:3"});
        CHECK(told.last_status().first_sequence == 1);
        CHECK(told.last_status().last_position == 3);
    });
}

TEST_CASE("U-02 no call comes after unsubscribe has returned") {
    with_every_size([](StoreFixture& fixture) {
        Told told;
        Told other;
        auto subscription = must(fixture->subscribe("sp", "a", told.handler()));
        auto still = must(fixture->subscribe("sp", "a", other.handler()));
        append_next(*fixture, "a", 3);
        told.wait("a:3");
        subscription.unsubscribe();
        append_next(*fixture, "a");
        other.wait("a:4");
        CHECK(told.wait(1).back() == "a:3");
        CHECK_FALSE(subscription.stat().is_active);
    });
}

TEST_CASE("U-03 a subscriber of a space is told of all its segments, and of no others") {
    with_every_size([](StoreFixture& fixture) {
        Told told;
        auto subscription = must(fixture->subscribe("sp", told.handler()));
        append_next(*fixture, "a");
        told.wait("a:1");
        must_append(*fixture, "sp2", "z", 1, 1);
        append_next(*fixture, "b");
        CHECK(told.wait(2) == Texts{"a:1", "b:1"});
    });
}

TEST_CASE("U-04 a subscriber of a segment isn't told of another, whatever its name") {
    with_every_size([](StoreFixture& fixture) {
        Told told;
        Told star;
        auto subscription = must(fixture->subscribe("sp", "a", told.handler()));
        auto of_star = must(fixture->subscribe("sp", "*", star.handler()));
        append_next(*fixture, "b");
        append_next(*fixture, "ab");
        append_next(*fixture, "a");
        CHECK(told.wait(1) == Texts{"a:1"});
        append_next(*fixture, "*");
        CHECK(star.wait(1) == Texts{"*:1"});
    });
}

TEST_CASE("U-05 subscribers of the segment and of its space are both told") {
    with_every_size([](StoreFixture& fixture) {
        Told exact;
        Told space;
        auto first = must(fixture->subscribe("sp", "a", exact.handler()));
        auto second = must(fixture->subscribe("sp", space.handler()));
        append_next(*fixture, "a");
        CHECK(exact.wait(1) == Texts{"a:1"});
        CHECK(space.wait(1) == Texts{"a:1"});
    });
}

TEST_CASE("U-06 the first signal is the segment's status") {
    in_every_state([](Store& store) { must_append(store, "sp", "a", 1, 3); },
                   [](Store& store) {
                       Told told;
                       auto subscription = must(store.subscribe("sp", "a", told.handler()));
                       CHECK(told.wait(1) == Texts{"a:3"});
                       const SegmentStatus status = must(store.status("sp", "a"));
                       CHECK(told.last_status().first_sequence == 1);
                       CHECK(told.last_status().first_timestamp == status.first_timestamp);
                       CHECK(told.last_status().first_timestamp != 0);
                       CHECK(told.last_status().last_timestamp == status.last_timestamp);
                       CHECK(told.last_status().last_position == status.last_position);
                   });
}

TEST_CASE("U-06 the status of a trimmed segment begins with what is left") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "sp", "a", 1, 3);
        must_append(*fixture, "sp", "a", 4, 6);
        must(fixture->trim("sp", "a", 4));
        Told told;
        auto subscription = must(fixture->subscribe("sp", told.handler()));
        CHECK(told.wait(1) == Texts{"a:6"});
        CHECK(told.last_status().first_sequence == 5);
        append_next(*fixture, "a");
        CHECK(told.wait(2) == Texts{"a:6", "a:7"});
        CHECK(told.last_status().first_sequence == 5);
        CHECK(told.last_status().first_timestamp ==
              must(fixture->status("sp", "a")).first_timestamp);
    });
}

TEST_CASE("U-07 the statuses of a space come first, by name") {
    in_every_state(
        [](Store& store) {
            for (const char* name : {"b", "a0", "Z", "a"}) must_append(store, "sp", name, 1, 2);
        },
        [](Store& store) {
            Told told;
            auto subscription = must(store.subscribe("sp", told.handler()));
            CHECK(told.wait(4) == Texts{"Z:2", "a:2", "a0:2", "b:2"});
        });
}

TEST_CASE("U-08 a segment without an entry is told of with its first") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "sp", "other", 1, 1);
        Told told;
        auto subscription = must(fixture->subscribe("sp", "a", told.handler()));
        append_next(*fixture, "other");
        append_next(*fixture, "a");
        CHECK(told.wait(1) == Texts{"a:1"});
        CHECK(subscription.stat().error == std::nullopt);
    });
}

TEST_CASE("U-09 what comes during the first statuses is told behind them, the latest of each") {
    with_every_size([](StoreFixture& fixture) {
        must_append(*fixture, "sp", "a", 1, 5);
        must_append(*fixture, "sp", "b", 1, 8);
        Told told;
        told.block();
        auto subscription = must(fixture->subscribe("sp", told.handler()));
        told.wait(1);
        append_next(*fixture, "a", 2);
        append_next(*fixture, "b");
        must(fixture->drain());
        told.release();
        CHECK(told.wait(4) == Texts{"a:5", "b:8", "a:7", "b:9"});
    });
}

TEST_CASE("U-10 a slow subscriber holds up nobody, and is told the latest next") {
    with_every_size([](StoreFixture& fixture) {
        Told slow;
        Told quick;
        slow.block();
        auto of_slow = must(fixture->subscribe("sp", slow.handler()));
        auto of_quick = must(fixture->subscribe("sp", quick.handler()));
        append_next(*fixture, "a");
        slow.wait(1);
        append_next(*fixture, "a", 99);
        quick.wait("a:100");
        slow.release();
        CHECK(slow.wait(2) == Texts{"a:1", "a:100"});
    });
}

TEST_CASE("U-11 of each segment the latest is told to a subscriber that was busy") {
    with_every_size([](StoreFixture& fixture) {
        Told told;
        told.block();
        auto subscription = must(fixture->subscribe("sp", told.handler()));
        append_next(*fixture, "x");
        told.wait(1);
        for (const char* name : {"a", "b", "c", "a", "b", "a"}) append_next(*fixture, name);
        told.release();
        CHECK(told.wait(4) == Texts{"x:1", "a:3", "b:2", "c:1"});
    });
}

TEST_CASE("U-12 a handler that throws is called again, and it is counted") {
    with_every_size([](StoreFixture& fixture) {
        Told told;
        bool has_thrown = false;
        auto subscription = must(fixture->subscribe("sp", "a", [&](const StatusSignal& signal) {
            told.handler()(signal);
            if (!std::exchange(has_thrown, true)) throw std::runtime_error("once");
        }));
        append_next(*fixture, "a");
        told.wait(1);
        append_next(*fixture, "a");
        told.wait("a:2");
        subscription.unsubscribe();
        CHECK(subscription.stat().thrown == 1);
        CHECK(subscription.stat().signals == 2);
    });
}

TEST_CASE("V-07 a subscriber that throws doesn't fail a commit") {
    with_every_size([](StoreFixture& fixture) {
        auto subscription = must(
            fixture->subscribe("sp", [](const StatusSignal&) { throw std::runtime_error("no"); }));
        for (std::uint64_t i = 1; i <= 50; ++i) must_append(*fixture, "sp", "a", i, i);
    });
}

TEST_CASE("U-15 a subscription tells whether it is active, has failed or has ended") {
    StoreFixture fixture;
    Told told;
    auto active = must(fixture->subscribe("sp", told.handler()));
    CHECK(active.stat().is_active);
    CHECK(active.stat().error == std::nullopt);
    auto unsubscribed = must(fixture->subscribe("sp", told.handler()));
    unsubscribed.unsubscribe();
    CHECK_FALSE(unsubscribed.stat().is_active);
    CHECK(unsubscribed.stat().error == std::nullopt);
    fixture.close();
    CHECK_FALSE(wait_for_end(active).is_active);
    CHECK(active.stat().error == std::nullopt);
}

TEST_CASE("U-15 a subscription that meets damage fails with it") {
    StoreFixture fixture;
    must_append(*fixture, "sp", "a", 1, 1);
    fixture.close();
    REQUIRE(damage_stored(fixture.directory(), test_data(1)) > 0);
    fixture.open();
    Told told;
    auto subscription = must(fixture->subscribe("sp", told.handler()));
    const SubscriptionStat stat = wait_for_end(subscription);
    REQUIRE(stat.error);
    CHECK(stat.error->code() == Errc::corrupt);
    CHECK(stat.signals == 0);
}

TEST_CASE("U-15 a subscription without a handler, or of a closed store, is refused") {
    StoreFixture fixture;
    CHECK(code(fixture->subscribe("sp", nullptr)) == Errc::invalid_argument);
    const auto nothing = [](const StatusSignal&) {};
    CHECK(code(fixture->subscribe("sp", nothing, {.pending_max = 0})) == Errc::invalid_argument);
    must(fixture->close());
    CHECK(code(fixture->subscribe("sp", nothing)) == Errc::closed);
}

TEST_CASE("U-16 a handler may unsubscribe, and end its subscription") {
    for (const bool ends_it : {false, true}) {
        CAPTURE(ends_it);
        StoreFixture fixture;
        Told told;
        std::mutex mutex;  // of subscription
        std::optional<Subscription> subscription;
        {
            const std::scoped_lock lock(mutex);
            subscription = must(fixture->subscribe("sp", [&](const StatusSignal& signal) {
                {
                    const std::scoped_lock inner(mutex);
                    subscription->unsubscribe();
                    subscription->unsubscribe();
                    if (ends_it) subscription.reset();
                }
                told.handler()(signal);
            }));
        }
        Told other;
        auto still = must(fixture->subscribe("sp", other.handler()));
        append_next(*fixture, "a");
        told.wait(1);
        append_next(*fixture, "a", 2);
        other.wait("a:3");
        const std::scoped_lock lock(mutex);
        if (subscription) subscription->unsubscribe();
        CHECK(told.wait(1) == Texts{"a:1"});
    }
}

TEST_CASE("U-18 a subscriber with news of too many segments is dropped, others are not") {
    StoreFixture fixture;
    Told slow;
    Told other;
    slow.block();
    auto of_slow = must(fixture->subscribe("sp", slow.handler(), {.pending_max = 2}));
    auto of_other = must(fixture->subscribe("sp", other.handler()));
    append_next(*fixture, "x");
    slow.wait(1);
    for (const char* name : {"a", "b", "c"}) append_next(*fixture, name);
    other.wait("c:1");
    slow.release();
    const SubscriptionStat stat = wait_for_end(of_slow);
    REQUIRE(stat.error);
    CHECK(stat.error->code() == Errc::too_large);
    CHECK(stat.error->message().find("too slow") != std::string::npos);
    CHECK(slow.wait(1) == Texts{"x:1"});
    append_next(*fixture, "d");
    other.wait("d:1");
    CHECK(of_other.stat().is_active);
}

TEST_CASE("V-04 concurrent: in each call all entries up to the last can be read") {
    constexpr std::uint64_t writers = 3;
    const std::uint64_t appends = sanitized ? 40 : 300;
    with_every_size([&](StoreFixture& fixture) {
        std::atomic<std::uint64_t> missing = 0;
        std::atomic<std::uint64_t> complete = 0;
        const auto read_up_to = [&](const StatusSignal& signal) {
            const Sequence last = signal.status.last_sequence;
            std::uint64_t read = 0;
            Reader reader =
                fixture->read_segment("sp", signal.segment, {.to = last, .level = Level::durable});
            for (const auto* entry = reader.next(); entry != nullptr && *entry;
                 entry = reader.next())
                if ((**entry).sequence == read + 1) ++read;
            if (last != read) ++missing;
            if (last == appends) ++complete;
        };
        auto subscription = must(fixture->subscribe("sp", read_up_to));
        std::vector<std::thread> threads;
        for (std::uint64_t writer = 0; writer < writers; ++writer)
            threads.emplace_back([&, writer] {
                for (std::uint64_t i = 0; i < appends; ++i)
                    must(fixture->append("sp", segment_name(writer), "x", {},
                                         i % 8 == 0 ? Durability::durable : Durability::buffered));
            });
        for (std::thread& thread : threads) thread.join();
        must(fixture->sync());
        const auto end = std::chrono::steady_clock::now() + generous;
        while (complete < writers && std::chrono::steady_clock::now() < end)
            std::this_thread::yield();
        CHECK(complete == writers);
        CHECK(missing == 0);
    });
}

TEST_CASE("V-04 at the committed level a buffered commit is told, at the durable level its sync") {
    Options options = default_options();
    options.flush_interval = std::chrono::hours(1);
    StoreFixture fixture(options);
    Told committed;
    Told durable;
    must_append(*fixture, "sp", "a", 1, 1, Durability::buffered);
    auto first = must(fixture->subscribe("sp", durable.handler()));
    auto second = must(fixture->subscribe("sp", committed.handler(), {.level = Level::committed}));
    committed.wait("a:1");
    must_append(*fixture, "sp", "a", 2, 2, Durability::buffered);
    committed.wait("a:2");
    must(fixture->sync());
    CHECK(durable.wait("a:2") == Texts{"a:2"});
}

TEST_CASE("U-10 concurrent: signals never go back, can be read at once, and end with the latest") {
    constexpr int writers = 4;
    constexpr int segments = 5;
    const int appends = sanitized ? 150 : 1000;
    StoreFixture fixture(small_options());
    std::mutex mutex;  // of `last` and `problem`
    std::map<std::string, std::uint64_t> last;
    std::string problem;
    const auto check = [&](const StatusSignal& signal) {
        const auto newest = fixture->peek("sp", signal.segment, Level::durable);
        const std::scoped_lock lock(mutex);
        std::uint64_t& before = last[std::string(signal.segment)];
        if (!newest || !*newest || (**newest)->sequence < signal.status.last_sequence)
            problem = fmt::format("{} was told before it can be read", signal.segment);
        if (signal.status.last_sequence <= before)
            problem = fmt::format("{} was told {} after {}", signal.segment,
                                  signal.status.last_sequence.value, before);
        before = signal.status.last_sequence.value;
    };
    auto checked = must(fixture->subscribe("sp", check));
    auto throwing = must(
        fixture->subscribe("sp", [](const StatusSignal&) { throw std::runtime_error("always"); }));
    std::atomic<bool> is_done = false;
    std::thread comes_and_goes([&] {
        while (!is_done) {
            std::atomic<bool> is_over = false;
            std::atomic<bool> came_late = false;
            {
                auto brief = must(fixture->subscribe(
                    "sp", "s1", [&](const StatusSignal&) { came_late = is_over.load(); }));
                brief.unsubscribe();
                is_over = true;
            }
            const std::scoped_lock lock(mutex);
            if (came_late) problem = "a call after unsubscribe";
        }
    });
    std::vector<std::thread> threads;
    for (int i = 0; i < writers; ++i)
        threads.emplace_back([&, i] {
            for (int j = 0; j < appends; ++j)
                append_next(*fixture, fmt::format("s{}", (i + j) % segments));
        });
    for (std::thread& thread : threads) thread.join();
    is_done = true;
    comes_and_goes.join();
    const std::uint64_t each = static_cast<std::uint64_t>(writers * appends / segments);
    const auto end = std::chrono::steady_clock::now() + generous;
    const auto all_told = [&] {
        const std::scoped_lock lock(mutex);
        std::size_t complete = 0;
        for (const auto& [segment, sequence] : last) complete += sequence == each ? 1 : 0;
        return complete == segments;
    };
    while (!all_told() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    CHECK(all_told());
    CHECK(problem.empty());
    CHECK(throwing.stat().is_active);
    CHECK(throwing.stat().thrown > 0);
}

}  // namespace braid::test
