#include "index/catalog_entries.h"

#include <algorithm>
#include <array>
#include <limits>

#include "segment/encoding.h"

namespace braid::index {

using segment::ByteReader;
using segment::ByteWriter;
using segment::Link;
using segment::Piece;
using segment::put_varint;
using segment::unzigzag;
using segment::zigzag;

namespace {

std::uint32_t number32(ByteReader& reader, bool& sound) {
    const std::uint64_t value = reader.varint();
    sound &= value <= std::numeric_limits<std::uint32_t>::max();
    return static_cast<std::uint32_t>(value);
}

}  // namespace

void encode_counters(const CatalogRecord& record, std::vector<std::byte>& out) {
    ByteWriter writer(out);
    writer.varint(record.cut.value);
    writer.varint(record.transaction.value);
    writer.varint(record.timestamp.value);
    writer.varint(record.next_space.value);
    writer.varint(record.next_segment.value);
    writer.varint(record.next_pack);
}

bool decode_counters(Bytes content, CatalogRecord& record) {
    ByteReader reader(content);
    record.cut = reader.varint();
    record.transaction = reader.varint();
    record.timestamp = reader.varint();
    record.next_space = reader.varint();
    record.next_segment = reader.varint();
    bool sound = true;
    record.next_pack = number32(reader, sound);
    return sound && reader.finished();
}

void encode_pack(const PackInfo& pack, std::vector<std::byte>& out) {
    ByteWriter writer(out);
    writer.varint(pack.number);
    writer.varint(pack.extents_end);
    writer.varint(pack.order_offset);
    writer.varint(pack.bytes);
    writer.varint(pack.first_position.value);
    writer.varint(pack.last_position.value);
    writer.varint(pack.pieces);
}

bool decode_pack(Bytes content, std::vector<PackInfo>& packs) {
    ByteReader reader(content);
    bool sound = true;
    PackInfo pack;
    pack.number = number32(reader, sound);
    pack.extents_end = reader.varint();
    pack.order_offset = reader.varint();
    pack.bytes = reader.varint();
    pack.first_position = reader.varint();
    pack.last_position = reader.varint();
    pack.pieces = number32(reader, sound);
    packs.push_back(pack);
    return sound && reader.finished() && pack.first_position <= pack.last_position;
}

void encode_piece(const Piece& piece, std::vector<std::byte>& out) {
    ByteWriter writer(out);
    writer.varint(piece.segment.value);
    writer.varint(piece.file);
    writer.varint(piece.offset);
    writer.varint(piece.frames_bytes);
    writer.varint(piece.index_offset);
    writer.varint(piece.index_bytes);
    writer.varint(piece.first_sequence.value);
    writer.varint(piece.last_sequence.value);
    writer.varint(piece.first_position.value);
    writer.varint(piece.last_position.value);
    writer.varint(piece.first_timestamp.value);
    writer.varint(piece.last_timestamp.value);
}

bool decode_piece(Bytes content, std::vector<Piece>& pieces) {
    ByteReader reader(content);
    bool sound = true;
    Piece piece;
    piece.segment = reader.varint();
    piece.file = number32(reader, sound);
    piece.offset = reader.varint();
    piece.frames_bytes = reader.varint();
    piece.index_offset = reader.varint();
    piece.index_bytes = reader.varint();
    piece.first_sequence = reader.varint();
    piece.last_sequence = reader.varint();
    piece.first_position = reader.varint();
    piece.last_position = reader.varint();
    piece.first_timestamp = reader.varint();
    piece.last_timestamp = reader.varint();
    pieces.push_back(piece);
    return sound && reader.finished();
}

namespace {

// A segment's anchor is often its head or not there: two bits beside the count of extents tell.
enum class AnchorForm : std::uint64_t { none, is_head, other };

AnchorForm anchor_form(const SegmentUpdate& update) {
    if (!update.anchor) return AnchorForm::none;
    return update.anchor == update.head ? AnchorForm::is_head : AnchorForm::other;
}

/// Most numbers of a segment.
constexpr std::size_t segment_numbers_max = 9;

}  // namespace

// Each number less the item's before it: segments drained together lie close to each other in id,
// position, time and place. Differences wrap around, so any numbers come back as they were.
void encode_segments(const std::vector<SegmentUpdate>& updates, std::vector<std::byte>& out) {
    ByteWriter writer(out);
    SegmentUpdate before;
    for (const SegmentUpdate& update : updates) {
        const AnchorForm form = anchor_form(update);
        std::array<std::byte, segment_numbers_max * segment::varint_bytes_max> encoded;
        std::byte* at = encoded.data();
        at = put_varint(at, zigzag(update.segment - before.segment));
        at = put_varint(at, update.last_sequence.value);
        at = put_varint(at, zigzag(update.last_position - before.last_position));
        at = put_varint(at, zigzag(update.last_timestamp - before.last_timestamp));
        at = put_varint(at, zigzag(update.last_timestamp - update.first_timestamp));
        at = put_varint(at, zigzag(update.head.word() - before.head.word()));
        at = put_varint(
            at, std::uint64_t{update.extents_since_anchor} << 2 | static_cast<std::uint64_t>(form));
        if (form == AnchorForm::other)
            at = put_varint(at, zigzag(update.head.word() - update.anchor.word()));
        at = put_varint(at, update.files);
        writer.bytes(Bytes(encoded.data(), at));
        before = update;
    }
}

namespace {

SegmentUpdate decode_segment(ByteReader& reader, const SegmentUpdate& before, bool& sound) {
    SegmentUpdate update;
    update.segment = before.segment + unzigzag(reader.varint());
    update.last_sequence = reader.varint();
    update.last_position = before.last_position + unzigzag(reader.varint());
    update.last_timestamp = before.last_timestamp + unzigzag(reader.varint());
    update.first_timestamp = update.last_timestamp - unzigzag(reader.varint());
    update.head = Link::from_word(before.head.word() + unzigzag(reader.varint()));
    const std::uint64_t tag = reader.varint();
    sound &= (tag >> 2) <= std::numeric_limits<std::uint32_t>::max() && (tag & 3) != 3;
    update.extents_since_anchor = static_cast<std::uint32_t>(tag >> 2);
    if (static_cast<AnchorForm>(tag & 3) == AnchorForm::is_head) update.anchor = update.head;
    if (static_cast<AnchorForm>(tag & 3) == AnchorForm::other)
        update.anchor = Link::from_word(update.head.word() - unzigzag(reader.varint()));
    update.files = number32(reader, sound);
    return update;
}

}  // namespace

std::optional<const char*> decode_segments(Bytes content, CatalogItems& items) {
    ByteReader reader(content);
    std::array<SegmentUpdate, items_at_once> updates;
    SegmentUpdate before;
    bool sound = true;
    while (!reader.left().empty()) {
        std::size_t count = 0;
        for (; count < updates.size() && !reader.left().empty(); ++count)
            before = updates[count] = decode_segment(reader, before, sound);
        if (!sound || reader.failed()) return std::nullopt;
        if (const char* problem = items.take(std::span(updates).first(count))) return problem;
    }
    return nullptr;
}

void encode_sections(const std::vector<OrderSection>& sections, std::vector<std::byte>& out) {
    ByteWriter writer(out);
    OrderSection before;
    for (const OrderSection& section : sections) {
        writer.varint(zigzag(section.space - before.space));
        writer.varint(zigzag(std::uint64_t{section.pack} - before.pack));
        // Sections of one pack stand one behind the other, which makes this 0.
        writer.varint(zigzag(section.offset - (before.offset + before.bytes)));
        writer.varint(section.bytes);
        writer.varint(section.records);
        writer.varint(section.records_before);
        writer.varint(zigzag(section.first_position - before.first_position));
        writer.varint(zigzag(section.last_position - section.first_position));
        writer.fixed64(section.last_checksum);
        before = section;
    }
}

namespace {

OrderSection decode_section(ByteReader& reader, const OrderSection& before, bool& sound) {
    OrderSection section;
    section.space = before.space + unzigzag(reader.varint());
    const std::uint64_t pack = before.pack + unzigzag(reader.varint());
    sound &= pack <= std::numeric_limits<std::uint32_t>::max();
    section.pack = static_cast<std::uint32_t>(pack);
    section.offset = before.offset + before.bytes + unzigzag(reader.varint());
    section.bytes = reader.varint();
    section.records = reader.varint();
    section.records_before = reader.varint();
    section.first_position = before.first_position + unzigzag(reader.varint());
    section.last_position = section.first_position + unzigzag(reader.varint());
    section.last_checksum = reader.fixed64();
    return section;
}

}  // namespace

bool decode_sections(Bytes content, std::vector<OrderSection>& sections) {
    ByteReader reader(content);
    OrderSection before;
    bool sound = true;
    while (sound && !reader.failed() && !reader.left().empty()) {
        before = decode_section(reader, before, sound);
        sections.push_back(before);
    }
    return sound && reader.finished();
}

void encode_trims(const std::vector<SegmentTrim>& trims, std::vector<std::byte>& out) {
    ByteWriter writer(out);
    for (const SegmentTrim& trim : trims) {
        writer.varint(trim.segment.value);
        writer.varint(trim.through.value);
        writer.varint(trim.position.value);
    }
}

bool decode_trims(Bytes content, std::vector<SegmentTrim>& trims) {
    ByteReader reader(content);
    while (!reader.failed() && !reader.left().empty()) {
        SegmentTrim trim;
        trim.segment = reader.varint();
        trim.through = reader.varint();
        trim.position = reader.varint();
        trims.push_back(trim);
    }
    return reader.finished();
}

void encode_pack_trims(const std::vector<PackTrim>& trims, std::vector<std::byte>& out) {
    ByteWriter writer(out);
    for (const PackTrim& trim : trims) {
        writer.varint(trim.pack);
        writer.varint(trim.records);
    }
}

bool decode_pack_trims(Bytes content, std::vector<PackTrim>& trims) {
    ByteReader reader(content);
    bool sound = true;
    while (sound && !reader.failed() && !reader.left().empty()) {
        PackTrim trim;
        trim.pack = number32(reader, sound);
        trim.records = reader.varint();
        trims.push_back(trim);
    }
    return sound && reader.finished();
}

void encode_body_files(const CatalogRecord& record, std::vector<std::byte>& out) {
    ByteWriter writer(out);
    writer.varint(record.next_body_file);
    for (const BodyFileCount& count : record.body_files) {
        writer.varint(count.file);
        writer.varint(count.bodies);
        writer.varint(count.trimmed);
    }
}

bool decode_body_files(Bytes content, CatalogRecord& record) {
    ByteReader reader(content);
    record.next_body_file = reader.varint();
    bool sound = record.next_body_file != 0;
    while (sound && !reader.failed() && !reader.left().empty()) {
        BodyFileCount count;
        count.file = reader.varint();
        count.bodies = reader.varint();
        count.trimmed = reader.varint();
        sound &=
            count.file != 0 && count.file < record.next_body_file && count.trimmed <= count.bodies;
        record.body_files.push_back(count);
    }
    return sound && reader.finished();
}

void encode_gathered(const GatheredPack& gathered, const std::vector<OrderSection>& sections,
                     std::vector<std::byte>& out) {
    ByteWriter writer(out);
    writer.varint(gathered.pack);
    writer.varint(gathered.level);
    writer.varint(gathered.directory_entries);
    writer.varint(gathered.left_out);
    writer.varint(gathered.from.size());
    std::uint32_t before = 0;
    for (const PackRange& range : gathered.from) {
        writer.varint(range.first - before);
        writer.varint(range.last - range.first);
        before = range.last;
    }
    for (const OrderSection& section : sections)
        if (section.pack == gathered.pack) writer.fixed64(section.replaced_checksum);
}

bool decode_gathered(Bytes content, GatheredPack& gathered, std::vector<std::uint64_t>& checksums) {
    ByteReader reader(content);
    bool sound = true;
    gathered.pack = number32(reader, sound);
    gathered.level = number32(reader, sound);
    gathered.directory_entries = reader.varint();
    gathered.left_out = reader.varint();
    std::uint64_t before = 0;
    for (std::uint64_t left = reader.varint(); left > 0 && sound && !reader.failed(); --left) {
        const std::uint64_t first = reader.varint();
        const std::uint64_t more = reader.varint();
        // Below the pack's own number: so none of the sums wraps around.
        sound = first != 0 && first < gathered.pack && more < gathered.pack &&
                before + first + more < gathered.pack;
        if (!sound) break;
        gathered.from.push_back({static_cast<std::uint32_t>(before + first),
                                 static_cast<std::uint32_t>(before + first + more)});
        before += first + more;
    }
    while (sound && !reader.failed() && !reader.left().empty())
        checksums.push_back(reader.fixed64());
    return sound && reader.finished() && !gathered.from.empty();
}

void encode_consumers(const std::vector<ConsumerUpdate>& consumers, std::vector<std::byte>& out) {
    ByteWriter writer(out);
    for (const ConsumerUpdate& consumer : consumers) {
        writer.text(consumer.name);
        writer.varint(consumer.epoch.value);
        writer.varint(consumer.cursors.size());
        for (const CursorUpdate& cursor : consumer.cursors) {
            writer.text(cursor.space);
            writer.text(cursor.segment);
            writer.varint(cursor.position.value);
        }
    }
}

bool decode_consumers(Bytes content, std::vector<ConsumerUpdate>& consumers) {
    ByteReader reader(content);
    bool sound = true;
    while (sound && !reader.failed() && !reader.left().empty()) {
        ConsumerUpdate& consumer = consumers.emplace_back();
        consumer.name = reader.text();
        consumer.epoch = reader.varint();
        sound &= segment::is_name(consumer.name);
        for (std::uint64_t left = reader.varint(); left > 0 && !reader.failed(); --left) {
            CursorUpdate& cursor = consumer.cursors.emplace_back();
            cursor.space = reader.text();
            cursor.segment = reader.text();
            cursor.position = reader.varint();
            sound &= segment::is_source(cursor.space, cursor.segment);
        }
    }
    return sound && reader.finished();
}

void encode_leases(const std::vector<LeaseUpdate>& leases, std::vector<std::byte>& out) {
    ByteWriter writer(out);
    for (const LeaseUpdate& lease : leases) {
        writer.text(lease.key);
        writer.varint(lease.token.value);
        if (lease.token == 0) continue;
        writer.text(lease.holder);
        writer.varint(lease.ttl_ns);
    }
}

bool decode_leases(Bytes content, std::vector<LeaseUpdate>& leases) {
    ByteReader reader(content);
    bool sound = true;
    while (sound && !reader.failed() && !reader.left().empty()) {
        LeaseUpdate& lease = leases.emplace_back();
        lease.key = reader.text();
        lease.token = reader.varint();
        sound &= segment::is_name(lease.key);
        if (lease.token == 0) continue;
        lease.holder = reader.text();
        lease.ttl_ns = reader.varint();
        sound &= segment::is_name(lease.holder);
    }
    return sound && reader.finished();
}

// Transactions with ids often follow each other, in number and position.
void encode_noted(const std::vector<NotedTransaction>& noted, std::vector<std::byte>& out) {
    ByteWriter writer(out);
    NotedTransaction before;
    for (const NotedTransaction& one : noted) {
        writer.bytes(std::as_bytes(std::span(one.id)));
        writer.fixed64(one.fingerprint);
        writer.varint(zigzag(one.transaction - before.transaction));
        writer.varint(zigzag(one.first_position - before.first_position));
        writer.varint(one.records);
        before = one;
    }
}

bool decode_noted(Bytes content, std::vector<NotedTransaction>& noted) {
    ByteReader reader(content);
    NotedTransaction before;
    while (!reader.failed() && !reader.left().empty()) {
        NotedTransaction one;
        const Bytes id = reader.bytes(one.id.size());
        std::copy_n(reinterpret_cast<const std::uint8_t*>(id.data()), id.size(), one.id.begin());
        one.fingerprint = reader.fixed64();
        one.transaction = before.transaction + unzigzag(reader.varint());
        one.first_position = before.first_position + unzigzag(reader.varint());
        one.records = reader.varint();
        noted.push_back(one);
        before = one;
    }
    return reader.finished();
}

}  // namespace braid::index
