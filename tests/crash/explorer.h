#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tests/crash/history.h"
#include "tests/crash/workload.h"
#include "tests/sim/sim_disk.h"

namespace braid::crash {

/// How much is tried at each cut.
struct Thoroughness {
    std::uint64_t survivals = 4;         ///< of each cut of the workload
    std::uint64_t kill_share = 8;        ///< at one cut in so many the process dies, too, but not
                                         ///< the power, which goes later if at all
    std::uint64_t double_survivals = 1;  ///< of each cut of a recovery
    std::uint64_t double_share = 12;     ///< one point in so many has its recovery cut everywhere
    std::uint64_t append_share = 4;      ///< one in so many is written to, and crashes again
    std::uint64_t verify_share = 6;      ///< one in so many is verified and closed
    std::optional<std::uint64_t> only_cut;
};

struct Tally {
    std::uint64_t points = 0;
    std::uint64_t double_points = 0;  ///< not among the points
    std::uint64_t kills = 0;          ///< among the points
    std::uint64_t cuts = 0;
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

private:
    void cut(const sim::SimDisk& disk, const History& history, const sim::Change& change);
    void try_survival(std::unique_ptr<sim::SimDisk> found, const History& history, bool thorough,
                      std::uint64_t seed);
    void recover(sim::SimDisk& disk, History& history, bool thorough, std::uint64_t seed);
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
    std::string place_;    // of the point under way, in words
    std::string problem_;  // the first one
};

}  // namespace braid::crash
