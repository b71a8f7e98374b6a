#include "segment/change.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "segment/checksum.h"
#include "segment/frame.h"

namespace braid::segment {

namespace {

constexpr std::size_t name_bytes_max = 255;

Error bad_body(const char* what) {
    return {Errc::corrupt, fmt::format("change record: {}", what)};
}

std::uint64_t change_checksum(Bytes item, std::uint64_t store_seed) {
    return checksum(item.subspan(sizeof(std::uint64_t)), store_seed);
}

Result<Change> decode_space_named(ByteReader& reader) {
    const SpaceId space = reader.varint();
    const std::string_view name = reader.text();
    if (!reader.finished()) return bad_body("the naming of a space can't be decoded");
    if (space.value == 0 || !is_name(name))
        return bad_body("a space's id or name is out of bounds");
    return Change(SpaceNamed{space, std::string(name)});
}

Result<Change> decode_consumer_moved(ByteReader& reader) {
    const std::string_view consumer = reader.text();
    const std::string_view space = reader.text();
    const std::string_view segment = reader.text();
    const Position position = reader.varint();
    if (!reader.finished()) return bad_body("the move of a consumer can't be decoded");
    if (!is_name(consumer) || !is_source(space, segment))
        return bad_body("a consumer's name or source is out of bounds");
    return Change(
        ConsumerMoved{std::string(consumer), std::string(space), std::string(segment), position});
}

/// Of a change that says no more than a consumer's name or a lease's key.
template <class Named>
Result<Change> decode_named(ByteReader& reader) {
    const std::string_view name = reader.text();
    if (!reader.finished()) return bad_body("the name of a consumer or lease can't be decoded");
    if (!is_name(name)) return bad_body("the name of a consumer or lease is out of bounds");
    return Change(Named{std::string(name)});
}

Result<Change> decode_transaction_noted(ByteReader& reader) {
    TransactionNoted noted;
    const Bytes id = reader.bytes(noted.id.size());
    noted.fingerprint = reader.fixed64();
    if (!reader.finished()) return bad_body("the id of a transaction can't be decoded");
    std::memcpy(noted.id.data(), id.data(), id.size());
    return Change(noted);
}

Result<Change> decode_lease_granted(ByteReader& reader) {
    const std::string_view key = reader.text();
    const std::string_view holder = reader.text();
    const std::uint64_t ttl_ns = reader.varint();
    if (!reader.finished()) return bad_body("the grant of a lease can't be decoded");
    if (!is_name(key) || !is_name(holder))
        return bad_body("a lease's key or holder is out of bounds");
    return Change(LeaseGranted{std::string(key), std::string(holder), ttl_ns});
}

struct TypeOf {
    ItemType operator()(const SpaceNamed&) const { return ItemType::space_named; }
    ItemType operator()(const SegmentNamed&) const { return ItemType::segment_named; }
    ItemType operator()(const ConsumerMoved&) const { return ItemType::consumer_moved; }
    ItemType operator()(const ConsumerTaken&) const { return ItemType::consumer_taken; }
    ItemType operator()(const ConsumerDeleted&) const { return ItemType::consumer_deleted; }
    ItemType operator()(const TransactionNoted&) const { return ItemType::transaction_noted; }
    ItemType operator()(const LeaseGranted&) const { return ItemType::lease_granted; }
    ItemType operator()(const LeaseReleased&) const { return ItemType::lease_released; }
};

struct EncodeBody {
    ByteWriter writer;

    void operator()(const SpaceNamed& named) {
        writer.varint(named.space.value);
        writer.text(named.name);
    }
    void operator()(const SegmentNamed& named) {
        writer.varint(named.segment.value);
        writer.varint(named.space.value);
        writer.text(named.name);
    }
    void operator()(const ConsumerMoved& moved) {
        writer.text(moved.consumer);
        writer.text(moved.space);
        writer.text(moved.segment);
        writer.varint(moved.position.value);
    }
    void operator()(const ConsumerTaken& taken) { writer.text(taken.consumer); }
    void operator()(const ConsumerDeleted& deleted) { writer.text(deleted.consumer); }
    void operator()(const TransactionNoted& noted) {
        writer.bytes(std::as_bytes(std::span(noted.id)));
        writer.fixed64(noted.fingerprint);
    }
    void operator()(const LeaseGranted& granted) {
        writer.text(granted.key);
        writer.text(granted.holder);
        writer.varint(granted.ttl_ns);
    }
    void operator()(const LeaseReleased& released) { writer.text(released.key); }
};

void put_header(std::byte* at, ItemType type, std::size_t length) noexcept {
    ChangeHeader header{};
    header.prefix.length = static_cast<std::uint32_t>(length);
    header.prefix.type = static_cast<std::uint8_t>(type);
    std::memcpy(at, &header, sizeof header);
}

std::size_t text_bytes(std::string_view text) noexcept {
    return varint_bytes(text.size()) + text.size();
}

std::byte* put_text(std::byte* at, std::string_view text) noexcept {
    at = put_varint(at, text.size());
    return std::copy_n(reinterpret_cast<const std::byte*>(text.data()), text.size(), at);
}

}  // namespace

bool is_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= name_bytes_max;
}

