#pragma once

#include <boost/endian/buffers.hpp>
#include <braid/result.hpp>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "index/space_order.h"
#include "io/disk.h"
#include "segment/change.h"
#include "segment/file_header.h"
#include "segment/link.h"
#include "segment/segment_file.h"

namespace braid::index {

/// catalog-<number>: a file header, then records one behind the other, each on a multiple of 8
/// bytes. The first records of a file are everything: parts, which bring the segments, some each,
/// and then the snapshot, which brings the rest. Each further one is a drain, or packs that were
/// gathered. A new catalog file is written whole under another name, synced, renamed into place,
/// and the directory synced.
struct CatalogRecordHeader {
    boost::endian::little_uint64_buf_t checksum;  ///< of bytes 8..47, seeded with store and file
    boost::endian::little_uint64_buf_t body_checksum;  ///< of the body, same seed
    boost::endian::little_uint64_buf_t number;  ///< dense, across files; parts: 1, 2, … in theirs
    boost::endian::little_uint64_buf_t previous;  ///< header checksum of the record before, or 0
    boost::endian::little_uint64_buf_t body_bytes;
    boost::endian::little_uint32_buf_t kind;  ///< CatalogRecordKind
    boost::endian::little_uint32_buf_t magic;
};
static_assert(sizeof(CatalogRecordHeader) == 48);
inline constexpr std::uint32_t catalog_record_magic = 0x44524343;  // "CCRD"

enum class CatalogRecordKind : std::uint32_t { snapshot = 1, drain = 2, gather = 3, part = 4 };

/// A pack, as the catalog knows it.
struct PackInfo {
    std::uint32_t number = 0;
    std::uint64_t extents_end = 0;   ///< end of its last extent
    std::uint64_t order_offset = 0;  ///< of its space order
    std::uint64_t bytes = 0;         ///< of the whole file
    Position first_position;
    Position last_position;
    std::uint32_t pieces = 0;  ///< written by the same drain

