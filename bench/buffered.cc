/// Commits that don't wait for the flush.

#include <benchmark/benchmark.h>

#include <braid/store.hpp>
#include <cstring>
#include <vector>

#include "bench/floor.h"
#include "bench/records.h"

namespace bench {
namespace {

constexpr std::size_t segment_count = 1000;

/// Copying payloads into memory that is larger than the caches.
void floor_memcpy(benchmark::State& state) {
    std::vector<char> memory(std::size_t{64} << 20);
    std::size_t at = 0;
    for (auto _ : state) {
        std::memcpy(memory.data() + at, payload().data(), payload_bytes);
        benchmark::ClobberMemory();
        at += payload_bytes;
        if (at + payload_bytes > memory.size()) at = 0;
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(floor_memcpy)->Name("Floor/buffered_memcpy")->UseRealTime();

/// Copying payloads into a buffer of 64 KiB that is written to a file, unflushed.
void floor_write(benchmark::State& state) {
    const Scratch scratch;
    BufferedFile file(scratch.path() + "/file");
    for (auto _ : state) file.append(payload().data(), payload_bytes);
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(floor_write)->Name("Floor/buffered_pwrite_64k")->UseRealTime();

/// Argument: records of a transaction, all to one segment.
void buffered_append(benchmark::State& state) {
    const Scratch scratch;
    const auto names = segment_names(segment_count);
    auto store = must(braid::Store::open(scratch.path(), {.create = true, .io = io_asked()}));
    const auto records = state.range(0);
    auto transaction = store.begin();
    Random random(1);
    for (auto _ : state) {
        const std::string& name = names[random.below(segment_count)];
        for (std::int64_t n = 0; n < records; ++n) transaction.append(space, name, payload());
        must(transaction.commit(braid::Durability::buffered));
    }
    state.SetItemsProcessed(state.iterations() * records);
    state.counters["drains"] = static_cast<double>(store.metrics().drains);
}
BENCHMARK(buffered_append)
    ->Name("Buffered/append")
    ->ArgName("records")
    ->Arg(1)
    ->Arg(100)
    ->UseRealTime();

}  // namespace
}  // namespace bench
