#pragma once

#include <memory>
#include <set>

#include "tests/crash/history.h"
#include "tests/crash/workload.h"
#include "tests/sim/sim_disk.h"

namespace braid::faults {

/// A store at work on a simulated disk that fails, on one thread. Any call may be refused, but only
/// with an error that fits the fault; and what was promised of it, or wasn't, is noted.
class FaultRun {
public:
    /// `errors`: the errnos that the disk may give; none: nothing may be refused.
    FaultRun(sim::SimDisk& disk, const crash::Workload& workload, crash::History history,
             std::set<int> errors)
        : disk_(disk),
          workload_(workload),
          history_(std::move(history)),
          errors_(std::move(errors)) {}
    ~FaultRun();
    FaultRun(const FaultRun&) = delete;
    FaultRun& operator=(const FaultRun&) = delete;

    /// The workload from opening to its last operation. Throws Broken where an answer is wrong, or
    /// what readers are served.
    void work();
    /// The faults are over: the same store serves all that it had committed, and unless its log has
    /// failed it goes on as if nothing had been.
    void go_on();
    void close();
    /// What is promised now.
    [[nodiscard]] crash::History promised() const;
    /// Whether the log has failed.
    [[nodiscard]] bool has_stopped() const noexcept { return stopped_; }

private:
    void open();
    [[nodiscard]] bool try_open();
    void apply(const crash::Operation& operation);
    void commit(const crash::PlannedTransaction& planned, Durability durability);
    void commit_async(const crash::PlannedTransaction& planned);
    void called_back(std::size_t index, bool was_stopped, const Result<Receipt>& receipt);
    void build(TransactionBody& body, const crash::PlannedTransaction& planned);
    void settle(std::size_t index, const Result<Receipt>& receipt, Durability durability);
    void conflict(std::uint64_t pick);
    void set_clock(std::uint64_t pick);
    void step_log(std::uint64_t steps);
    void step_drain(std::uint64_t steps);
    void waited(const Result<void>& result, std::string_view what);
    /// Whether an error may be told, given the faults and what was told before.
    void judge(const Error& error, std::string_view what);
    void stop();
    void check_stopped(const Error& error, std::string_view what) const;
    void check_served(crash::History::Reads reads) const;
    void follow();
    void look_around();
    [[nodiscard]] Result<bool> read_backward(const std::string& space,
                                             const std::string& segment) const;
    void let_go();

    sim::SimDisk& disk_;
    const crash::Workload& workload_;
    crash::History history_;
    std::set<int> errors_;
    std::unique_ptr<io::Queue> log_queue_;
    std::unique_ptr<io::Queue> drain_queue_;
    std::shared_ptr<Engine> engine_;
    std::unique_ptr<ReaderBody> follower_;  // of what is durable
    Position followed_;
    bool unwatched_ = false;  // there are commits whose flush nobody waits for
    bool stopped_ = false;    // the log has failed
    Position stopped_at_;     // durable then
    std::uint64_t callbacks_due_ = 0;
    std::string broken_;  // by a callback, which can't throw
};

/// A commit and a drain in a store that was found: both must succeed.
void use_again(Engine& engine, crash::History& history, const Options& options);
/// Everything is read again, and `verify` must find it clean.
void verify_all(Engine& engine, const crash::History& history);
/// Opens what is left on a disk without a fault, and checks it. Throws Broken.
[[nodiscard]] std::shared_ptr<Engine> recover(sim::SimDisk& disk, crash::History& history,
                                              Options options);

}  // namespace braid::faults