bool is_source(std::string_view space, std::string_view segment) noexcept {
    return space.size() <= name_bytes_max && segment.size() <= name_bytes_max &&
           (segment.empty() || !space.empty());
}

ItemType change_type(const Change& change) noexcept {
    return std::visit(TypeOf(), change);
}

void encode_change_body(const Change& change, std::vector<std::byte>& out) {
    std::visit(EncodeBody{ByteWriter(out)}, change);
}

Result<SegmentNameView> decode_segment_name(Bytes body) {
    ByteReader reader(body);
    const SegmentNameView named{reader.varint(), reader.varint(), reader.text()};
    if (!reader.finished()) return bad_body("the naming of a segment can't be decoded");
    if (named.segment.value == 0 || named.space.value == 0 || !is_name(named.name))
        return bad_body("a segment's id, space or name is out of bounds");
    return named;
}

Result<Change> decode_change_body(ItemType type, Bytes body) {
    ByteReader reader(body);
    if (type == ItemType::space_named) return decode_space_named(reader);
    if (type == ItemType::segment_named) {
        const auto named = decode_segment_name(body);
        if (!named) return named.error();
        return Change(SegmentNamed{named->segment, named->space, std::string(named->name)});
    }
    if (type == ItemType::consumer_moved) return decode_consumer_moved(reader);
    if (type == ItemType::transaction_noted) return decode_transaction_noted(reader);
    if (type == ItemType::consumer_taken) return decode_named<ConsumerTaken>(reader);
    if (type == ItemType::consumer_deleted) return decode_named<ConsumerDeleted>(reader);
    if (type == ItemType::lease_granted) return decode_lease_granted(reader);
    if (type == ItemType::lease_released) return decode_named<LeaseReleased>(reader);
    return Error(Errc::unsupported_version,
                 fmt::format("change record of type {}, which this version of Braid doesn't know",
                             static_cast<unsigned>(type)));
}

void encode_change_item(const Change& change, std::vector<std::byte>& out) {
    const std::size_t begin = out.size();
    out.resize(begin + change_header_bytes);
    encode_change_body(change, out);
    const std::size_t length = out.size() - begin;
    out.resize(begin + padded(length));
    put_header(out.data() + begin, change_type(change), length);
}

/// The one change that comes with nearly every transaction of a store's readers: its bytes are made
/// room for once.
void encode_change_item(const ConsumerMove& move, std::vector<std::byte>& out) {
    const std::size_t length = change_header_bytes + text_bytes(move.consumer) +
                               text_bytes(move.space) + text_bytes(move.segment) +
                               varint_bytes(move.position.value);
    const std::size_t begin = out.size();
    out.resize(begin + padded(length));
    std::byte* at = out.data() + begin;
    put_header(at, ItemType::consumer_moved, length);
    at = put_text(at + change_header_bytes, move.consumer);
    at = put_text(at, move.space);
    at = put_text(at, move.segment);
    put_varint(at, move.position.value);
}

void number_change(std::byte* at, TransactionNumber transaction, bool ends_transaction,
                   std::uint64_t store_seed) noexcept {
    ChangeHeader header;
    std::memcpy(&header, at, sizeof header);
    header.transaction = transaction.value;
    header.prefix.flags = ends_transaction ? item_flags::ends_transaction : std::uint8_t{0};
    std::memcpy(at, &header, sizeof header);
    header.prefix.checksum = change_checksum({at, header.prefix.length.value()}, store_seed);
    std::memcpy(at, &header, sizeof header);
}

TransactionNumber change_transaction(const std::byte* at) noexcept {
    ChangeHeader header;
    std::memcpy(&header, at, sizeof header);
    return header.transaction.value();
}

Result<Change> read_change_item(Bytes item, std::uint64_t store_seed) {
    const Look found = look(item);
    if (found.found != Found::item) return bad_body(found.reason);
    if (!is_change(found.type)) return bad_body("not a change");
    item = item.first(found.length);
    ChangeHeader header;
    std::memcpy(&header, item.data(), sizeof header);
    const std::uint64_t expected = change_checksum(item, store_seed);
    if (header.prefix.checksum.value() != expected)
        return Error(Errc::corrupt,
                     fmt::format("change record: checksum {:016x} expected, {:016x} found",
                                 expected, header.prefix.checksum.value()));
    return decode_change_body(found.type, item.subspan(change_header_bytes));
}

}  // namespace braid::segment
