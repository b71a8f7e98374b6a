// Small fixed workloads in which every call, and every allocation, is made to fail once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/crash/history.h"
#include "tests/crash/workload.h"
#include "tests/sim/sim_disk.h"

namespace braid::faults {

/// What a store does, and how it was left before.
struct FaultWorkload {
    /// How the disk was found on which `work` begins.
    enum class Before : std::uint8_t {
        nothing,     ///< an empty disk
        closed,      ///< `before` was done, and the store closed
        killed,      ///< `before` was done, and the process ended: caches are kept
        power_lost,  ///< `before` was done, and the power went
    };

    std::string name;
    Before how = Before::nothing;
    crash::Workload before;
    crash::Workload work;
    std::vector<sim::Fault> own_faults;  ///< of `work`, whatever else is made to fail
};

enum class Choice : std::uint8_t { scripts, all };
/// The ones written down here, and with `all` some of the crash explorer's. Made once a test.
[[nodiscard]] std::vector<std::unique_ptr<FaultWorkload>> fault_workloads(Choice choice);

/// Where a workload begins.
struct Beginning {
    std::unique_ptr<sim::SimDisk> disk;
    crash::History history;
};
[[nodiscard]] Beginning begin(const FaultWorkload& workload);

}  // namespace braid::faults