    /// Records of its drain, in the pack and its pieces.
    [[nodiscard]] std::uint64_t records() const noexcept {
        return last_position - first_position + 1;
    }
    bool operator==(const PackInfo&) const = default;
};

/// Numbers of packs, both included.
struct PackRange {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    bool operator==(const PackRange&) const = default;
};

/// A pack that was gathered from others: its extents are in order of segment and sequence, with a
/// directory behind them, on the next block.
struct GatheredPack {
    std::uint32_t pack = 0;
    std::uint32_t level = 0;  ///< how often what it holds was gathered in runs
    std::uint64_t directory_entries = 0;
    std::uint64_t left_out = 0;   ///< records, trimmed by then, that aren't in it
    std::vector<PackRange> from;  ///< rising: the numbers that lead to it
    bool operator==(const GatheredPack&) const = default;
};

/// A segment that a drain touched (or, in a snapshot, any segment).
struct SegmentUpdate {
    SegmentId segment;
    Sequence last_sequence;
    Position last_position;
    Timestamp first_timestamp;
    Timestamp last_timestamp;
    segment::Link head;    ///< its newest extent
    segment::Link anchor;  ///< its newest anchor
    std::uint32_t extents_since_anchor = 0;
    std::uint32_t files = 0;  ///< own files ever begun; the newest one's number
    bool operator==(const SegmentUpdate&) const = default;
};

/// All entries of a segment up to one of them are gone for readers.
struct SegmentTrim {
    SegmentId segment;
    Sequence through;
    Position position;  ///< of that entry
    bool operator==(const SegmentTrim&) const = default;
};

/// How many of a drain's records are trimmed by now. When all are, its pack is retired: the catalog
/// lists it no more, and its file is removed.
struct PackTrim {
    std::uint32_t pack = 0;
    std::uint64_t records = 0;
    bool operator==(const PackTrim&) const = default;
};

/// How many bodies of a body file drained frames refer to, and how many of these are trimmed.
/// Without bodies it is retired: the catalog lists it no more, and its file is removed.
struct BodyFileCount {
    std::uint64_t file = 0;
    std::uint64_t bodies = 0;
    std::uint64_t trimmed = 0;
    bool operator==(const BodyFileCount&) const = default;
};

/// A consumer's cursor in one source.
struct CursorUpdate {
    std::string space;    ///< empty: the whole store
    std::string segment;  ///< empty: the whole space
    Position position;
    bool operator==(const CursorUpdate&) const = default;
};

/// All of a consumer that has changed. Without epoch and cursors it is gone.
struct ConsumerUpdate {
    std::string name;
    Epoch epoch;
    std::vector<CursorUpdate> cursors;
    bool operator==(const ConsumerUpdate&) const = default;
};

/// A lease that was granted or released. Without a token nobody holds it, and it is gone.
struct LeaseUpdate {
    std::string key;
    LeaseToken token;
    std::string holder;
    std::uint64_t ttl_ns = 0;
    bool operator==(const LeaseUpdate&) const = default;
};

/// A transaction that the caller gave an id.
struct NotedTransaction {
    TransactionId id{};
    std::uint64_t fingerprint = 0;  ///< of its content
    TransactionNumber transaction;
    Position first_position;  ///< 0 where it has no records
    std::uint64_t records = 0;
    bool operator==(const NotedTransaction&) const = default;
};

/// One record: what a drain did, which packs were gathered, everything, or part of it. A part has
/// names, segments and trims; what a later record says of a segment takes the place of that.
struct CatalogRecord {
    CatalogRecordKind kind = CatalogRecordKind::drain;
    Position cut;                   ///< all entries up to it are in packs and pieces
    TransactionNumber transaction;  ///< all transactions up to it are in this catalog
    Timestamp timestamp;            ///< of the last of them
    SpaceId next_space = 1;
    SegmentId next_segment = 1;
    std::uint32_t next_pack = 1;
    std::vector<segment::Change> names;
    std::vector<PackInfo> packs;
    /// Those of `packs` that were gathered. In a record of that kind there is one of each, its
    /// pieces are those of the packs before, and aren't listed.
    std::vector<GatheredPack> gathered;
    std::vector<segment::Piece> pieces;
    std::vector<SegmentUpdate> segments;
    std::vector<OrderSection> sections;
    std::vector<SegmentTrim> trims;
    std::vector<PackTrim> pack_trims;
    std::uint64_t next_body_file = 0;  ///< beyond all that frames ever referred to; 0: as before
    std::vector<BodyFileCount> body_files;  ///< that have changed; only with `next_body_file`
    std::vector<ConsumerUpdate> consumers;
    std::vector<LeaseUpdate> leases;
    std::vector<NotedTransaction> noted;
    bool operator==(const CatalogRecord&) const = default;
};

/// Types of the entries of a body. An unknown one is unsupported.
enum class CatalogEntryType : std::uint64_t {
    counters = 1,  ///< cut, transaction, timestamp, next space, segment and pack; once
    space_named = 2,
    segment_named = 3,
    pack = 4,
    piece = 5,
    segments = 6,  ///< all segment updates
    sections = 7,  ///< all order sections
    trims = 8,     ///< all segment trims
    pack_trims = 9,
    body_files = 10,  ///< the next one's number, and all that have changed
    gathered = 11,    ///< what makes a pack a gathered one
    consumers = 16,   ///< all consumers that have changed
    leases = 17,      ///< all leases that have changed
    noted = 18,       ///< all transactions with an id
    // Reserved.
    segment_deleted = 20,
    space_deleted = 21,
};

/// The body's encoding: entries of varint type, varint length, content. Content is varints in the
/// order of the structs' fields; in `segments` and `sections` most are differences to the item
/// before (docs/format.md), since a drain may touch many.
void encode_catalog_body(const CatalogRecord& record, std::vector<std::byte>& out);
[[nodiscard]] Result<CatalogRecord> decode_catalog_body(CatalogRecordKind kind, Bytes body);

/// Takes what a record may have a million of, some at a time and in their order, where no list of
/// them is wanted. Views live as long as the call. Each returns why they can't be taken, or
/// nullptr.
class CatalogItems {
public:
    virtual ~CatalogItems() = default;
    /// Before segments are named: at least so many may be, if nothing is wrong.
    virtual void expect_names(std::size_t count) = 0;
    [[nodiscard]] virtual const char* take(const segment::SpaceNamed& space) = 0;
    [[nodiscard]] virtual const char* take(std::span<const segment::SegmentNameView> names) = 0;
    [[nodiscard]] virtual const char* take(std::span<const SegmentUpdate> segments) = 0;
};
/// The same, but `items` takes the names and the segments, and the record's lists of them are
/// empty. After an error some were taken.
[[nodiscard]] Result<CatalogRecord> decode_catalog_body(CatalogRecordKind kind, Bytes body,
                                                        CatalogItems& items);

[[nodiscard]] std::string catalog_name(std::uint64_t number);

/// Where the next record goes.
struct CatalogEnd {
    std::uint64_t file = 0;    ///< number of the catalog file
    std::uint64_t offset = 0;  ///< in it
    std::uint64_t next_record = 1;
    std::uint64_t last_checksum = 0;
};

/// What loading found.
struct LoadedCatalog {
    Uuid store{};
    CatalogEnd end;
    SpaceId next_space = 1;          ///< as the last record has it
    SegmentId next_segment = 1;      ///< likewise
    std::uint64_t snapshot_end = 0;  ///< offset of the first drain's record
    [[nodiscard]] bool has_snapshot() const noexcept { return snapshot_end != 0; }
    /// Offset and bytes of the last record if it is a drain's: a writer must write these very bytes
    /// again and sync them before it relies on them, since they may have been read from a cache.
    std::uint64_t doubtful_offset = 0;
    std::vector<std::byte> doubtful;
    /// Bytes behind the last good record: a drain that never committed. A writer goes on in a new
    /// file.
    std::uint64_t torn_bytes = 0;
};

/// Numbers of the catalog files in a listing, rising.
[[nodiscard]] std::vector<std::uint64_t> catalog_numbers(
    const std::vector<io::DirectoryEntry>& files);

/// Reads the newest catalog file and hands its records to `apply` in order. `not_found` if there is
/// none. A record that is bad with a good later one behind it is `corrupt`, as is anything bad in
/// the parts and the snapshot; a bad last one is torn. Blocks.
[[nodiscard]] Result<LoadedCatalog> load_catalog(
    io::Disk& disk, const std::function<Result<void>(const CatalogRecord&)>& apply);
/// The same, and `items` takes each record's names and segments before `apply` gets the rest.
[[nodiscard]] Result<LoadedCatalog> load_catalog(
    io::Disk& disk, const std::function<Result<void>(const CatalogRecord&)>& apply,
    CatalogItems& items);

/// The bytes of the next record, to be written at `end.offset`; moves `end` behind it.
[[nodiscard]] std::vector<std::byte> encode_catalog_record(const CatalogRecord& record,
                                                           const Uuid& store, CatalogEnd& end);

}  // namespace braid::index
