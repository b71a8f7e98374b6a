#include "tests/faults/failing_allocation.h"

#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>

#include "tests/sim/shelter.h"

namespace braid::faults {
namespace {

struct Plan {
    std::uint64_t count = 0;
    std::uint64_t nth = std::numeric_limits<std::uint64_t>::max();
    bool onwards = false;
    unsigned in_engine = 0;
};
thread_local Plan plan;
thread_local bool is_test_thread = false;
std::atomic<unsigned> others_one_in{0};
std::atomic<unsigned> others_count{0};

bool is_to_fail() noexcept {
    if (const unsigned one_in = others_one_in.load(); one_in != 0 && !is_test_thread)
        return others_count.fetch_add(1) % one_in == 0;
    if (plan.in_engine == 0 || sim::Shelter::is_over_this_thread()) return false;
    ++plan.count;
    return plan.count == plan.nth || (plan.onwards && plan.count > plan.nth);
}

void* allocate(std::size_t bytes, std::size_t alignment) {
    if (is_to_fail()) throw std::bad_alloc();
    if (bytes == 0) bytes = 1;
    void* memory =
        alignment <= alignof(std::max_align_t)
            ? std::malloc(bytes)
            : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

void fail_allocations(std::uint64_t nth, bool onwards) noexcept {
    plan.count = 0;
    plan.nth = nth;
    plan.onwards = onwards;
}

void spare_allocations() noexcept {
    fail_allocations(std::numeric_limits<std::uint64_t>::max(), false);
}

std::uint64_t allocations() noexcept {
    return plan.count;
}

void fail_allocations_of_others(unsigned one_in) noexcept {
    is_test_thread = true;
    others_one_in = one_in;
}

InEngine::InEngine() noexcept {
    ++plan.in_engine;
}
InEngine::~InEngine() {
    --plan.in_engine;
}

}  // namespace braid::faults

void* operator new(std::size_t bytes) {
    return braid::faults::allocate(bytes, 0);
}
void* operator new[](std::size_t bytes) {
    return braid::faults::allocate(bytes, 0);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return braid::faults::allocate(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
    return braid::faults::allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
