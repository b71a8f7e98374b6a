#include "segment/checksum.h"

// The library's dispatching functions must be declared before the inline ones take their names.
#if defined(__x86_64__)
#define XXH_DISPATCH_DISABLE_REPLACE
#include <xxh_x86dispatch.h>
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace braid::segment {

namespace {

// Up to here XXH3 uses no wide vectors, so a call into the library would only cost.
constexpr std::size_t inline_bytes_max = 240;

}  // namespace

std::uint64_t checksum(Bytes bytes, std::uint64_t seed) noexcept {
#if defined(__x86_64__)
    if (bytes.size() > inline_bytes_max)
        return XXH3_64bits_withSeed_dispatch(bytes.data(), bytes.size(), seed);
#endif
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t store_seed(const Uuid& uuid) noexcept {
    return checksum(std::as_bytes(std::span(uuid)), 0);
}

}  // namespace braid::segment
