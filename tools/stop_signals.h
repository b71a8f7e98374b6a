#pragma once

#include <chrono>
#include <csignal>

namespace braid::tools {

/// Takes SIGINT and SIGTERM as a wish to end, noticed where it suits. Made before any other thread,
/// so that all of them leave the signals to this one.
class StopSignals {
public:
    StopSignals();

    /// Waits for a signal; false if none came in time. Once true it stays true.
    bool wait(std::chrono::milliseconds timeout);
    bool came() { return wait(std::chrono::milliseconds(0)); }

private:
    sigset_t signals_;
    bool came_ = false;
};

}  // namespace braid::tools
