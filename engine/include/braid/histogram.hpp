#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace braid {

/// How values are distributed: counts in buckets, four to each power of two. A value below 8 has a
/// bucket of its own; a larger one shares it with others that differ by less than a quarter. Of
/// fixed size, without allocation; copied as it is. Not for several threads at once.
class Histogram {
public:
    void record(std::uint64_t value) noexcept {
        ++buckets_[bucket_of(value)];
        ++count_;
        sum_ += value;
        max_ = std::max(max_, value);
    }

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] std::uint64_t sum() const noexcept { return sum_; }  ///< exact, modulo 2^64
    [[nodiscard]] std::uint64_t max() const noexcept { return max_; }  ///< exact; 0 without values

    /// The value at rank ceil(fraction × count) in ascending order, 0.99 for the 99th percentile:
    /// never less than it, less than 5/4 of it, exact below 8, and never above `max`. A fraction
    /// outside 0 to 1 counts as the nearer of the two. 0 without values.
    [[nodiscard]] std::uint64_t percentile(double fraction) const noexcept {
        const double ranked = std::ceil(fraction * static_cast<double>(count_));
        // Beyond 2^53 values a rank is no longer exact as a double, and neither need it be.
        const std::uint64_t rank = ranked >= static_cast<double>(count_) ? count_
                                   : ranked >= 1 ? static_cast<std::uint64_t>(ranked)
                                                 : 1;
        std::uint64_t seen = 0;
        for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
            seen += buckets_[bucket];
            if (seen >= rank) return std::min(last_of(bucket), max_);
        }
        return max_;
    }

private:
    static constexpr unsigned part_bits = 2;  // a power of two has 2^part_bits buckets
    static constexpr std::size_t parts = std::size_t{1} << part_bits;
    static constexpr std::size_t bucket_count = (64 - part_bits + 1) * parts;

    static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
        if (value < parts) return static_cast<std::size_t>(value);
        const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - part_bits;
        return shift * parts + static_cast<std::size_t>(value >> shift);
    }
    /// The largest value of a bucket.
    static constexpr std::uint64_t last_of(std::size_t bucket) noexcept {
        if (bucket < 2 * parts) return bucket;
        const std::size_t shift = bucket / parts - 1;
        const std::uint64_t first = (parts + bucket % parts) << shift;
        return first + ((std::uint64_t{1} << shift) - 1);
    }

    std::array<std::uint64_t, bucket_count> buckets_{};
    std::uint64_t count_ = 0;
    std::uint64_t sum_ = 0;
    std::uint64_t max_ = 0;
};

}  // namespace braid
