/// Opening stores: after a crash, and after a clean close.

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <braid/store.hpp>
#include <chrono>
#include <filesystem>
#include <optional>

#include "bench/data_set.h"
#include "bench/floor.h"
#include "bench/records.h"

namespace bench {
namespace {

constexpr std::size_t segment_count = 1000;

class Stopwatch {
public:
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Leaves a store as a killed process does: a child writes and ends without closing. Nothing of
/// the benchmark's own runs in other threads at that time, so forking is safe.
void leave_undrained(const std::string& directory, std::uint64_t megabytes,
                     std::size_t transaction_records) {
    const pid_t child = ::fork();
    if (child < 0) give_up("fork failed");
    if (child == 0) {
        auto store = must(braid::Store::open(directory, undrained_options()));
        append_records(store, (megabytes << 20) / payload_bytes, segment_count,
                       transaction_records);
        ::_exit(0);
    }
    int status = 0;
    if (::waitpid(child, &status, 0) != child || status != 0)
        give_up("the process that writes a store to recover failed");
}

void copy_store(const std::string& from, const std::string& to) {
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

/// A store that was killed, and copies of it to open.
class Crashed : public benchmark::Fixture {
protected:
    const std::string& killed(std::int64_t megabytes, std::int64_t transaction_records) {
        if (megabytes_ != megabytes || transaction_records_ != transaction_records) {
            scratch_.emplace();
            leave_undrained(scratch_->path(), static_cast<std::uint64_t>(megabytes),
                            static_cast<std::size_t>(transaction_records));
            megabytes_ = megabytes;
            transaction_records_ = transaction_records;
        }
        return scratch_->path();
    }

private:
    std::int64_t megabytes_ = 0;
    std::int64_t transaction_records_ = 0;
    std::optional<Scratch> scratch_;
};

/// Arguments: megabytes of payload in the log; records of a transaction. The clock runs while the
/// store opens, not while it is copied or closed.
BENCHMARK_DEFINE_F(Crashed, recovery)(benchmark::State& state) {
    const std::string& from = killed(state.range(0), state.range(1));
    std::uint64_t bytes = 0;
    for (auto _ : state) {
        const Scratch scratch;
        const std::string directory = scratch.path() + "/store";
        copy_store(from, directory);
        const Stopwatch watch;
        auto store = must(braid::Store::open(directory, undrained_options()));
        state.SetIterationTime(watch.seconds());
        if (store.stat().recovered_bytes == 0) give_up("nothing was recovered");
        bytes += store.stat().recovered_bytes;
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK_REGISTER_F(Crashed, recovery)
    ->ArgNames({"payload_mb", "records"})
    ->Args({16, 1})
    ->Args({16, 100})
    ->Args({128, 100})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

/// The same files, read with read calls and hashed. They hold more than what is recovered: what is
/// left of the last log file is zeros.
BENCHMARK_DEFINE_F(Crashed, floor)(benchmark::State& state) {
    const std::string& from = killed(state.range(0), state.range(1));
    std::uint64_t bytes = 0;
    for (auto _ : state) bytes += read_and_hash(from);
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK_REGISTER_F(Crashed, floor)
    ->Name("Floor/recovery")
    ->ArgNames({"payload_mb", "records"})
    ->Args({128, 100})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

/// A store that was closed. Arguments: segments, of 10 records each.
void open_clean(benchmark::State& state) {
    const Scratch scratch;
    const auto segments = static_cast<std::size_t>(state.range(0));
    {
        auto store = must(braid::Store::open(scratch.path(), undrained_options()));
        append_records(store, segments * 10, segments, 10);
        must(store.close());
    }
    for (auto _ : state) {
        const Stopwatch watch;
        auto store = must(braid::Store::open(scratch.path(), {.io = io_asked()}));
        state.SetIterationTime(watch.seconds());
        must(store.close());
    }
}
BENCHMARK(open_clean)
    ->Name("Closed/open")
    ->ArgName("segments")
    ->Arg(1)
    ->Arg(1000)
    ->Arg(100'000)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

/// A closed store that keeps consumers, each moved once in a buffered commit of its own, twice
/// over, and ids of transactions, each with one record. Arguments: how many of each.
void open_with_kept(benchmark::State& state) {
    const Scratch scratch;
    const auto consumers = static_cast<std::uint64_t>(state.range(0));
    const auto ids = static_cast<std::uint64_t>(state.range(1));
    const std::uint64_t kept = consumers + ids;
    std::uint64_t log_bytes = 0;
    {
        auto store = must(braid::Store::open(scratch.path(), {.create = true, .io = io_asked()}));
        must(store.append(space, "segment", payload()));
        auto transaction = store.begin();
        const auto commit = [&] { must(transaction.commit(braid::Durability::buffered)); };
        for (std::uint64_t n = 0; n < 2 * consumers; ++n) {
            const auto name = fmt::format("consumer-{:06}", n * 7919 % consumers);
            transaction.set_consumer(name, space, n / consumers);
            commit();
        }
        for (std::uint64_t n = 0; n < ids; ++n) {
            transaction.append(space, "segment", payload()).set_id(transaction_id(n + 1));
            commit();
        }
        must(store.sync());
        log_bytes = store.metrics().log_bytes_written;
        must(store.close());
    }
    std::uint64_t catalog_bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(scratch.path()))
        if (file.path().filename().string().starts_with("catalog-"))
            catalog_bytes += file.file_size();
    for (auto _ : state) {
        const Stopwatch watch;
        auto store = must(braid::Store::open(scratch.path(), {.io = io_asked()}));
        state.SetIterationTime(watch.seconds());
        must(store.close());
    }
    const auto each = [&](std::uint64_t bytes, std::uint64_t count) {
        return static_cast<double>(bytes) / static_cast<double>(count);
    };
    state.counters["log_bytes_a_commit"] = each(log_bytes, 2 * consumers + ids);
    state.counters["catalog_bytes_each"] = each(catalog_bytes, kept);
}
BENCHMARK(open_with_kept)
    ->Name("Closed/open_with")
    ->ArgNames({"consumers", "ids"})
    ->Args({100'000, 0})
    ->Args({0, 1'000'000})
    ->UseManualTime()
    ->Iterations(5)
    ->Unit(benchmark::kMillisecond);

/// What an opening can't do without: a new file, durable with its name.
void floor_open(benchmark::State& state) {
    const Scratch scratch;
    std::uint64_t number = 0;
    for (auto _ : state) make_durable_file(scratch.path(), number++);
}
BENCHMARK(floor_open)->Name("Floor/open")->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace bench
