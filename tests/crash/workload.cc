#include "tests/crash/workload.h"

#include <fmt/format.h>

#include "tests/sim/sim_inode.h"

namespace braid::crash {
namespace {

using sim::Random;

constexpr std::uint64_t kib = 1024;

Options small_options(Random& random) {
    constexpr std::uint32_t in_flight[] = {1, 2, 4};
    Options options;
    options.lock_wait = std::chrono::milliseconds(0);
    // A small file rolls after two batches; several in flight need a larger one.
    options.log_file_bytes = 16 * kib << random.below(3);
    options.log_bytes_max = 4 * options.log_file_bytes;
    options.arena_chunk_bytes = 4 * kib;
    options.tail_bytes_max = random.flip() ? 16 * kib : 64 * kib;
    options.piece_bytes_min = random.below(3) == 0 ? 64 * kib : 4 * kib;
    options.segment_file_bytes = options.piece_bytes_min * (1 + random.below(6));
    options.batches_in_flight = in_flight[random.below(3)];
    options.read_mode = random.flip() ? ReadMode::mapped : ReadMode::copied;
    // None, those that need a block of the log or more, or every other record.
    constexpr std::uint64_t large[] = {0, 1400, 90};
    options.large_body_bytes = large[random.below(3)];
    options.body_file_bytes = 16 * kib << random.below(2);
    constexpr std::uint32_t gather[] = {0, 2, 3};
    options.gather_packs = gather[random.below(3)];
    options.open_files_max = 4;  // fewer than there are: some are let go all the time
    return options;
}

/// Most are small; some need several blocks, a few a log file of their own.
std::size_t payload_bytes(Random& random) {
    switch (random.below(24)) {
        case 0:
            return 0;
        case 1:
            return 3000 + random.below(4000);
        case 2:
            return random.below(4) == 0 ? 9000 + random.below(9000) : 1500;
        default:
            return random.below(200);
    }
}

PlannedRecord random_record(Random& random, std::uint64_t number) {
    const std::uint64_t space = random.below(3);
    PlannedRecord record;
    record.space = fmt::format("s{}", space);
    record.segment = fmt::format("g{}", random.below(1 + 2 * space));
    record.payload = fmt::format("{}:", number);
    record.payload.resize(payload_bytes(random), static_cast<char>('a' + number % 26));
    if (random.below(5) == 0) record.metadata = fmt::format("m{}", number);
    return record;
}

/// One record, a batch of one segment, or a mix of segments.
PlannedTransaction random_transaction(Random& random, std::uint64_t& number) {
    PlannedTransaction transaction;
    const std::uint64_t kind = random.below(4);
    const std::uint64_t count = kind < 2 ? 1 : 2 + random.below(8);
    std::uint64_t bytes = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        PlannedRecord record = random_record(random, ++number);
        if (kind == 2 && i > 0) {
            record.space = transaction.records.front().space;
            record.segment = transaction.records.front().segment;
        }
        bytes += record.payload.size();
        if (i > 0 && bytes > 20 * kib) break;
        transaction.records.push_back(std::move(record));
    }
    return transaction;
}

/// Positions are taken modulo what is durable by then. Every other one goes without records.
void add_consumers(Random& random, PlannedTransaction& transaction) {
    using Kind = PlannedConsumer::Kind;
    constexpr Kind kinds[] = {Kind::move, Kind::move, Kind::move, Kind::take, Kind::remove};
    if (random.below(3) != 0) return;
    if (random.flip()) transaction.records.clear();
    for (std::uint64_t i = 0; i <= random.below(3); ++i)
        transaction.consumers.push_back({kinds[random.below(std::size(kinds))],
                                         fmt::format("c{}", random.below(3)),
                                         fmt::format("s{}", random.below(2)), random.next()});
}

void add_lease(Random& random, PlannedTransaction& transaction) {
    using Kind = PlannedLease::Kind;
    if (random.below(4) != 0) return;
    transaction.leases.push_back(
        {random.below(3) == 0 ? Kind::release : Kind::grant, fmt::format("k{}", random.below(2))});
}

Step random_step(Random& random) {
    constexpr Step steps[] = {
        Step::commit,          Step::commit,          Step::commit,       Step::commit,
        Step::commit_buffered, Step::commit_buffered, Step::commit_async, Step::commit_async,
        Step::commit_async,    Step::commit_async,    Step::conflict,     Step::sync,
        Step::step_log,        Step::step_log,        Step::step_log,     Step::step_drain,
        Step::step_drain,      Step::step_drain,      Step::drain,        Step::drain,
        Step::gather,          Step::clock,           Step::trim,
    };
    if (random.below(30) == 0) return Step::reopen;
    return steps[random.below(std::size(steps))];
}

enum class Style : std::uint8_t {
    mixed,
    mixed_too,
    eager,       ///< little else than what puts several batches in flight
    slow_drain,  ///< the log goes on, and rolls, between any two moves of a drain
};

Step styled_step(Random& random, Style style) {
    const bool plain = style == Style::mixed || style == Style::mixed_too || random.below(4) == 0;
    if (plain) return random_step(random);
    if (style == Style::eager) return Step::commit_async;
    return random.below(3) == 0 ? Step::step_drain : Step::commit;
}

bool writes(Step step) {
    return step == Step::commit || step == Step::commit_buffered || step == Step::commit_async;
}

}  // namespace

