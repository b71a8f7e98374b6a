#pragma once

#include <memory>

#include "tests/crash/history.h"
#include "tests/crash/workload.h"
#include "tests/sim/sim_disk.h"

namespace braid::crash {

/// A store at work on a simulated disk, on one thread, with what it has promised so far.
class WorkloadRun {
public:
    WorkloadRun(sim::SimDisk& disk, const Workload& workload) : disk_(disk), workload_(workload) {}
    ~WorkloadRun();
    WorkloadRun(const WorkloadRun&) = delete;
    WorkloadRun& operator=(const WorkloadRun&) = delete;

    /// All of it, with opening and closing. Throws Broken where a call fails that mustn't.
    void run();
    /// What is promised now, which may be in the middle of an I/O.
    [[nodiscard]] History promised() const;
    [[nodiscard]] bool is_opening() const noexcept { return opening_; }
    [[nodiscard]] bool is_gathering() const noexcept { return gathering_; }
    [[nodiscard]] bool is_created() const noexcept { return history_.is_created(); }

private:
    void open();
    void close();
    void apply(const Operation& operation);
    void commit(const PlannedTransaction& planned, Durability durability);
    void commit_async(const PlannedTransaction& planned);
    void conflict(std::uint64_t pick);
    void trim(std::uint64_t pick);
    void note_what_is_served_as_durable();
    void set_clock(std::uint64_t pick);

    sim::SimDisk& disk_;
    const Workload& workload_;
    History history_;
    std::unique_ptr<io::Queue> log_queue_;
    std::unique_ptr<io::Queue> drain_queue_;
    std::shared_ptr<Engine> engine_;
    bool opening_ = false;
    bool gathering_ = false;
    std::uint64_t callbacks_due_ = 0;
    std::string broken_;  // by a callback, which can't throw
};

/// A planned transaction's id.
[[nodiscard]] TransactionId planned_id(const PlannedTransaction& planned);
/// Adds all of a planned transaction; cursors stand at or before what is durable.
void fill(TransactionBody& body, const PlannedTransaction& planned, const History& history,
          Position durable = {});
inline constexpr std::uint64_t planned_ttl_ns = 1'000'000'000;
[[nodiscard]] std::string planned_holder(const std::string& key);

}  // namespace braid::crash
