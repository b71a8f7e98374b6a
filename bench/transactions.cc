/// What conditions, ids, consumers and Processor add to a commit.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <braid/processor.hpp>
#include <braid/store.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "bench/place.h"
#include "bench/records.h"
#include "bench/turns.h"

namespace bench {
namespace {

constexpr std::size_t segment_count = 1000;
constexpr std::size_t batch_records = 100;

/// What a commit does besides appending. What is looked at or moved is one and the same, or, `far`,
/// one of 1000 at random, which is seldom in the processor's cache.
enum Way : std::size_t { plain, own_condition, condition, far_condition, move, far_move, id, ways };

/// Commits of one record to one of 1000 segments.
class Committer {
public:
    explicit Committer(braid::Durability durability) : durability_(durability) {
        for (const std::string& name : names_)
            for (const std::string_view in : {space, looked_at})
                must(store_.append(in, name, payload(), {}, braid::Durability::buffered));
        must(store_.sync());
        read_ = store_.stat().durable;
    }

    void commit(Way way) {
        const std::string& name = names_[random_.below(segment_count)];
        const std::string& other = way == far_condition || way == far_move ? name : names_.front();
        if (way == own_condition)
            transaction_.append(space, name, payload(), {.expect = braid::expect::exists()});
        else
            transaction_.append(space, name, payload());
        if (way == condition || way == far_condition)
            transaction_.require(looked_at, other, braid::expect::last(1));
        if (way == move || way == far_move) transaction_.set_consumer(other, looked_at, read_);
        if (way == id) transaction_.set_id(transaction_id(++number_));
        must(transaction_.commit(durability_));
    }

private:
    static constexpr std::string_view looked_at = "looked at";
    const Scratch scratch_;
    const std::vector<std::string> names_ = segment_names(segment_count);
    const braid::Durability durability_;
    braid::Store store_ =
        must(braid::Store::open(scratch_.path(), {.create = true, .io = io_asked()}));
    braid::Transaction transaction_ = store_.begin();
    braid::Position read_;
    std::uint64_t number_ = 0;
    Random random_{1};
};

/// A round is a turn of each way, in an order of its own: none comes always behind the same one.
void adds(benchmark::State& state, braid::Durability durability, Clock clock, std::size_t commits) {
    Committer committer(durability);
    Turns<ways> turns(clock);
    std::array order{plain, own_condition, condition, far_condition, move, far_move, id};
    std::minstd_rand random(1);
    for (auto _ : state) {
        std::shuffle(order.begin(), order.end(), random);
        for (const Way way : order) turns.take(way, commits, [&] { committer.commit(way); });
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(commits * ways));
    state.counters["plain_ns"] = turns.median_ns(plain);
    const char* names[ways] = {"",     "own_condition", "condition", "far_condition",
                               "move", "far_move",      "id"};
    for (std::size_t way = own_condition; way < ways; ++way)
        state.counters[std::string(names[way]) + "_ns"] = turns.adds_ns(way);
}

void buffered_adds(benchmark::State& state) {
    adds(state, braid::Durability::buffered, Clock::thread, 1000);
}
BENCHMARK(buffered_adds)->Name("Buffered/adds")->UseRealTime();

void durable_adds(benchmark::State& state) {
    adds(state, braid::Durability::durable, Clock::wall, 20);
}
BENCHMARK(durable_adds)->Name("Durable/adds")->UseRealTime();

/// The same copying from one space to a segment, by hand and by Processor: for the one nobody's
/// progress is kept.
class Copier {
public:
    Copier(std::size_t batches, braid::Durability durability) : durability_(durability) {
        const auto names = segment_names(64);
        for (std::size_t n = 0; n < batches * batch_records; ++n)
            must(store_.append(space, names[n % names.size()], payload(), {},
                               braid::Durability::buffered));
        must(store_.drain());
        reader_.emplace(store_.read_space(space));
        processor_.emplace(
            must(braid::Processor::open(store_, "copies", space, {.durability = durability})));
    }

    void by_hand() {
        for (std::size_t n = 0; n < batch_records; ++n)
            transaction_.append("out", "by hand", (**reader_->next()).payload);
        must(transaction_.commit(durability_));
    }
    void by_processor() { must(processor_->run_once(copy_)); }

private:
    const Scratch scratch_;
    const braid::Durability durability_;
    braid::Store store_ =
        must(braid::Store::open(scratch_.path(), {.create = true, .io = io_asked()}));
    std::optional<braid::Reader> reader_;
    std::optional<braid::Processor> processor_;
    braid::Transaction transaction_ = store_.begin();
    const braid::ProcessBatch copy_ = [](braid::ProcessorInput& batch,
                                         braid::Transaction& output) -> braid::Result<void> {
        while (const braid::Entry* entry = batch.next())
            output.append("out", "by processor", entry->payload);
        return {};
    };
};

void copies(benchmark::State& state, braid::Durability durability) {
    constexpr std::size_t batches_a_turn = 10;
    Copier copier(static_cast<std::size_t>(state.max_iterations) * batches_a_turn, durability);
    Turns<2> turns(Clock::wall);
    for (auto _ : state) {
        turns.take(0, batches_a_turn, [&] { copier.by_hand(); });
        turns.take(1, batches_a_turn, [&] { copier.by_processor(); });
    }
    const auto records_a_second = [&](std::size_t way) {
        return 1e9 * batch_records / turns.median_ns(way);
    };
    state.counters["by_hand"] = records_a_second(0);
    state.counters["by_processor"] = records_a_second(1);
    state.counters["ratio"] = records_a_second(1) / records_a_second(0);
}

void copies_buffered(benchmark::State& state) {
    copies(state, braid::Durability::buffered);
}
BENCHMARK(copies_buffered)->Name("Buffered/copies_of_100")->Iterations(200)->UseRealTime();

void copies_durable(benchmark::State& state) {
    copies(state, braid::Durability::durable);
}
BENCHMARK(copies_durable)->Name("Durable/copies_of_100")->Iterations(200)->UseRealTime();

}  // namespace
}  // namespace bench