Workload make_workload(std::uint64_t seed) {
    Random random(seed ^ 0x6372617368);
    Workload workload;
    workload.seed = seed;
    workload.options = small_options(random);
    std::uint64_t number = 0;
    const auto style = static_cast<Style>(random.below(4));
    const std::uint64_t length = random.below(4) == 0 ? random.below(6) : 5 + random.below(60);
    for (std::uint64_t i = 0; i < length; ++i) {
        Operation operation{styled_step(random, style), workload.transactions.size(),
                            random.next()};
        if (style == Style::slow_drain && operation.step == Step::step_drain) operation.pick = 0;
        if (writes(operation.step)) {
            workload.transactions.push_back(random_transaction(random, number));
            add_consumers(random, workload.transactions.back());
            add_lease(random, workload.transactions.back());
            if (random.flip()) workload.transactions.back().id = workload.transactions.size();
        }
        workload.operations.push_back(operation);
        // One small move sends a batch off while others are under way.
        if (operation.step == Step::commit_async && random.below(3) != 0)
            workload.operations.push_back({Step::step_log, 0, 0});
    }
    return workload;
}

std::string describe(const Workload& workload, const Operation& operation) {
    constexpr const char* names[] = {"commit",
                                     "buffered commit",
                                     "asynchronous commit",
                                     "conflict",
                                     "sync",
                                     "moves of the log",
                                     "moves of a drain",
                                     "drain",
                                     "gathering",
                                     "trim",
                                     "clock",
                                     "reopen"};
    std::string words = names[static_cast<std::size_t>(operation.step)];
    if (operation.step == Step::step_log) words += fmt::format(": {}", 1 + operation.pick % 6);
    if (operation.step == Step::step_drain) words += fmt::format(": {}", 1 + operation.pick % 8);
    if (!writes(operation.step)) return words;
    for (const PlannedRecord& record : workload.transactions[operation.transaction].records)
        words += fmt::format(" {}/{}({})", record.space, record.segment, record.payload.size());
    constexpr const char* kinds[] = {"moves", "takes", "removes"};
    for (const PlannedConsumer& one : workload.transactions[operation.transaction].consumers)
        words += fmt::format(" {} {}", kinds[static_cast<std::size_t>(one.kind)], one.consumer);
    for (const PlannedLease& one : workload.transactions[operation.transaction].leases)
        words += fmt::format(
            " {} {}", one.kind == PlannedLease::Kind::grant ? "grants" : "releases", one.key);
    return words;
}

}  // namespace braid::crash
