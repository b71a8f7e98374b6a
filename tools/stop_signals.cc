#include "tools/stop_signals.h"

#include <pthread.h>

namespace braid::tools {

StopSignals::StopSignals() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
}

bool StopSignals::wait(std::chrono::milliseconds timeout) {
    if (came_) return true;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
    const std::chrono::nanoseconds rest = timeout - seconds;
    const timespec time{.tv_sec = seconds.count(), .tv_nsec = rest.count()};
    came_ = sigtimedwait(&signals_, nullptr, &time) > 0;
    return came_;
}

}  // namespace braid::tools
