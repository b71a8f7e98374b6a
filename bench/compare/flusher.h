#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "bench/compare/peer.h"

namespace bench {

/// Makes buffered commits durable every 10 ms, as Braid does by itself.
class Flusher {
public:
    explicit Flusher(Peer& peer)
        : thread_([this, &peer] {
              for (auto next = std::chrono::steady_clock::now(); !stop_;) {
                  next += std::chrono::milliseconds(10);
                  std::this_thread::sleep_until(next);
                  peer.flush();
              }
          }) {}
    Flusher(const Flusher&) = delete;
    Flusher& operator=(const Flusher&) = delete;
    ~Flusher() {
        stop_ = true;
        thread_.join();
    }

private:
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

}  // namespace bench
