#pragma once

#include <array>
#include <atomic>
#include <boost/endian/conversion.hpp>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace bench {

/// What a key-value store needs to keep segments: the record's segment and its number in it, both
/// big-endian, so that keys sort as segments are read.
class Key {
public:
    Key(std::uint32_t segment, std::uint64_t sequence) {
        const std::uint64_t parts[2] = {boost::endian::native_to_big(std::uint64_t{segment}),
                                        boost::endian::native_to_big(sequence)};
        std::memcpy(bytes_.data(), parts, sizeof parts);
    }
    [[nodiscard]] std::string_view bytes() const { return {bytes_.data(), bytes_.size()}; }

private:
    std::array<char, 16> bytes_{};
};

/// The next number of each segment. Handed out before the commit, without a lock: cheaper than what
/// a program would need that must not leave a gap.
class Sequences {
public:
    explicit Sequences(std::uint32_t segments) : next_(segments) {}
    std::uint64_t take(std::uint32_t segment) {
        return next_[segment].fetch_add(1, std::memory_order_relaxed) + 1;
    }

private:
    std::vector<std::atomic<std::uint64_t>> next_;
};

}  // namespace bench
