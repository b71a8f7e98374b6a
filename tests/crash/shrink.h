#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tests/crash/explorer.h"

namespace braid::crash {

/// Indexes of the operations of a workload that are left.
using Kept = std::vector<std::size_t>;

[[nodiscard]] Kept all_operations(const Workload& workload);
[[nodiscard]] Workload keep(const Workload& workload, const Kept& kept);

struct Shrunk {
    Kept kept;
    std::string problem;
    std::optional<std::uint64_t> cut;
};

/// Leaves out operations of a workload that goes wrong, in ever smaller stretches, as long as what
/// is left goes wrong too; for `seconds` at most.
[[nodiscard]] Shrunk shrink(const Workload& workload, const Thoroughness& thoroughness,
                            double seconds);

}  // namespace braid::crash
