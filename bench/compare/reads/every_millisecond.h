#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <thread>
#include <utility>

namespace bench {

/// Does something every millisecond in a thread of its own, until it ends.
class EveryMillisecond {
public:
    explicit EveryMillisecond(std::function<void()> work)
        : thread_([work = std::move(work)](const std::stop_token& stop) {
              while (!stop.stop_requested()) {
                  work();
                  std::this_thread::sleep_for(std::chrono::milliseconds(1));
              }
          }) {}

private:
    std::jthread thread_;
};

}  // namespace bench
