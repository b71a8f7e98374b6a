#pragma once

#include <atomic>
#include <thread>

namespace braid {

class Engine;

/// The engine's own threads, all of them: one for the log, one for the drain. They run as long as
/// this lives, and do nothing that the engine's steps don't do.
class EngineThreads {
public:
    explicit EngineThreads(Engine& engine);
    ~EngineThreads();

private:
    void run_log();
    void run_drain();

    Engine& engine_;
    std::atomic<bool> stopping_{false};
    std::thread log_;
    std::thread drain_;
};

}  // namespace braid
