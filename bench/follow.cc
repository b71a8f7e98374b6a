/// How soon a follower has what was committed.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <braid/store.hpp>
#include <chrono>
#include <thread>
#include <vector>

#include "bench/place.h"
#include "bench/records.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

std::int64_t now_ns() {
    return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count();
}

/// A follower in a thread of its own, which tells when it had which entry.
class Watcher {
public:
    explicit Watcher(const braid::Store& store)
        : follower_(store.follow_space(space, {.level = braid::Level::committed})),
          thread_([this] { run(); }) {}
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;
    /// The store was closed.
    ~Watcher() { thread_.join(); }

    /// When it had the entry at this position. Waits for it.
    [[nodiscard]] std::int64_t had(braid::Position position) const {
        while (position_.load(std::memory_order_acquire) < position.value)
            std::this_thread::yield();
        return had_ns_.load(std::memory_order_relaxed);
    }

private:
    void run() {
        for (;;) {
            const auto* next = follower_.next();
            if (!*next) return;
            had_ns_.store(now_ns(), std::memory_order_relaxed);
            position_.store((**next).position.value, std::memory_order_release);
        }
    }

    braid::Follower follower_;
    std::atomic<std::int64_t> had_ns_{0};
    std::atomic<std::uint64_t> position_{0};
    std::thread thread_;
};

/// From a commit's return to its entry in the hands of a follower that slept. 0 where the follower
/// was sooner.
void follower_wake_up(benchmark::State& state) {
    const auto durability = braid::Durability(state.range(0));
    const Scratch scratch;
    braid::Options options;
    options.create = true;
    options.io = io_asked();
    auto store = must(braid::Store::open(scratch.path(), options));
    std::vector<double> waits_us;
    {
        Watcher watcher(store);
        for (auto _ : state) {
            std::this_thread::sleep_for(std::chrono::microseconds(200));
            auto transaction = store.begin();
            transaction.append(space, "followed", payload());
            const auto receipt = must(transaction.commit(durability));
            const std::int64_t returned = now_ns();
            const std::int64_t had = watcher.had(receipt.last_position);
            waits_us.push_back(static_cast<double>(std::max<std::int64_t>(had - returned, 0)) /
                               1e3);
            state.SetIterationTime(waits_us.back() / 1e6);
        }
        must(store.close());
    }
    std::sort(waits_us.begin(), waits_us.end());
    const auto at = [&](double share) {
        return waits_us[static_cast<std::size_t>(share * static_cast<double>(waits_us.size() - 1))];
    };
    state.counters["p50_us"] = at(0.5);
    state.counters["p99_us"] = at(0.99);
}
BENCHMARK(follower_wake_up)
    ->Name("Follow/wake_up")
    ->ArgName("durability")
    ->Arg(static_cast<int>(braid::Durability::buffered))
    ->Arg(static_cast<int>(braid::Durability::durable))
    ->Iterations(5000)
    ->UseManualTime();

}  // namespace
}  // namespace bench
