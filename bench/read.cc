/// Scans, gets and reads of a space, from memory and from files in the page cache.

#include <benchmark/benchmark.h>
#include <xxhash.h>

#include <braid/store.hpp>
#include <optional>

#include "bench/data_set.h"
#include "bench/floor.h"
#include "bench/records.h"

namespace bench {
namespace {

constexpr std::uint64_t record_count = 400'000;
/// About what a frame adds to a record that is alone in it.
constexpr std::size_t single_bytes = 160;
constexpr std::size_t get_bytes = 128;

/// Walks bytes in a mapping as frames of so many records: hashes each frame, touches each record.
void floor_scan(benchmark::State& state) {
    const auto records = static_cast<std::size_t>(state.range(0));
    const std::size_t frame = records == 1 ? single_bytes : records * (payload_bytes + 2) + 56;
    const std::uint64_t frames = record_count / records;
    const Scratch scratch;
    const MappedFile file(scratch.path() + "/file", frame * frames);
    for (auto _ : state) {
        std::uint64_t sum = 0;
        for (std::uint64_t n = 0; n < frames; ++n) {
            const std::byte* at = file.bytes().data() + n * frame;
            sum += XXH3_64bits(at, frame);
            for (std::size_t r = 0; r < records; ++r)
                sum += static_cast<std::uint64_t>(at[r * (payload_bytes + 2)]);
        }
        benchmark::DoNotOptimize(sum);
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(record_count));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(frame * frames));
}
BENCHMARK(floor_scan)->Name("Floor/scan")->ArgName("frame")->Arg(1)->Arg(100)->UseRealTime();

void floor_get(benchmark::State& state) {
    const Scratch scratch;
    const MappedFile file(scratch.path() + "/file", record_count * single_bytes);
    Random random(1);
    for (auto _ : state) {
        const std::byte* at = file.bytes().data() + random.below(record_count - 1) * single_bytes;
        benchmark::DoNotOptimize(XXH3_64bits(at, get_bytes));
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(floor_get)->Name("Floor/get")->UseRealTime();

/// Reads to the end, touching every payload; the number of entries.
std::uint64_t read_through(braid::Reader reader) {
    std::uint64_t entries = 0;
    std::uint64_t sum = 0;
    while (const auto* next = reader.next()) {
        if (!*next) give_up(next->error().message());
        sum += static_cast<std::uint64_t>((**next).payload[0]);
        ++entries;
    }
    benchmark::DoNotOptimize(sum);
    return entries;
}

/// Keeps the store of one shape from one run to the next: a run begins several times.
class Read : public benchmark::Fixture {
protected:
    braid::Store& store(const DataSetShape& shape) { return provide(data_, shape).store(); }

    template <class Open>
    void run(benchmark::State& state, const Open& open) {
        std::uint64_t entries = 0;
        for (auto _ : state) {
            entries = read_through(open());
            if (entries != record_count) give_up("a read is not complete");
        }
        state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(entries));
    }
    static Where where(const benchmark::State& state) { return static_cast<Where>(state.range(0)); }

private:
    std::optional<DataSet> data_;
};

constexpr int tails = static_cast<int>(Where::tails);
constexpr int packs = static_cast<int>(Where::packs);
constexpr int pieces = static_cast<int>(Where::pieces);

BENCHMARK_DEFINE_F(Read, scan)(benchmark::State& state) {
    const braid::Store& from =
        store({.where = where(state),
               .records = record_count,
               .transaction_records = static_cast<std::size_t>(state.range(1))});
    const auto name = segment_names(1).front();
    run(state, [&] { return from.read_segment(space, name); });
}
BENCHMARK_REGISTER_F(Read, scan)
    ->ArgNames({"where", "frame"})
    ->ArgsProduct({{tails, packs, pieces}, {1, 100}})
    ->UseRealTime();

BENCHMARK_DEFINE_F(Read, space_of_64_segments)(benchmark::State& state) {
    const braid::Store& from =
        store({.where = where(state),
               .records = record_count,
               .segments = 64,
               .transaction_records = static_cast<std::size_t>(state.range(1))});
    run(state, [&] { return from.read_space(space); });
}
BENCHMARK_REGISTER_F(Read, space_of_64_segments)
    ->ArgNames({"where", "frame"})
    ->ArgsProduct({{tails, packs, pieces}, {1, 100}})
    ->UseRealTime();

/// One record by its sequence, opening a reader for it.
BENCHMARK_DEFINE_F(Read, get)(benchmark::State& state) {
    const auto segments = static_cast<std::size_t>(state.range(1));
    const braid::Store& from = store({.where = where(state),
                                      .records = record_count,
                                      .segments = segments,
                                      .transaction_records = 1});
    const auto names = segment_names(segments);
    Random random(1);
    for (auto _ : state) {
        const braid::Sequence sequence = random.below(record_count / segments) + 1;
        auto reader = from.read_segment(space, names[random.below(segments)],
                                        {.from = sequence, .to = sequence});
        const auto* entry = reader.next();
        if (entry == nullptr || !*entry || (**entry).sequence != sequence) give_up("a get failed");
        benchmark::DoNotOptimize((**entry).payload[0]);
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK_REGISTER_F(Read, get)
    ->ArgNames({"where", "segments"})
    ->Args({tails, 1})
    ->Args({tails, 10'000})
    ->Args({packs, 10'000})
    ->Args({pieces, 1})
    ->UseRealTime();

}  // namespace
}  // namespace bench
