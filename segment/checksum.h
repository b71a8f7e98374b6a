#pragma once

#include <braid/types.hpp>
#include <cstdint>

namespace braid::segment {

/// XXH3-64 of `bytes`. Short inputs are hashed inline, long ones by the widest vector unit there
/// is.
[[nodiscard]] std::uint64_t checksum(Bytes bytes, std::uint64_t seed) noexcept;

/// Seed of all that belongs to one store, so that another store's bytes never pass.
[[nodiscard]] std::uint64_t store_seed(const Uuid& uuid) noexcept;

/// Mixes a further number (a segment, a file, an incarnation) into a seed.
[[nodiscard]] constexpr std::uint64_t mix_seed(std::uint64_t seed, std::uint64_t number) noexcept {
    std::uint64_t mixed = seed ^ (number + 0x9e3779b97f4a7c15ULL + (seed << 6) + (seed >> 2));
    mixed *= 0xff51afd7ed558ccdULL;
    return mixed ^ (mixed >> 32);
}

}  // namespace braid::segment
