// What a run of the crash explorer does to a store: made from a seed, the same every time.
#pragma once

#include <braid/options.hpp>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "tests/sim/sim_disk.h"

namespace braid::crash {

struct PlannedRecord {
    std::string space;
    std::string segment;
    std::string payload;
    std::string metadata;  ///< value of one pair; empty: no metadata
};

/// What a transaction does to a consumer, beside appending or alone.
struct PlannedConsumer {
    enum class Kind : std::uint8_t { move, take, remove };
    Kind kind = Kind::move;
    std::string consumer;
    std::string space;
    std::uint64_t position = 0;
};

/// What a transaction does to a lease. Each key has one holder, who gets it at any time.
struct PlannedLease {
    enum class Kind : std::uint8_t { grant, release };
    Kind kind = Kind::grant;  ///< the release of what nobody holds is a grant
    std::string key;
};

struct PlannedTransaction {
    std::vector<PlannedRecord> records;
    std::vector<PlannedConsumer> consumers{};
    std::vector<PlannedLease> leases{};
    std::uint64_t id = 0;  ///< of the caller's; 0: none
};

enum class Step : std::uint8_t {
    commit,  ///< durable
    commit_buffered,
    commit_async,
    conflict,  ///< a commit whose condition isn't met
    sync,
    step_log,    ///< some small moves of the log
    step_drain,  ///< some small moves of a drain
    drain,
    gather,  ///< all packs, behind a drain
    trim,    ///< of the segment that an older transaction appended to first
    clock,   ///< set forward or back
    reopen,  ///< after a clean close
};

struct Operation {
    Step step = Step::commit;
    std::size_t transaction = 0;  ///< index, of commits
    std::uint64_t pick = 0;       ///< whatever else is chosen
};

struct Workload {
    std::uint64_t seed = 0;
    Options options;
    std::deque<PlannedTransaction> transactions;  ///< stay where they are
    std::vector<Operation> operations;
    std::vector<sim::Lie> lies;  ///< of its disk
};

[[nodiscard]] Workload make_workload(std::uint64_t seed);
/// An operation in words.
[[nodiscard]] std::string describe(const Workload& workload, const Operation& operation);

/// All sequences of up to three operations over two segments, each with 1, 2 and 4 batches in
/// flight: there are so many, and this is one.
inline constexpr std::uint64_t sequence_kinds = 13;
inline constexpr std::uint64_t sequence_count =
    sequence_kinds * (1 + sequence_kinds * (1 + sequence_kinds));
inline constexpr std::uint64_t sequence_runs = 3 * sequence_count;
[[nodiscard]] Workload make_sequence(std::uint64_t index);

}  // namespace braid::crash
