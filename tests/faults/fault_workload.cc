#include "tests/faults/fault_workload.h"

#include <fmt/format.h>

#include "tests/engine/store_fixture.h"
#include "tests/faults/fault_run.h"

namespace braid::faults {
namespace {

using crash::PlannedRecord;
using crash::PlannedTransaction;
using crash::Step;
using crash::Workload;
using Before = FaultWorkload::Before;

constexpr std::uint64_t kib = 1024;

Options small_options() {
    Options options;
    options.lock_wait = std::chrono::milliseconds(0);
    options.log_file_bytes = 32 * kib;
    options.log_bytes_max = 128 * kib;
    options.arena_chunk_bytes = 4 * kib;
    options.tail_bytes_max = 64 * kib;
    options.piece_bytes_min = 4 * kib;
    options.segment_file_bytes = 8 * kib;
    return options;
}

/// Writes a workload down, operation by operation. Its transactions' ids come after `before`, so
/// that they differ from those of a workload that the store has seen already.
class Script {
public:
    explicit Script(Workload& workload, std::size_t before = 0)
        : workload_(workload), number_(before) {
        workload_.seed = 1;
        workload_.options = small_options();
    }

    Script& commit(PlannedTransaction transaction, Step step = Step::commit) {
        workload_.operations.push_back({step, workload_.transactions.size(), 0});
        workload_.transactions.push_back(std::move(transaction));
        return *this;
    }
    Script& then(Step step, std::uint64_t pick = 0) {
        workload_.operations.push_back({step, 0, pick});
        return *this;
    }

    /// `count` records for one segment.
    [[nodiscard]] PlannedTransaction records(std::size_t count, std::size_t bytes,
                                             std::size_t segment = 0) {
        PlannedTransaction transaction;
        for (std::size_t i = 0; i < count; ++i)
            transaction.records.push_back(record(bytes, segment));
        // Every other one moves a consumer as well, and has made it before.
        using Kind = crash::PlannedConsumer::Kind;
        if (number_ % 2 == 0) transaction.consumers = {{Kind::move, "c", "s0", number_}};
        if (number_ % 2 != 0)
            transaction.leases = {
                {crash::PlannedLease::Kind::release, number_ % 3 == 0 ? "k" : "l"}};
        transaction.id = number_;
        return transaction;
    }
    [[nodiscard]] PlannedTransaction one(std::size_t bytes, std::size_t segment = 0) {
        return records(1, bytes, segment);
    }
    /// A record for each of `count` segments.
    [[nodiscard]] PlannedTransaction many(std::size_t count, std::size_t bytes) {
        PlannedTransaction transaction;
        for (std::size_t i = 0; i < count; ++i) transaction.records.push_back(record(bytes, i));
        return transaction;
    }

private:
    PlannedRecord record(std::size_t bytes, std::size_t segment) {
        const auto letter = static_cast<char>('a' + number_++ % 26);
        return {fmt::format("s{}", segment % 3), fmt::format("g{}", segment / 3),
                std::string(bytes, letter), number_ % 4 == 0 ? "m" : ""};
    }

