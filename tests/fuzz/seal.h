#pragma once

#include <braid/types.hpp>
#include <cstdint>
#include <span>

namespace braid::fuzz {

/// Each puts the checksums right that stand in bytes which may hold anything, as far as a structure
/// can be made out, and leaves everything else as it is. So a fuzzer gets behind them.
///
/// A whole file of any kind, by the kind in its header.
void seal_file(std::span<std::byte> file);
/// Extents one behind the other.
void seal_extents(std::span<std::byte> extents, std::uint64_t store_seed);
/// Frames and changes one behind the other. Returns the bytes walked.
std::size_t seal_items(std::span<std::byte> items, std::uint64_t store_seed);
/// Blocks of the space order wherever one begins, chained.
void seal_order_blocks(std::span<std::byte> bytes, std::uint32_t pack, std::uint64_t store_seed);
/// A sparse index at the beginning of `bytes`, if one is there.
void seal_sparse_index(std::span<std::byte> bytes, std::uint64_t store_seed);

}  // namespace braid::fuzz
