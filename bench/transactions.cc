/// What conditions, consumers and Processor add to a commit.

#include <benchmark/benchmark.h>

#include <braid/processor.hpp>
#include <braid/store.hpp>
#include <string>
#include <vector>

#include "bench/place.h"
#include "bench/records.h"

namespace bench {
namespace {

constexpr std::size_t segment_count = 1000;
constexpr std::int64_t batch_records = 100;
constexpr std::int64_t batches = 2000;

enum class With : std::int64_t { nothing, condition, untouched, move, id };

/// One buffered or durable record to one of 1000 segments, and what else the argument asks for.
void commit_with(benchmark::State& state, braid::Durability durability) {
    const Scratch scratch;
    const auto names = segment_names(segment_count);
    auto store = must(braid::Store::open(scratch.path(), {.create = true, .io = io_asked()}));
    const auto with = static_cast<With>(state.range(0));
    for (const std::string& name : names)
        must(store.append("looked at", name, payload(), {}, braid::Durability::buffered));
    must(store.sync());
    const braid::Position read = store.stat().durable;
    auto transaction = store.begin();
    braid::TransactionId id{};
    std::uint64_t number = 0;
    Random random(1);
    for (auto _ : state) {
        const std::string& name = names[random.below(segment_count)];
        transaction.append(space, name, payload());
        if (with == With::condition) transaction.require("looked at", name, braid::expect::last(1));
        if (with == With::untouched)
            transaction.require("looked at", name, braid::expect::untouched(read));
        if (with == With::move) transaction.set_consumer(name, "looked at", read);
        if (with == With::id) {
            ++number;
            for (std::size_t i = 0; i < 8; ++i)
                id[i] = static_cast<std::uint8_t>(number >> (8 * i));
            transaction.set_id(id);
        }
        must(transaction.commit(durability));
    }
    state.SetItemsProcessed(state.iterations());
}

void buffered_with(benchmark::State& state) {
    commit_with(state, braid::Durability::buffered);
}
BENCHMARK(buffered_with)->Name("Buffered/with")->ArgName("what")->DenseRange(0, 4)->UseRealTime();

void durable_with(benchmark::State& state) {
    commit_with(state, braid::Durability::durable);
}
BENCHMARK(durable_with)->Name("Durable/with")->ArgName("what")->DenseRange(0, 4)->UseRealTime();

/// A store with one record in each of so many transactions over 64 segments.
braid::Store filled(const std::string& directory) {
    auto store = must(braid::Store::open(directory, {.create = true, .io = io_asked()}));
    const auto names = segment_names(64);
    for (std::int64_t n = 0; n < batches * batch_records; ++n)
        must(store.append(space, names[static_cast<std::size_t>(n) % 64], payload(), {},
                          braid::Durability::buffered));
    must(store.drain());
    return store;
}

/// The same reading and the same commits, nobody's progress kept.
void read_and_append(benchmark::State& state) {
    const Scratch scratch;
    auto store = filled(scratch.path());
    auto reader = store.read_space(space);
    auto transaction = store.begin();
    for (auto _ : state) {
        for (std::int64_t n = 0; n < batch_records; ++n)
            transaction.append("out", "all", (**reader.next()).payload);
        must(transaction.commit());
    }
    state.SetItemsProcessed(state.iterations() * batch_records);
}
BENCHMARK(read_and_append)->Name("Floor/processor")->Iterations(batches)->UseRealTime();

void processor(benchmark::State& state) {
    const Scratch scratch;
    auto store = filled(scratch.path());
    auto copies = must(braid::Processor::open(store, "copies", space));
    const braid::ProcessBatch copy = [](braid::ProcessorInput& batch,
                                        braid::Transaction& output) -> braid::Result<void> {
        while (const braid::Entry* entry = batch.next())
            output.append("out", "all", entry->payload);
        return {};
    };
    for (auto _ : state) must(copies.run_once(copy));
    state.SetItemsProcessed(state.iterations() * batch_records);
}
BENCHMARK(processor)->Name("Processor/batches_of_100")->Iterations(batches)->UseRealTime();

}  // namespace
}  // namespace bench
