#pragma once

#include <boost/endian/buffers.hpp>
#include <braid/result.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "segment/encoding.h"
#include "segment/item.h"

namespace braid::segment {

/// Head of a change record in the log: the common prefix and the transaction that it belongs to.
/// The checksum is XXH3-64(store seed, all bytes behind it).
struct ChangeHeader {
    ItemPrefix prefix;
    boost::endian::little_uint64_buf_t transaction;
};
static_assert(sizeof(ChangeHeader) == 24);
inline constexpr std::size_t change_header_bytes = sizeof(ChangeHeader);

/// A space got its id; body: varint id, text name.
struct SpaceNamed {
    SpaceId space;
    std::string name;
    bool operator==(const SpaceNamed&) const = default;
};
/// A segment got its id; body: varint id, varint space, text name.
struct SegmentNamed {
    SegmentId segment;
    SpaceId space;
    std::string name;
    bool operator==(const SegmentNamed&) const = default;
};
/// The same, the name where it stands: a view into the body.
struct SegmentNameView {
    SegmentId segment;
    SpaceId space;
    std::string_view name;
};
/// A consumer's cursor in one source was set; body: text consumer, text space, text segment, varint
/// position. Without a space the source is the whole store, without a segment the whole space.
struct ConsumerMoved {
    std::string consumer;
    std::string space;
    std::string segment;
    Position position;
    bool operator==(const ConsumerMoved&) const = default;
};
/// A consumer got a new owner: the transaction's number is its epoch from now on; body: text
/// consumer.
struct ConsumerTaken {
    std::string consumer;
    bool operator==(const ConsumerTaken&) const = default;
};
/// A consumer and all its cursors are gone; body: text consumer.
struct ConsumerDeleted {
    std::string consumer;
    bool operator==(const ConsumerDeleted&) const = default;
};
/// The transaction has an id of the caller's; body: 16 bytes id, u64 fingerprint of the content.
struct TransactionNoted {
    TransactionId id{};
    std::uint64_t fingerprint = 0;
    bool operator==(const TransactionNoted&) const = default;
};
/// A holder got the lease of a key: the transaction's number is its token; body: text key, text
/// holder, varint how many nanoseconds it was granted for.
struct LeaseGranted {
    std::string key;
    std::string holder;
    std::uint64_t ttl_ns = 0;
    bool operator==(const LeaseGranted&) const = default;
};
/// Nobody holds the lease of a key any more; body: text key.
struct LeaseReleased {
    std::string key;
    bool operator==(const LeaseReleased&) const = default;
};
using Change = std::variant<SpaceNamed, SegmentNamed, ConsumerMoved, ConsumerTaken, ConsumerDeleted,
                            TransactionNoted, LeaseGranted, LeaseReleased>;

/// The body of a SegmentNamed, nothing of it copied.
[[nodiscard]] Result<SegmentNameView> decode_segment_name(Bytes body);

/// Whether this can be the name of anything.
[[nodiscard]] bool is_name(std::string_view name) noexcept;
/// Whether these can be a consumer's source.
[[nodiscard]] bool is_source(std::string_view space, std::string_view segment) noexcept;
[[nodiscard]] ItemType change_type(const Change& change) noexcept;
/// Appends the body of a change, without any head.
void encode_change_body(const Change& change, std::vector<std::byte>& out);
/// `corrupt` for a body that can't be decoded or has bytes left, `unsupported_version` for a type
/// that this version doesn't know.
[[nodiscard]] Result<Change> decode_change_body(ItemType type, Bytes body);

/// What ConsumerMoved says, in views.
struct ConsumerMove {
    std::string_view consumer;
    std::string_view space;
    std::string_view segment;
    Position position;
};

/// Appends a whole change item without its numbers, padded.
void encode_change_item(const Change& change, std::vector<std::byte>& out);
void encode_change_item(const ConsumerMove& move, std::vector<std::byte>& out);
/// Writes transaction, flag and checksum into a built change item at `at`.
void number_change(std::byte* at, TransactionNumber transaction, bool ends_transaction,
                   std::uint64_t store_seed) noexcept;
/// The transaction of a change item that `look` has found.
[[nodiscard]] TransactionNumber change_transaction(const std::byte* at) noexcept;
/// Checks and decodes a change item that `look` has found.
[[nodiscard]] Result<Change> read_change_item(Bytes item, std::uint64_t store_seed);

}  // namespace braid::segment
