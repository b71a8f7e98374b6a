// One order explains what all threads did and saw. BRAID_SECONDS=n: again and again for so long.
#include "tests/engine/concurrent_history.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <semaphore>
#include <thread>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t writers = 8;
constexpr std::size_t readers = 4;
constexpr std::size_t followers = 2;
constexpr std::size_t peekers = 2;
constexpr std::uint64_t segments = 5;
constexpr std::uint64_t entries_max = sanitized ? 1'000 : 5'000;
// A thread that sees faster than others write would fill all memory: its newest are kept.
constexpr std::size_t readings_max = 20;
constexpr std::size_t peeks_max = 20'000;

/// A store at work under all kinds of threads, and what they were told.
class Crowd {
public:
    explicit Crowd(Store& store) : store_(store) {}

    /// Lets all of them run until there are enough entries, and everybody has looked at some, then
    /// closes the store under them.
    void run();
    [[nodiscard]] ConcurrentHistory take() { return std::move(history_); }
    [[nodiscard]] std::uint64_t appended() const noexcept { return appended_; }

private:
    void write(std::size_t writer);
    Attempt attempt(std::size_t writer, std::uint64_t round);
    void read(std::size_t reader);
    void follow(std::size_t follower);
    void peek(std::size_t peeker);
    void drain();
    [[nodiscard]] Moment now() { return ++moments_; }
    void tell_enough() {
        if (!told_enough_.exchange(true)) enough_.release();
    }
    /// Told by each who looks when it has done so for the second time.
    void looked_twice() {
        if (++looked_twice_ == readers + followers + peekers) tell_if_enough();
    }
    void tell_if_enough() {
        if (appended_ >= entries_max && looked_twice_ == readers + followers + peekers)
            tell_enough();
    }
    [[nodiscard]] bool stopping() const noexcept { return stop_; }
    template <class T>
    void keep(std::vector<T> ConcurrentHistory::*list, std::vector<T> own) {
        const std::scoped_lock lock(mutex_);
        for (T& one : own) (history_.*list).push_back(std::move(one));
    }

    Store& store_;
    std::atomic<Moment> moments_{0};
    std::atomic<std::uint64_t> appended_{0};
    std::atomic<std::size_t> looked_twice_{0};
    std::atomic<bool> stop_{false};
    std::atomic<std::uint64_t> failures_{0};
    std::atomic<bool> told_enough_{false};
    std::binary_semaphore enough_{0};
    std::mutex mutex_;  // of history_
    ConcurrentHistory history_;
};

Delivered delivered(const Entry& entry) {
    return {entry.position.value, entry.sequence.value,
            fmt::format("{}/{}", entry.space, entry.segment), std::string(entry.text())};
}

/// Forgets the older half of what has become more than most.
template <class T>
void keep_newest(std::vector<T>& seen, std::size_t most) {
    if (seen.size() > most)
        seen.erase(seen.begin(), seen.end() - static_cast<std::ptrdiff_t>(most / 2));
}

Attempt Crowd::attempt(std::size_t writer, std::uint64_t round) {
    Attempt attempt;
    attempt.durable = (writer + round) % 3 != 0;
    Transaction transaction = store_.begin();
    const std::uint64_t count = 1 + (writer + round) % 4;
    for (std::uint64_t i = 0; i < count; ++i) {
        attempt.payloads.push_back(fmt::format("{}:{}:{}", writer, round, i));
        if (round % 16 == 0) attempt.payloads.back().resize(2000, '.');
        AppendOptions options;
        // Hopeless now and then: a refused one must leave nothing.
        if (round % 11 == 7 && i + 1 == count) options.expect = expect::none();
        transaction.append(space_name((writer + i) % 2), segment_name((round + i) % segments),
                           attempt.payloads.back(), options);
    }
    attempt.begun = now();
    const auto receipt =
        transaction.commit(attempt.durable ? Durability::durable : Durability::buffered);
    attempt.ended = now();
    if (receipt) {
        attempt.first = receipt->first_position.value;
        attempt.last = receipt->last_position.value;
        attempt.timestamp = receipt->timestamp.value;
        appended_ += count;
        tell_if_enough();
    } else {
        attempt.outcome = receipt.error().code() == Errc::unknown_outcome
                              ? Attempt::Outcome::unknown
                              : Attempt::Outcome::refused;
        // Anything else than a conflict ends the run; what isn't the closing's doing fails it.
        const Errc code = receipt.error().code();
        if (code != Errc::conflict) stop_ = true;
        if (code != Errc::conflict && code != Errc::closed) ++failures_;
        if (stop_) tell_enough();
    }
    return attempt;
}

