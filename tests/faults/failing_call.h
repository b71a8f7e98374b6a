// One call that fails, in one workload: what to try, and what comes of it.
#pragma once

#include <string>
#include <vector>

#include "tests/faults/fault_workload.h"

namespace braid::faults {

/// A way in which calls of one kind fail.
struct FailureKind {
    const char* name;
    sim::Call call;
    std::int64_t result;  ///< as sim::Fault has it
};

/// All that make sense.
[[nodiscard]] const std::vector<FailureKind>& failure_kinds();

/// Calls of each kind that a workload makes, without a fault.
using CallCounts = std::array<std::uint64_t, sim::call_kinds>;
[[nodiscard]] CallCounts count_calls(const FaultWorkload& workload);

struct FailingCall {
    const FailureKind* kind;
    std::uint64_t nth;
    bool onwards;
};

/// Does the work with that call failing; then without faults goes on in the same process, after a
/// restart of the process, and after a power loss. What is broken, or empty.
[[nodiscard]] std::string run_failing(const FaultWorkload& workload, const Beginning& beginning,
                                      const FailingCall& failing);

}  // namespace braid::faults
