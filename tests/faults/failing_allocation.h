// In this test program `operator new` can fail. It counts, and fails, only on a thread that says
// so.
#pragma once

#include <cstdint>

namespace braid::faults {

/// Of this thread: from the `nth` allocation of the engine on (1: the next one) one fails, or all.
void fail_allocations(std::uint64_t nth, bool onwards) noexcept;
/// No more; the count begins anew.
void spare_allocations() noexcept;
/// Allocations of the engine since the last call of either.
[[nodiscard]] std::uint64_t allocations() noexcept;

/// One in so many allocations of all other threads fails; 0: none.
void fail_allocations_of_others(unsigned one_in) noexcept;

/// While one lives, what this thread asks for is the engine's, but in the simulated disk.
class InEngine {
public:
    InEngine() noexcept;
    ~InEngine();
    InEngine(const InEngine&) = delete;
    InEngine& operator=(const InEngine&) = delete;
};

}  // namespace braid::faults
