#include "segment/checksum.h"

#include <doctest/doctest.h>
#include <xxhash.h>

#include "tests/segment/sample.h"

using namespace braid;

TEST_CASE("checksum is XXH3-64 at every size, inline or not, with any seed") {
    std::mt19937_64 random(1);
    const auto bytes = test::random_bytes(random, 1024);
    for (const std::uint64_t seed : {0ULL, 1ULL, 0x9e3779b97f4a7c15ULL, ~0ULL})
        for (std::size_t size = 0; size <= bytes.size(); ++size) {
            CAPTURE(size);
            const Bytes part = Bytes(bytes).first(size);
            REQUIRE(segment::checksum(part, seed) ==
                    XXH3_64bits_withSeed(part.data(), part.size(), seed));
        }
}

TEST_CASE("checksum of large inputs is XXH3-64 too") {
    std::mt19937_64 random(2);
    const auto bytes = test::random_bytes(random, 300'001);
    CHECK(segment::checksum(bytes, 5) == XXH3_64bits_withSeed(bytes.data(), bytes.size(), 5));
}

TEST_CASE("seeds of stores, segments and files differ") {
    Uuid other = test::sample_uuid;
    other[15] ^= 1;
    const std::uint64_t seed = segment::store_seed(test::sample_uuid);
    CHECK(seed != segment::store_seed(other));
    CHECK(segment::mix_seed(seed, 1) != segment::mix_seed(seed, 2));
    CHECK(segment::mix_seed(seed, 0) != seed);
}

TEST_CASE("the seed of a known store is what the format says") {
    CHECK(segment::store_seed(test::sample_uuid) == 9463720498221773019ULL);
    CHECK(segment::mix_seed(1, 2) == 157725185989067494ULL);
}
