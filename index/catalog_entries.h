#pragma once

#include <braid/types.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include "index/catalog.h"

namespace braid::index {

// The contents of a catalog body's entries, but for names, which are encoded as the log's are. What
// decodes adds to what it is given, and is false where the bytes can't be such an entry's.

void encode_counters(const CatalogRecord& record, std::vector<std::byte>& out);
[[nodiscard]] bool decode_counters(Bytes content, CatalogRecord& record);

void encode_pack(const PackInfo& pack, std::vector<std::byte>& out);
[[nodiscard]] bool decode_pack(Bytes content, std::vector<PackInfo>& packs);

void encode_piece(const segment::Piece& piece, std::vector<std::byte>& out);
[[nodiscard]] bool decode_piece(Bytes content, std::vector<segment::Piece>& pieces);

/// What a CatalogItems takes is handed on so many at a time.
inline constexpr std::size_t items_at_once = 64;

void encode_segments(const std::vector<SegmentUpdate>& updates, std::vector<std::byte>& out);
/// nullopt where they can't be decoded, or else what `items` says of them.
[[nodiscard]] std::optional<const char*> decode_segments(Bytes content, CatalogItems& items);

void encode_sections(const std::vector<OrderSection>& sections, std::vector<std::byte>& out);
[[nodiscard]] bool decode_sections(Bytes content, std::vector<OrderSection>& sections);

void encode_trims(const std::vector<SegmentTrim>& trims, std::vector<std::byte>& out);
[[nodiscard]] bool decode_trims(Bytes content, std::vector<SegmentTrim>& trims);

void encode_pack_trims(const std::vector<PackTrim>& trims, std::vector<std::byte>& out);
[[nodiscard]] bool decode_pack_trims(Bytes content, std::vector<PackTrim>& trims);

void encode_body_files(const CatalogRecord& record, std::vector<std::byte>& out);
[[nodiscard]] bool decode_body_files(Bytes content, CatalogRecord& record);

/// Of the pack's sections among them, in their order, what those that they replace had as their
/// last checksum is written, too.
void encode_gathered(const GatheredPack& gathered, const std::vector<OrderSection>& sections,
                     std::vector<std::byte>& out);
/// Leaves what it says of sections in `checksums`.
[[nodiscard]] bool decode_gathered(Bytes content, GatheredPack& gathered,
                                   std::vector<std::uint64_t>& checksums);

void encode_consumers(const std::vector<ConsumerUpdate>& consumers, std::vector<std::byte>& out);
[[nodiscard]] bool decode_consumers(Bytes content, std::vector<ConsumerUpdate>& consumers);

void encode_leases(const std::vector<LeaseUpdate>& leases, std::vector<std::byte>& out);
[[nodiscard]] bool decode_leases(Bytes content, std::vector<LeaseUpdate>& leases);

void encode_noted(const std::vector<NotedTransaction>& noted, std::vector<std::byte>& out);
[[nodiscard]] bool decode_noted(Bytes content, std::vector<NotedTransaction>& noted);

}  // namespace braid::index