    Workload& workload_;
    std::size_t number_;
};

using Made = std::unique_ptr<FaultWorkload>;

Made make(std::string name) {
    auto made = std::make_unique<FaultWorkload>();
    made->name = std::move(name);
    return made;
}

Made first_creation() {
    Made made = make("first creation");
    Script(made->work);
    return made;
}

Made single_appends() {
    Made made = make("single appends");
    Script script(made->work);
    for (std::size_t i = 0; i < 5; ++i) script.commit(script.one(100 * i, i % 2));
    return made;
}

Made batches() {
    Made made = make("batches");
    Script script(made->work);
    script.commit(script.records(10, 300)).commit(script.records(3, 4000, 1));
    script.then(Step::drain).commit(script.records(20, 10));
    return made;
}

Made many_segments() {
    Made made = make("many segments");
    Script script(made->work);
    script.commit(script.many(12, 50)).commit(script.many(20, 200)).then(Step::drain);
    script.commit(script.many(20, 20));
    return made;
}

Made in_flight(std::uint32_t count) {
    Made made = make(fmt::format("{} in flight", count));
    Script script(made->work);
    made->work.options.batches_in_flight = count;
    for (std::size_t i = 0; i < 7; ++i) {
        script.commit(script.one(700 * i, i % 3), Step::commit_async);
        script.then(Step::step_log, 0);
    }
    script.commit(script.one(40)).commit(script.one(60, 2), Step::commit_async);
    return made;
}

Made buffered() {
    Made made = make("buffered");
    Script script(made->work);
    for (std::size_t i = 0; i < 4; ++i) script.commit(script.one(500, i), Step::commit_buffered);
    script.then(Step::step_log, 3).commit(script.one(10)).then(Step::sync);
    script.commit(script.one(20), Step::commit_buffered).then(Step::sync);
    return made;
}

Made conflicts() {
    Made made = make("conflicts");
    Script script(made->work);
    script.then(Step::conflict, 0).commit(script.one(10, 1)).then(Step::conflict, 1);
    script.commit(script.one(10, 1), Step::commit_buffered).then(Step::conflict, 1);
    script.commit(script.one(10, 1), Step::commit_async).then(Step::conflict, 2);
    return made;
}

Made drains() {
    Made made = make("drains");
    Script script(made->work);
    for (std::size_t i = 0; i < 3; ++i)
        script.commit(script.many(4, 100 + 2000 * i)).then(Step::drain);
    return made;
}

Made pieces() {
    Made made = make("packs and pieces");
    Script script(made->work);
    for (std::size_t i = 0; i < 3; ++i) {
        script.commit(script.records(4, 1500)).commit(script.one(70, 1));
        script.then(Step::drain);
    }
    return made;
}

/// Packs gathered by request and by themselves, again, and beside a drain in steps.
Made gathering(ReadMode mode) {
    Made made = make(fmt::format("gathering, {}", mode == ReadMode::mapped ? "mapped" : "copied"));
    Script script(made->work);
    made->work.options.gather_packs = 2;
    made->work.options.read_mode = mode;
    for (std::size_t i = 0; i < 2; ++i)
        script.commit(script.many(4, 100 + 400 * i)).then(Step::drain);
    script.then(Step::step_drain, 7).then(Step::step_drain, 7).then(Step::step_drain, 7);
    script.commit(script.records(4, 1500)).commit(script.one(70, 1)).then(Step::gather);
    script.commit(script.many(3, 50)).then(Step::step_drain, 2).then(Step::gather);
    script.then(Step::reopen).commit(script.one(10, 2)).then(Step::gather);
    return made;
}

Made drain_beside() {
    Made made = make("a drain in steps beside commits");
    Script script(made->work);
    script.commit(script.records(2, 3000)).then(Step::step_drain, 1);
    for (std::size_t i = 0; i < 4; ++i)
        script.commit(script.one(200, i), Step::commit_async)
            .then(Step::step_drain, 1)
            .then(Step::step_log, 1);
    script.then(Step::step_drain, 7).then(Step::sync).then(Step::drain);
    return made;
}

Made roll() {
    Made made = make("rolls");
    Script script(made->work);
    made->work.options.log_file_bytes = 16 * kib;
    made->work.options.log_bytes_max = 64 * kib;
    for (std::size_t i = 0; i < 6; ++i) script.commit(script.one(100, i % 2));
    return made;
}

Made roll_asynchronous() {
    Made made = make("rolls with several in flight");
    Script script(made->work);
    made->work.options.log_file_bytes = 16 * kib;
    made->work.options.log_bytes_max = 64 * kib;
    made->work.options.batches_in_flight = 2;
    for (std::size_t i = 0; i < 6; ++i)
        script.commit(script.one(100, i % 2), Step::commit_async).then(Step::step_log, 2);
    return made;
}

Made reuse() {
    Made made = make("log reuse");
    Script script(made->work);
    made->work.options.log_file_bytes = 16 * kib;
    made->work.options.log_bytes_max = 64 * kib;
    for (std::size_t i = 0; i < 9; ++i) {
        script.commit(script.one(5000, i % 2));
        if (i % 4 == 3) script.then(Step::drain);
    }
    return made;
}

Made full_log() {
    Made made = make("a full log drains by itself");
    Script script(made->work);
    made->work.options.log_file_bytes = 16 * kib;
    made->work.options.log_bytes_max = 64 * kib;
    made->work.options.tail_bytes_max = 16 * kib;
    for (std::size_t i = 0; i < 8; ++i) script.commit(script.one(6000, i % 2));
    return made;
}

Made large() {
    Made made = make("a log file of its own");
    Script script(made->work);
    made->work.options.log_file_bytes = 16 * kib;
    made->work.options.log_bytes_max = 128 * kib;
    script.commit(script.one(10)).commit(script.one(40'000, 1)).commit(script.one(10));
    return made;
}

/// Small and large records by turns, in files that roll, and beside a drain.
Made large_bodies(ReadMode mode) {
    Made made =
        make(fmt::format("large bodies, {}", mode == ReadMode::mapped ? "mapped" : "copied"));
    Script script(made->work);
    made->work.options.large_body_bytes = 1000;
    made->work.options.body_file_bytes = 16 * kib;
    made->work.options.read_mode = mode;
    script.commit(script.one(5000)).commit(script.many(3, 1500)).then(Step::step_drain, 1);
    script.commit(script.one(1000), Step::commit_buffered).commit(script.one(10));
    script.commit(script.records(2, 3000), Step::commit_async).then(Step::step_log, 2);
    script.then(Step::drain).then(Step::conflict, 0).commit(script.one(40'000, 1));
    script.then(Step::reopen).commit(script.one(2000));
    return made;
}

/// A drain fails at its catalog record, so that the next one begins a fresh catalog file.
Made catalog_rewrite() {
    Made made = make("catalog rewrite");
    Script script(made->work);
    script.commit(script.many(3, 10)).then(Step::drain);
    script.commit(script.one(10)).then(Step::drain).then(Step::drain);
    script.commit(script.one(5000)).then(Step::drain);
    made->own_faults.push_back(
        {.call = sim::Call::sync, .nth = 2, .result = -EIO, .file = "catalog-000001"});
    return made;
}

Made reopening() {
    Made made = make("reopening");
    Script script(made->work);
    script.commit(script.many(3, 200)).then(Step::reopen).commit(script.records(2, 2500));
    script.then(Step::reopen).commit(script.one(10, 2));
    return made;
}

/// What is there when a store is opened: drained in part, with batches that nothing attests.
void leave_behind(Workload& before) {
    Script script(before);
    before.options.batches_in_flight = 2;
    script.commit(script.records(4, 1500)).commit(script.many(4, 100)).then(Step::drain);
    for (std::size_t i = 0; i < 3; ++i)
        script.commit(script.one(300, i), Step::commit_async).then(Step::step_log, 0);
    script.commit(script.one(300));
}

Made recovery(Before how, ReadMode mode) {
    Made made =
        make(fmt::format("recovery after {}, {}", how == Before::killed ? "a kill" : "a power loss",
                         mode == ReadMode::mapped ? "mapped" : "copied"));
    made->how = how;
    leave_behind(made->before);
    Script script(made->work, 100);
    made->work.options.read_mode = mode;
    script.then(Step::sync).commit(script.one(30)).then(Step::drain);
    return made;
}

Made reading(ReadMode mode) {
    Made made = make(fmt::format("reading, {}", mode == ReadMode::mapped ? "mapped" : "copied"));
    made->how = Before::closed;
    leave_behind(made->before);
    Script script(made->work, 100);
    made->work.options.read_mode = mode;
    made->work.options.open_files_max = 2;
    script.then(Step::sync).commit(script.records(3, 1500)).then(Step::drain);
    script.commit(script.one(20)).then(Step::sync);
    return made;
}

Made clock() {
    Made made = make("the clock goes back");
    Script script(made->work);
    script.commit(script.one(10)).then(Step::clock, 4'000'000'000 + (std::uint64_t{1} << 40));
    script.commit(script.one(10)).then(Step::drain).commit(script.one(10)).then(Step::reopen);
    script.commit(script.one(10, 1));
    return made;
}

/// Some of the crash explorer's short sequences, and of its random workloads.
constexpr std::uint64_t sequences = 60;

Made sequence(std::uint64_t index) {
    const std::uint64_t picked = index * crash::sequence_runs / sequences;
    Made made = make(fmt::format("sequence {}", picked));
    made->work = crash::make_sequence(picked);
    return made;
}

Made random(std::uint64_t seed) {
    Made made = make(fmt::format("random {}", seed));
    made->work = crash::make_workload(seed);
    return made;
}

}  // namespace

std::vector<std::unique_ptr<FaultWorkload>> fault_workloads(Choice choice) {
    std::vector<Made> all;
    all.push_back(first_creation());
    all.push_back(single_appends());
    all.push_back(batches());
    all.push_back(many_segments());
    for (const std::uint32_t count : {1U, 2U, 4U}) all.push_back(in_flight(count));
    all.push_back(buffered());
    all.push_back(conflicts());
    all.push_back(drains());
    all.push_back(pieces());
    all.push_back(gathering(ReadMode::mapped));
    all.push_back(gathering(ReadMode::copied));
    all.push_back(drain_beside());
    all.push_back(roll());
    all.push_back(roll_asynchronous());
    all.push_back(reuse());
    all.push_back(full_log());
    all.push_back(large());
    all.push_back(large_bodies(ReadMode::mapped));
    all.push_back(large_bodies(ReadMode::copied));
    all.push_back(catalog_rewrite());
    all.push_back(reopening());
    all.push_back(recovery(Before::killed, ReadMode::mapped));
    all.push_back(recovery(Before::power_lost, ReadMode::copied));
    all.push_back(reading(ReadMode::mapped));
    all.push_back(reading(ReadMode::copied));
    all.push_back(clock());
    if (test::sanitized) {  // which makes each run ten times slower: every fourth of them
        std::size_t index = 0;
        std::erase_if(all, [&](const auto&) { return index++ % 4 != 1; });
        return all;
    }
    if (choice == Choice::scripts) return all;
    for (std::uint64_t index = 0; index < sequences; ++index) all.push_back(sequence(index));
    for (const std::uint64_t seed : {3U, 9U}) all.push_back(random(seed));
    return all;
}

Beginning begin(const FaultWorkload& workload) {
    auto disk = std::make_unique<sim::SimDisk>(1);
    if (workload.how == Before::nothing) return {std::move(disk), {}};
    FaultRun run(*disk, workload.before, {}, {});
    run.work();
    if (workload.how == Before::closed) run.close();
    crash::History history = run.promised();
    auto found =
        workload.how == Before::power_lost ? disk->after_crash(workload.work.seed) : disk->clone();
    return {std::move(found), std::move(history)};
}

}  // namespace braid::faults
