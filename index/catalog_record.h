#pragma once

#include <braid/types.hpp>
#include <optional>

#include "index/catalog.h"

namespace braid::index {

/// Seed of the checksums of one catalog file's records.
[[nodiscard]] std::uint64_t catalog_seed(const Uuid& store, std::uint64_t file) noexcept;

/// The header at the beginning of `bytes` if it is whole, bears the magic and its checksum matches.
[[nodiscard]] std::optional<CatalogRecordHeader> sound_header(Bytes bytes, std::uint64_t seed);

/// The body behind a sound header at the beginning of `bytes`; nullopt if it isn't whole, its
/// checksum doesn't match, or the padding behind it up to a multiple of 8 isn't there or isn't
/// zero.
[[nodiscard]] std::optional<Bytes> sound_body(const CatalogRecordHeader& header, Bytes bytes,
                                              std::uint64_t seed);

}  // namespace braid::index
