#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "tests/crash/history.h"
#include "tests/crash/tally.h"
#include "tests/crash/workload.h"
#include "tests/sim/sim_disk.h"

namespace braid::crash {

class WorkloadRun;

/// How much is tried at each cut.
struct Thoroughness {
    std::uint64_t survivals = 4;          ///< of each cut of the workload
    std::uint64_t kill_share = 8;         ///< at one cut in so many the process dies, too, but not
                                          ///< the power, which goes later if at all
    std::uint64_t double_share = 160;     ///< one change of a recovery in so many is cut as well
    std::uint64_t killed_share = 12;      ///< the same of recoveries after a kill
    std::uint64_t second_kill_share = 4;  ///< one second cut in so many is a kill, too
    std::uint64_t append_share = 4;       ///< one in so many is written to, and crashes again
    std::uint64_t verify_share = 8;       ///< one in so many is verified and closed
    std::optional<std::uint64_t> only_cut;
};

/// Runs a workload once, and cuts the power after every change that it makes to its disk: recovers
/// what is left, several survivals of each, and checks it against what had been promised at that
/// moment.
class Explorer {
public:
    Explorer(const Workload& workload, const Thoroughness& thoroughness, Tally& tally)
        : workload_(workload), thoroughness_(thoroughness), tally_(tally) {}

    /// What went wrong and where, or empty.
    [[nodiscard]] std::string explore();
    /// The change in whose midst the cut was that went wrong, if it was one.
    [[nodiscard]] std::optional<std::uint64_t> failed_cut() const noexcept { return failed_cut_; }

private:
    void cut(const sim::SimDisk& disk, const WorkloadRun& run, const sim::Change& change);
    void count(const sim::SimDisk& disk, const WorkloadRun& run, const sim::Change& change);
    void try_survival(std::unique_ptr<sim::SimDisk> found, const History& history, bool killed,
                      std::uint64_t seed);
    void recover(sim::SimDisk& disk, History& history, bool killed, std::uint64_t seed);
    void append_and_recover(sim::SimDisk& disk, Engine& engine, History& history,
                            std::uint64_t seed);
    void verify_and_close(Engine& engine);
    void recover_again(const sim::SimDisk& disk, History history, std::uint64_t seed);
    [[nodiscard]] std::shared_ptr<Engine> open(sim::SimDisk& disk, const History& history);
    void note(std::string what);
    [[nodiscard]] bool failed() const noexcept { return !problem_.empty(); }

    const Workload& workload_;
    const Thoroughness& thoroughness_;
    Tally& tally_;
    std::set<std::string, std::less<>> begun_;  // log files that have had a header

    // Of the point under way; put into words only if it goes wrong.
    const sim::Change* cut_ = nullptr;
    std::optional<std::uint64_t> survival_;  // none: a kill
    const sim::Change* second_cut_ = nullptr;

    std::string problem_;  // the first one
    std::optional<std::uint64_t> failed_cut_;
};

}  // namespace braid::crash
