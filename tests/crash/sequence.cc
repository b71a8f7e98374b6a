#include <array>

#include "tests/crash/workload.h"

namespace braid::crash {
namespace {

constexpr std::uint64_t kib = 1024;

struct Kind {
    Step step;
    std::size_t to_first;   ///< bytes of a record for the first segment; 0: none
    std::size_t to_second;  ///< likewise the second one, in another space
    std::uint64_t pick;
    bool moves = false;  ///< a consumer and a lease, too
};

/// Sizes so that the log rolls within three operations, and that pieces are made.
constexpr std::array<Kind, sequence_kinds> kinds{{
    {Step::commit, 100, 0, 0},
    {Step::commit, 0, 0, 0, true},
    {Step::commit, 5 * kib, 0, 0},
    {Step::commit, 100, 100, 0, true},
    {Step::commit, 3 * kib, 14 * kib, 0},
    {Step::commit_buffered, 0, 100, 0},
    {Step::commit_async, 100, 3 * kib, 0},
    {Step::step_log, 0, 0, 5},
    {Step::step_drain, 0, 0, 7},
    {Step::drain, 0, 0, 0},
    {Step::gather, 0, 0, 0},
    {Step::trim, 0, 0, 1},
    {Step::reopen, 0, 0, 0},
}};

PlannedTransaction transaction_of(const Kind& kind, std::size_t number) {
    PlannedTransaction transaction;
    const auto letter = static_cast<char>('a' + number);
    if (kind.to_first != 0)
        transaction.records.push_back({"s0", "g0", std::string(kind.to_first, letter), {}});
    if (kind.to_second != 0)
        transaction.records.push_back({"s1", "g0", std::string(kind.to_second, letter), "second"});
    if (!kind.moves) return transaction;
    transaction.consumers.push_back({PlannedConsumer::Kind::move, "c", "s0", number});
    transaction.leases.push_back({PlannedLease::Kind::release, "k"});
    return transaction;
}

}  // namespace

Workload make_sequence(std::uint64_t index) {
    constexpr std::uint32_t in_flight[] = {1, 2, 4};
    Workload workload;
    workload.seed = index;
    workload.options.lock_wait = std::chrono::milliseconds(0);
    workload.options.log_file_bytes = 16 * kib;
    workload.options.log_bytes_max = 64 * kib;
    workload.options.arena_chunk_bytes = 4 * kib;
    workload.options.tail_bytes_max = 16 * kib;
    workload.options.piece_bytes_min = 4 * kib;
    workload.options.segment_file_bytes = 16 * kib;
    workload.options.open_files_max = 2;
    // Every other one has large bodies, whatever share of them a process takes.
    const bool large = (index * 0x9e3779b97f4a7c15U) >> 63 != 0;
    workload.options.large_body_bytes = large ? 4 * kib : 0;
    workload.options.body_file_bytes = 16 * kib;
    workload.options.batches_in_flight = in_flight[index % std::size(in_flight)];
    index /= std::size(in_flight);
    std::uint64_t length = 1;
    for (std::uint64_t count = sequence_kinds; index >= count; count *= sequence_kinds) {
        index -= count;
        ++length;
    }
    for (; length > 0; --length, index /= sequence_kinds) {
        const Kind& kind = kinds[index % sequence_kinds];
        workload.operations.push_back({kind.step, workload.transactions.size(), kind.pick});
        // One small move sends it off, so that the next one goes beside it.
        const bool send = kind.step == Step::commit_async;
        if (kind.to_first != 0 || kind.to_second != 0 || kind.moves)
            workload.transactions.push_back(transaction_of(kind, workload.transactions.size()));
        if (send) workload.operations.push_back({Step::step_log, 0, 0});
    }
    return workload;
}

}  // namespace braid::crash
