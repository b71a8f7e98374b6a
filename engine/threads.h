#pragma once

#include <braid/result.hpp>
#include <thread>

#include "engine/signal.h"
#include "io/queue.h"

namespace braid {

class Engine;

/// The engine's own threads, all of them: one for the log, one for the drain. They run as long as
/// this lives, and do nothing that the engine's steps don't do.
class EngineThreads {
public:
    explicit EngineThreads(Engine& engine) noexcept : engine_(engine) {}
    /// `io` where the system gives no more threads.
    [[nodiscard]] Result<void> start();
    ~EngineThreads();

private:
    /// Calls `turn` with a queue until it is time to stop. A turn that runs out of memory is taken
    /// again later: what it was to do is still to be done.
    template <class Turn>
    void run(Signal& signal, std::size_t queue_depth, Turn turn);
    void run_log();
    void run_drain();
    /// Gives the longest time until the next turn.
    [[nodiscard]] std::uint64_t log_turn(io::Queue& queue);
    [[nodiscard]] std::uint64_t drain_turn(io::Queue& queue);
    [[nodiscard]] std::uint64_t gather_turn(io::Queue& queue);
    /// Writes the metrics if it is time; the time until the next.
    [[nodiscard]] std::uint64_t metrics_turn();

    Engine& engine_;
    std::uint64_t batches_seen_ = 0;  // the log thread's, as is quiet_since_
    std::uint64_t quiet_since_ = 0;
    std::uint64_t metrics_due_ns_ = 0;
    std::uint64_t gather_due_ns_ = 0;  // not before
    std::thread log_;
    std::thread drain_;
};

}  // namespace braid
