#pragma once

#include "tests/faults/fault_run.h"

namespace braid::faults {

/// What comes when the faults are over: the same store goes on; a new process finds what the caches
/// hold, and a power loss takes what they alone held; and in another course the power goes at once.
/// Throws Broken.
void check_aftermath(FaultRun& run, sim::SimDisk& disk, const Options& options, std::uint64_t seed);

}  // namespace braid::faults
