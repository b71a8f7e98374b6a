/// Commits that wait for the flush.

#include <benchmark/benchmark.h>

#include <atomic>
#include <braid/store.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "bench/floor.h"
#include "bench/records.h"

namespace bench {
namespace {

constexpr std::size_t segment_count = 1000;
constexpr int async_window = 16'384;

/// One block a write, durable when the call returns: what a log that groups nothing could do.
class Floor : public benchmark::Fixture {
protected:
    void run(benchmark::State& state, FloorLog::Way way) {
        if (state.thread_index() == 0) {
            scratch_.emplace();
            log_.emplace(scratch_->path() + "/log", way);
        }
        const auto thread = static_cast<std::uint64_t>(state.thread_index());
        const auto threads = static_cast<std::uint64_t>(state.threads());
        std::uint64_t block = thread;
        for (auto _ : state) {
            if (!log_->problem().empty()) {
                state.SkipWithError(log_->problem().c_str());
                break;
            }
            log_->write(block);
            block += threads;
        }
        state.SetItemsProcessed(state.iterations());
    }
    void TearDown(benchmark::State& state) override {
        if (state.thread_index() != 0) return;
        log_.reset();
        scratch_.reset();
    }

private:
    std::optional<Scratch> scratch_;
    std::optional<FloorLog> log_;
};

BENCHMARK_DEFINE_F(Floor, durable_direct)(benchmark::State& state) {
    run(state, FloorLog::Way::direct);
}
BENCHMARK_REGISTER_F(Floor, durable_direct)->Threads(1)->Threads(8)->Threads(64)->UseRealTime();

BENCHMARK_DEFINE_F(Floor, durable_fdatasync)(benchmark::State& state) {
    run(state, FloorLog::Way::synced);
}
BENCHMARK_REGISTER_F(Floor, durable_fdatasync)->Threads(1)->Threads(8)->Threads(64)->UseRealTime();

/// A new store for each run, shared by its threads.
class Durable : public benchmark::Fixture {
public:
    void SetUp(benchmark::State& state) override {
        if (state.thread_index() != 0) return;  // the others wait where their loops begin
        scratch_.emplace();
        names_ = segment_names(segment_count);
        store_.emplace(
            must(braid::Store::open(scratch_->path(), {.create = true, .io = io_asked()})));
        // The names are there and the log has grown before the clock starts.
        append_to_all();
    }
    void TearDown(benchmark::State& state) override {
        if (state.thread_index() != 0) return;
        state.counters["batches"] = static_cast<double>(store_->metrics().batches);
        store_.reset();
        scratch_.reset();
    }

protected:
    void append_to_all() {
        auto transaction = store_->begin();
        for (const std::string& name : names_) transaction.append(space, name, payload());
        must(transaction.commit());
    }
    [[nodiscard]] const std::string& some_segment(Random& random) const {
        return names_[random.below(names_.size())];
    }
    static Random random_of(const benchmark::State& state) {
        return Random(static_cast<std::uint64_t>(state.thread_index()) + 1);
    }

    std::optional<Scratch> scratch_;
    std::vector<std::string> names_;
    std::optional<braid::Store> store_;
};

BENCHMARK_DEFINE_F(Durable, append)(benchmark::State& state) {
    Random random = random_of(state);
    for (auto _ : state) must(store_->append(space, some_segment(random), payload()));
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK_REGISTER_F(Durable, append)->Threads(1)->Threads(8)->Threads(64)->UseRealTime();

BENCHMARK_DEFINE_F(Durable, transaction_of_4_segments)(benchmark::State& state) {
    Random random = random_of(state);
    for (auto _ : state) {
        auto transaction = store_->begin();
        for (int n = 0; n < 4; ++n) transaction.append(space, some_segment(random), payload());
        must(transaction.commit());
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK_REGISTER_F(Durable, transaction_of_4_segments)->Threads(8)->UseRealTime();

/// An iteration is a window of commits, waited for as a whole.
BENCHMARK_DEFINE_F(Durable, async)(benchmark::State& state) {
    Random random = random_of(state);
    auto transaction = store_->begin();
    std::atomic<int> left{0};  // of the window; an int, so that waiting sleeps on it itself
    const auto count = [&](braid::Result<braid::Receipt> receipt) {
        must(std::move(receipt));
        if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) left.notify_one();
    };
    for (auto _ : state) {
        left.store(async_window, std::memory_order_relaxed);
        for (int n = 0; n < async_window; ++n) {
            transaction.append(space, some_segment(random), payload());
            transaction.commit_async(count);
        }
        for (int now = 0; (now = left.load(std::memory_order_acquire)) != 0;) left.wait(now);
    }
    state.SetItemsProcessed(state.iterations() * async_window);
}
BENCHMARK_REGISTER_F(Durable, async)->UseRealTime();

}  // namespace
}  // namespace bench