void Crowd::write(std::size_t writer) {
    std::vector<Attempt> own;
    for (std::uint64_t round = 0; !stopping(); ++round) own.push_back(attempt(writer, round));
    keep(&ConcurrentHistory::attempts, std::move(own));
}

void Crowd::read(std::size_t reader) {
    std::vector<Reading> own;
    for (std::uint64_t round = 0; !stopping(); ++round) {
        Reading reading;
        reading.durable = round % 2 == 0;
        const Level level = reading.durable ? Level::durable : Level::committed;
        const std::uint64_t number = (reader + round) % segments;
        const bool whole = round % 3 == 0;
        if (!whole) reading.segment = fmt::format("{}/{}", space_name(0), segment_name(number));
        reading.opened_after = now();
        Reader source =
            whole ? store_.read_all({.level = level})
                  : store_.read_segment(space_name(0), segment_name(number), {.level = level});
        reading.opened_before = now();
        bool ended = true;
        while (const Result<Entry>* next = source.next()) {
            ended = next->has_value();
            if (!ended) break;
            reading.entries.push_back(delivered(**next));
        }
        if (round == 1) looked_twice();
        if (ended) own.push_back(std::move(reading));
        keep_newest(own, readings_max);
    }
    keep(&ConcurrentHistory::readings, std::move(own));
}

void Crowd::follow(std::size_t follower) {
    Reading reading;
    reading.follows = true;
    reading.durable = follower % 2 == 0;
    reading.opened_after = now();
    Follower source =
        store_.follow_all({.level = reading.durable ? Level::durable : Level::committed});
    reading.opened_before = now();
    for (;;) {
        const Result<Entry>* next = source.next(std::chrono::seconds(60));
        if (next == nullptr || !*next) break;
        reading.entries.push_back(delivered(**next));
        if (reading.entries.size() == 2) looked_twice();
    }
    keep(&ConcurrentHistory::readings, {std::move(reading)});
}

void Crowd::peek(std::size_t peeker) {
    std::vector<Peek> own;
    for (std::uint64_t round = 0; !stopping(); ++round) {
        Peek peek;
        peek.thread = peeker;
        peek.durable = round % 2 == 0;
        const std::uint64_t number = round / 2 % segments;
        peek.segment = fmt::format("{}/{}", space_name(1), segment_name(number));
        peek.before = now();
        const auto found = store_.peek(space_name(1), segment_name(number),
                                       peek.durable ? Level::durable : Level::committed);
        peek.after = now();
        if (!found) break;
        if (*found) {
            peek.sequence = (**found)->sequence.value;
            peek.position = (**found)->position.value;
        }
        own.push_back(std::move(peek));
        keep_newest(own, peeks_max);
        if (round == 1) looked_twice();
    }
    keep(&ConcurrentHistory::peeks, std::move(own));
}

void Crowd::drain() {
    while (!stopping())
        if (!store_.drain()) break;
}

void Crowd::run() {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < writers; ++i) threads.emplace_back([this, i] { write(i); });
    for (std::size_t i = 0; i < readers; ++i) threads.emplace_back([this, i] { read(i); });
    for (std::size_t i = 0; i < followers; ++i) threads.emplace_back([this, i] { follow(i); });
    for (std::size_t i = 0; i < peekers; ++i) threads.emplace_back([this, i] { peek(i); });
    threads.emplace_back([this] { drain(); });
    enough_.acquire();
    // While commits are in flight and readers on their way.
    const auto closed = store_.close();
    stop_ = true;
    for (std::thread& thread : threads) thread.join();
    must(closed);
    CHECK(failures_ == 0);
}

