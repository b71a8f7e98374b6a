#include "tests/faults/aftermath.h"

#include "tests/faults/failing_allocation.h"

namespace braid::faults {

using crash::History;
using sim::SimDisk;

namespace {

/// The process ends, the next one finds what the caches hold; then the power goes.
void after_kill(SimDisk& disk, History history, const Options& options, std::uint64_t seed) {
    std::unique_ptr<SimDisk> lost;
    {
        const auto engine = recover(disk, history, options);
        lost = disk.after_crash(seed);
        History later = history;
        use_again(*engine, later, options);
        if (seed % 2 == 0) verify_all(*engine, later);
        disk.cut_power();
    }
    const auto engine = recover(*lost, history, options);
    lost->cut_power();
}

void after_power_loss(SimDisk& disk, History history, const Options& options, std::uint64_t seed) {
    const auto engine = recover(disk, history, options);
    use_again(*engine, history, options);
    if (seed % 2 != 0) verify_all(*engine, history);
    disk.cut_power();
}

}  // namespace

void check_aftermath(FaultRun& run, SimDisk& disk, const Options& options, std::uint64_t seed) {
    const History promised = run.promised();
    const std::unique_ptr<SimDisk> killed = disk.clone();
    const std::unique_ptr<SimDisk> lost = disk.after_crash(seed);
    disk.clear_faults();
    spare_allocations();
    run.go_on();
    after_kill(*killed, promised, options, seed);
    after_power_loss(*lost, promised, options, seed);
}

}  // namespace braid::faults
