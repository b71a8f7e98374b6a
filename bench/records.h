#pragma once

#include <braid/types.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// What every append writes.
inline constexpr std::size_t payload_bytes = 100;
std::string_view payload();

/// The space that everything is written to.
inline constexpr std::string_view space = "orders";
/// "segment-000000" and so on.
std::vector<std::string> segment_names(std::size_t count);
braid::TransactionId transaction_id(std::uint64_t number);

/// A fast sequence of numbers that looks random (xorshift64*), the same in every run.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15U + 1) {}
    /// From 0 to `bound` - 1.
    std::uint64_t below(std::uint64_t bound) {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return ((state_ * 0x2545f4914f6cdd1dU) >> 32) * bound >> 32;
    }

private:
    std::uint64_t state_;
};

}  // namespace bench
