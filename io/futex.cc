#include "io/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

namespace braid::io {
namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;

static_assert(sizeof(std::atomic<std::uint32_t>) == 4, "the kernel compares the word itself");
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

const std::uint32_t* address(const std::atomic<std::uint32_t>& word) {
    return reinterpret_cast<const std::uint32_t*>(&word);
}

}  // namespace

void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::uint64_t timeout_ns) {
    timespec timeout{};
    timespec* limit = nullptr;
    if (timeout_ns != std::numeric_limits<std::uint64_t>::max()) {
        timeout.tv_sec = static_cast<time_t>(timeout_ns / second_ns);
        timeout.tv_nsec = static_cast<long>(timeout_ns % second_ns);
        limit = &timeout;
    }
    // Every way of returning (woken, changed, timed out, interrupted) is one that callers expect.
    syscall(SYS_futex, address(word), FUTEX_WAIT_PRIVATE, expected, limit, nullptr, 0);
}

void futex_wake(const std::atomic<std::uint32_t>& word, int count) {
    syscall(SYS_futex, address(word), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

}  // namespace braid::io