/// Two commits, one after the other, and a reader of both.
ConcurrentHistory sound_history() {
    ConcurrentHistory history;
    history.attempts.push_back({1, 2, Attempt::Outcome::done, true, 1, 2, 10, {"a", "b"}});
    history.attempts.push_back({3, 4, Attempt::Outcome::done, true, 3, 3, 11, {"c"}});
    history.end = {{1, 1, "s", "a"}, {2, 1, "t", "b"}, {3, 2, "s", "c"}};
    history.readings.push_back({5, 6, true, false, "", history.end});
    history.peeks.push_back({5, 6, 0, true, "s", 2, 3});
    return history;
}

template <class Change>
void check_noticed(std::string_view words, const Change& change) {
    ConcurrentHistory history = sound_history();
    change(history);
    const std::string problem = unexplained(history);
    CHECK_MESSAGE(problem.find(words) != std::string::npos, words << " expected: " << problem);
}

}  // namespace

TEST_CASE("a history of commits and reads that no order explains is told") {
    CHECK(unexplained(sound_history()).empty());
    check_noticed("position 4 follows 2", [](auto& h) { h.end[2].position = 4; });
    check_noticed("expected 2", [](auto& h) { h.end[2].sequence = 3; });
    check_noticed("isn't there as a whole", [](auto& h) { h.end[1].payload = "x"; });
    check_noticed("is in the store twice", [](auto& h) { h.end[2].payload = "a"; });
    check_noticed("is not there", [](auto& h) { h.end.pop_back(); });
    check_noticed("nobody committed", [](auto& h) { h.attempts.pop_back(); });
    check_noticed("was refused, and is there",
                  [](auto& h) { h.attempts[1].outcome = Attempt::Outcome::refused; });
    check_noticed("the receipt of", [](auto& h) { h.attempts[1].first = 2; });
    check_noticed("was over before one with a smaller position began", [](auto& h) {
        h.attempts[0].begun = 5;
        h.attempts[0].ended = 6;
    });
    check_noticed("the timestamp goes back", [](auto& h) { h.attempts[1].timestamp = 9; });
    check_noticed("out of its turn",
                  [](auto& h) { h.readings[0].entries.erase(h.readings[0].entries.begin()); });
    check_noticed("out of its turn", [](auto& h) { h.readings[0].entries[1].segment = "s"; });
    check_noticed("was committed before it was opened",
                  [](auto& h) { h.readings[0].entries.pop_back(); });
    check_noticed("began after it was opened", [](auto& h) {
        h.readings[0].opened_after = 1;
        h.readings[0].opened_before = 2;
    });
    check_noticed("within a transaction", [](auto& h) {
        h.readings[0].opened_after = 1;
        h.readings[0].entries.resize(1);
    });
    check_noticed("went back", [](auto& h) { h.peeks.push_back({7, 8, 0, true, "s", 1, 1}); });
    check_noticed("was committed before", [](auto& h) { h.peeks[0] = {5, 6, 0, true, "s", 1, 1}; });
    check_noticed("before it was committed", [](auto& h) {
        h.peeks[0].before = 1;
        h.peeks[0].after = 2;
    });
}

TEST_CASE("concurrent: one order explains what 8 writers, readers, followers and peeks saw") {
    const char* text = ::getenv("BRAID_SECONDS");
    const auto until = Clock::now() + std::chrono::seconds(text == nullptr ? 0 : std::atoi(text));
    std::uint64_t explained = 0;
    do {
        with_every_size([&](StoreFixture& fixture) {
            Crowd crowd(fixture.store());
            crowd.run();
            fixture.open();  // what was in flight at the close is there or not, for good
            explained += crowd.appended();
            ConcurrentHistory history = crowd.take();
            Reader all = fixture->read_all();
            while (const Result<Entry>* next = all.next()) {
                REQUIRE(next->has_value());
                history.end.push_back(delivered(**next));
            }
            CHECK(history.readings.size() > readers);
            CHECK(history.peeks.size() > peekers);
            CHECK(unexplained(history) == "");
        });
    } while (Clock::now() < until);
    fmt::print("figure: concurrent appends explained by one order: {}\n", explained);
}

}  // namespace braid::test
