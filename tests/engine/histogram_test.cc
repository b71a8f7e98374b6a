#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <braid/histogram.hpp>

namespace braid::test {
namespace {

constexpr double fractions[] = {0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1};

/// What the documentation of `percentile` calls the value at a fraction's rank.
std::uint64_t exact_percentile(const std::vector<std::uint64_t>& sorted, double fraction) {
    const auto rank = std::ceil(fraction * static_cast<double>(sorted.size()));
    return sorted[rank < 1 ? 0 : static_cast<std::size_t>(rank) - 1];
}

void check_against(std::vector<std::uint64_t> values) {
    Histogram histogram;
    std::uint64_t sum = 0;
    for (const std::uint64_t value : values) {
        histogram.record(value);
        sum += value;
    }
    std::sort(values.begin(), values.end());
    CHECK(histogram.count() == values.size());
    CHECK(histogram.sum() == sum);
    CHECK(histogram.max() == values.back());
    for (const double fraction : fractions) {
        CAPTURE(fraction);
        const std::uint64_t exact = exact_percentile(values, fraction);
        const std::uint64_t found = histogram.percentile(fraction);
        CHECK(found >= exact);
        CHECK(found - exact <= exact / 4);
        if (exact < 8) CHECK(found == exact);
        CHECK(found <= histogram.max());
    }
}

TEST_CASE("histogram: nothing recorded is all zero") {
    const Histogram histogram;
    CHECK(histogram.count() == 0);
    CHECK(histogram.sum() == 0);
    CHECK(histogram.max() == 0);
    for (const double fraction : fractions) CHECK(histogram.percentile(fraction) == 0);
}

TEST_CASE("histogram: each value alone, at the edges of every bucket") {
    for (unsigned shift = 0; shift < 64; ++shift) {
        const std::uint64_t power = std::uint64_t{1} << shift;
        for (std::uint64_t quarter = 0; quarter < 4; ++quarter) {
            const std::uint64_t edge = power + power / 4 * quarter;
            for (const std::uint64_t value : {edge - 1, edge, edge + 1}) {
                CAPTURE(value);
                check_against({value});
                check_against({value, value, ~std::uint64_t{}});
            }
        }
    }
    check_against({~std::uint64_t{}});
}

TEST_CASE("histogram: a fraction beyond 0 and 1 is the nearer one") {
    Histogram histogram;
    for (std::uint64_t value = 1; value <= 5; ++value) histogram.record(value);
    CHECK(histogram.percentile(-1) == 1);
    CHECK(histogram.percentile(2) == 5);
}

TEST_CASE("histogram: percentiles of random values are within their error") {
    const std::uint64_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 200; ++round) {
        const unsigned bits = 1 + static_cast<unsigned>(random() % 63);
        std::vector<std::uint64_t> values(1 + random() % 2000);
        for (std::uint64_t& value : values)
            value = random() >> (64 - bits) >> random() % (round % 2 == 0 ? 1 : bits);
        check_against(std::move(values));
    }
}

}  // namespace
}  // namespace braid::test
