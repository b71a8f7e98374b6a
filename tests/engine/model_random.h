#pragma once

#include <cstdint>
#include <vector>

namespace braid::test {

/// Random numbers that are the same everywhere for the same seed (SplitMix64).
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() noexcept {
        state_ += 0x9e3779b97f4a7c15;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    /// From 0 to `bound` - 1.
    std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
    std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept {
        return low + below(high - low + 1);
    }
    bool percent(std::uint64_t chance) noexcept { return below(100) < chance; }
    template <class T>
    const T& pick(const std::vector<T>& values) noexcept {
        return values[below(values.size())];
    }

private:
    std::uint64_t state_;
};

}  // namespace braid::test
