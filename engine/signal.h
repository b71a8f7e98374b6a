#pragma once

#include <atomic>
#include <cstdint>

#include "io/futex.h"

namespace braid {

/// Wakes one engine thread. A raise between `seen` and `wait` is not lost; a stop never is.
class Signal {
public:
    void raise() noexcept {
        word_.fetch_add(1);
        if (sleeping_.load() != 0) io::futex_wake(word_, 1);
    }
    /// Nobody sleeps here any more, whatever was seen before.
    void stop() noexcept {
        stopped_.store(true);
        raise();
    }
    [[nodiscard]] bool is_stopped() const noexcept { return stopped_.load(); }
    [[nodiscard]] std::uint32_t seen() const noexcept { return word_.load(); }
    void wait(std::uint32_t seen, std::uint64_t timeout_ns) noexcept {
        sleeping_.fetch_add(1);
        if (word_.load() == seen && !stopped_.load()) io::futex_wait(word_, seen, timeout_ns);
        sleeping_.fetch_sub(1);
    }

private:
    std::atomic<std::uint32_t> word_{0};  // futex word; seq_cst against the other two
    std::atomic<std::uint32_t> sleeping_{0};
    std::atomic<bool> stopped_{false};
};

}  // namespace braid
