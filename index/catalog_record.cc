#include "index/catalog_record.h"

#include <algorithm>
#include <cstring>

#include "segment/checksum.h"

namespace braid::index {

namespace {

constexpr std::size_t header_bytes = sizeof(CatalogRecordHeader);

std::uint64_t header_checksum(const CatalogRecordHeader& header, std::uint64_t seed) {
    const Bytes all = std::as_bytes(std::span(&header, 1));
    return segment::checksum(all.subspan(sizeof header.checksum), seed);
}

}  // namespace

std::uint64_t catalog_seed(const Uuid& store, std::uint64_t file) noexcept {
    return segment::mix_seed(segment::store_seed(store), file);
}

std::optional<CatalogRecordHeader> sound_header(Bytes bytes, std::uint64_t seed) {
    if (bytes.size() < header_bytes) return std::nullopt;
    CatalogRecordHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.magic.value() != catalog_record_magic) return std::nullopt;
    if (header.checksum.value() != header_checksum(header, seed)) return std::nullopt;
    return header;
}

std::optional<Bytes> sound_body(const CatalogRecordHeader& header, Bytes bytes,
                                std::uint64_t seed) {
    if (bytes.size() < header_bytes) return std::nullopt;
    const std::uint64_t length = header.body_bytes.value();
    const Bytes behind = bytes.subspan(header_bytes);
    if (length > behind.size() || segment::padded(length) > behind.size()) return std::nullopt;
    const Bytes padding = behind.subspan(length, segment::padded(length) - length);
    if (std::any_of(padding.begin(), padding.end(), [](std::byte b) { return b != std::byte{0}; }))
        return std::nullopt;
    const Bytes body = behind.first(length);
    if (segment::checksum(body, seed) != header.body_checksum.value()) return std::nullopt;
    return body;
}

std::vector<std::byte> encode_catalog_record(const CatalogRecord& record, const Uuid& store,
                                             CatalogEnd& end) {
    std::vector<std::byte> out(header_bytes);
    encode_catalog_body(record, out);
    const std::size_t body_bytes = out.size() - header_bytes;
    const std::uint64_t seed = catalog_seed(store, end.file);
    const std::uint64_t body_checksum =
        segment::checksum(Bytes(out).subspan(header_bytes, body_bytes), seed);
    out.resize(header_bytes + segment::padded(body_bytes));

    CatalogRecordHeader header{};
    header.body_checksum = body_checksum;
    header.number = end.next_record;
    header.previous = end.last_checksum;
    header.body_bytes = body_bytes;
    header.kind = static_cast<std::uint32_t>(record.kind);
    header.magic = catalog_record_magic;
    header.checksum = header_checksum(header, seed);
    std::memcpy(out.data(), &header, sizeof header);

    end.offset += out.size();
    ++end.next_record;
    end.last_checksum = header.checksum.value();
    return out;
}

}  // namespace braid::index
