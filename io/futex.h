#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

namespace braid::io {

/// Sleeps while `word` holds `expected`, for at most `timeout_ns`. May return early for no reason.
void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::uint64_t timeout_ns = std::numeric_limits<std::uint64_t>::max());
/// Wakes up to `count` threads that sleep on `word`.
void futex_wake(const std::atomic<std::uint32_t>& word,
                int count = std::numeric_limits<int>::max());

}  // namespace braid::io
