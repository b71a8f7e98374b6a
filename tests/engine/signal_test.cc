#include "engine/signal.h"

#include <doctest/doctest.h>

#include <chrono>

namespace braid::test {
namespace {

constexpr std::uint64_t long_ns = 20'000'000'000;

bool is_over_soon(Signal& signal, std::uint32_t seen) {
    const auto start = std::chrono::steady_clock::now();
    signal.wait(seen, long_ns);
    return std::chrono::steady_clock::now() - start < std::chrono::seconds(10);
}

TEST_CASE("signal: a raise between looking and sleeping is not lost") {
    Signal signal;
    const std::uint32_t seen = signal.seen();
    signal.raise();
    CHECK(is_over_soon(signal, seen));
}

TEST_CASE("signal: who looks only after the stop doesn't sleep either") {
    Signal signal;
    signal.stop();
    CHECK(is_over_soon(signal, signal.seen()));
    CHECK(signal.is_stopped());
}

}  // namespace
}  // namespace braid::test
