// What a run of the crash explorer does to a store: made from a seed, the same every time.
#pragma once

#include <braid/options.hpp>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace braid::crash {

struct PlannedRecord {
    std::string space;
    std::string segment;
    std::string payload;
    std::string metadata;  ///< value of one pair; empty: no metadata
};

struct PlannedTransaction {
    std::vector<PlannedRecord> records;
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
};

[[nodiscard]] Workload make_workload(std::uint64_t seed);

/// All sequences of up to three operations over two segments: there are so many, and this is one.
inline constexpr std::uint64_t sequence_kinds = 10;
inline constexpr std::uint64_t sequence_count = sequence_kinds + sequence_kinds * sequence_kinds +
                                                sequence_kinds * sequence_kinds * sequence_kinds;
[[nodiscard]] Workload make_sequence(std::uint64_t index);

}  // namespace braid::crash
