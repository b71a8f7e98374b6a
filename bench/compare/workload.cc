#include "bench/compare/workload.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "bench/compare/device.h"
#include "bench/compare/flusher.h"
#include "bench/place.h"
#include "bench/records.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

/// Bytes that no compression shrinks.
std::string random_bytes(std::size_t size) {
    Random random(1);
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.below(256));
    return bytes;
}

/// What one thread does, and how long each of its commits took.
class Worker {
public:
    Worker(Peer& peer, const Workload& workload, std::uint64_t number, const std::string& bytes)
        : workload_(workload),
          bytes_(bytes),
          random_(number + 1),
          session_(workload.async ? peer.async_session() : peer.session()),
          appends_(workload.records) {}

    void commit() {
        std::uint32_t segment = 0;
        const std::uint32_t run = workload_.records / workload_.segments_each;
        for (std::uint32_t i = 0; i < workload_.records; ++i) {
            if (i % run == 0)
                segment = static_cast<std::uint32_t>(random_.below(workload_.segments));
            appends_[i] = {segment, payload()};
        }
        session_->commit(appends_);
    }
    void run(const std::atomic<bool>& stop) {
        while (!stop.load(std::memory_order_relaxed)) {
            if (workload_.async || commits % timed_each() != 0) {
                commit();
            } else {
                const auto start = Clock::now();
                commit();
                latencies_ns.push_back(static_cast<std::uint32_t>(
                    std::min<std::int64_t>((Clock::now() - start).count(), UINT32_MAX)));
            }
            ++commits;
        }
        session_->finish();
    }

    std::uint64_t commits = 0;
    std::vector<std::uint32_t> latencies_ns;

private:
    /// Looking at the clock is dear beside a buffered commit.
    [[nodiscard]] std::uint64_t timed_each() const { return workload_.durable ? 1 : 16; }
    std::string_view payload() {
        const std::size_t at = random_.below(bytes_.size() - workload_.payload_bytes + 1);
        return std::string_view(bytes_).substr(at, workload_.payload_bytes);
    }

    const Workload& workload_;
    const std::string& bytes_;
    Random random_;
    std::unique_ptr<Session> session_;
    std::vector<Append> appends_;
};

double percentile_us(std::vector<std::uint32_t>& sorted_ns, double part) {
    if (sorted_ns.empty()) return 0;
    const auto at = static_cast<std::size_t>(part * static_cast<double>(sorted_ns.size()));
    return sorted_ns[std::min(at, sorted_ns.size() - 1)] / 1e3;
}

Measured run(Peer& peer, const Workload& workload, double seconds, std::uint64_t& commits) {
    // Few enough to stay in a processor's cache, as what a program has just made is there.
    const std::string bytes =
        random_bytes(std::max<std::size_t>(64 << 10, 2 * workload.payload_bytes));
    std::vector<std::unique_ptr<Worker>> workers;
    for (std::uint32_t i = 0; i < workload.threads; ++i)
        workers.push_back(std::make_unique<Worker>(peer, workload, i, bytes));
    for (std::uint32_t i = 0; i < 100; ++i) workers[0]->commit();  // so that the store has begun
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    std::unique_ptr<Flusher> flusher;
    if (!workload.durable) flusher = std::make_unique<Flusher>(peer);
    const auto start = Clock::now();
    for (const auto& worker : workers) threads.emplace_back([&] { worker->run(stop); });
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    stop = true;
    for (std::thread& thread : threads) thread.join();
    const std::chrono::duration<double> took = Clock::now() - start;
    flusher.reset();
    std::vector<std::uint32_t> latencies;
    for (const auto& worker : workers) {
        commits += worker->commits;
        latencies.insert(latencies.end(), worker->latencies_ns.begin(), worker->latencies_ns.end());
    }
    std::sort(latencies.begin(), latencies.end());
    Measured measured;
    measured.commits_per_second = static_cast<double>(commits) / took.count();
    measured.p50_us = percentile_us(latencies, 0.5);
    measured.p99_us = percentile_us(latencies, 0.99);
    measured.p999_us = percentile_us(latencies, 0.999);
    return measured;
}

}  // namespace

const std::vector<Workload>& workloads() {
    static const std::vector<Workload> all{
        {.name = "durable, 1 thread"},
        {.name = "durable, 2 threads", .threads = 2},
        {.name = "durable, 8 threads", .threads = 8},
        {.name = "durable, 16 threads", .threads = 16},
        {.name = "durable, 64 threads", .threads = 64},
        {.name = "durable, async, 1 thread", .async = true},
        {.name = "durable, 4 segments each, 8 threads",
         .threads = 8,
         .records = 4,
         .segments_each = 4},
        {.name = "buffered, one by one", .durable = false},
        {.name = "buffered, 100 each", .durable = false, .records = 100},
        {.name = "buffered, 1000 each", .durable = false, .records = 1000},
        {.name = "durable, 4 KiB, 4 threads", .threads = 4, .payload_bytes = 4 << 10},
        {.name = "durable, 64 KiB, 4 threads", .threads = 4, .payload_bytes = 64 << 10},
        {.name = "durable, 512 KiB, 4 threads", .threads = 4, .payload_bytes = 512 << 10},
    };
    return all;
}

Measured measure(const PeerKind& kind, const Workload& workload, double seconds) {
    const Scratch scratch;
    ::sync();  // what ran before must not be written at this one's cost
    const DeviceCounters before = device_counters(scratch.path());
    std::uint64_t commits = 0;
    Measured measured;
    {
        const auto peer = kind.open({scratch.path(), workload.segments, workload.durable});
        measured = run(*peer, workload, seconds, commits);
    }
    ::sync();
    const DeviceCounters after = device_counters(scratch.path());
    const double payload = static_cast<double>(commits) * workload.records * workload.payload_bytes;
    measured.device_bytes_per_byte =
        static_cast<double>(after.bytes_written - before.bytes_written) / payload;
    measured.flushes_per_commit =
        static_cast<double>(after.flushes - before.flushes) / static_cast<double>(commits);
    return measured;
}

Measured median_of(const std::vector<Measured>& rounds) {
    const auto median = [&](double Measured::*figure) {
        std::vector<double> values;
        for (const Measured& round : rounds) values.push_back(round.*figure);
        const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
        std::nth_element(values.begin(), middle, values.end());
        return *middle;
    };
    Measured result;
    for (double Measured::*figure :
         {&Measured::commits_per_second, &Measured::p50_us, &Measured::p99_us, &Measured::p999_us,
          &Measured::device_bytes_per_byte, &Measured::flushes_per_commit})
        result.*figure = median(figure);
    return result;
}

}  // namespace bench
