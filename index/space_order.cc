#include "index/space_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <braid/check.hpp>
#include <cstring>
#include <limits>

#include "segment/checksum.h"
#include "segment/encoding.h"

namespace braid::index {

namespace {

using segment::ByteReader;
using segment::unzigzag;
using segment::varint_bytes_max;
using segment::zigzag;

constexpr std::size_t header_bytes = sizeof(OrderBlockHeader);
constexpr std::size_t entry_bytes_max = 4 * varint_bytes_max;
static_assert(order_block_bytes_max % 8 == 0);
// A block's counts can be told in their fields.
static_assert(order_block_bytes_max <= 0xffff);
static_assert(order_block_bytes_max * segment::frame_records_max <=
              std::numeric_limits<std::uint32_t>::max());

// Whether an entry speaks of the same frame's next records. Only joined frames have several
// entries, and all of their records can be told in one.
bool goes_on(const OrderEntry& before, const OrderEntry& entry) {
    return entry.source == before.source && entry.offset == before.offset &&
           entry.first_position == before.first_position + before.records &&
           before.records + entry.records <= segment::frame_records_max;
}

std::uint64_t block_checksum(Bytes block, std::uint64_t seed) {
    return segment::checksum(block.subspan(sizeof(std::uint64_t)), seed);
}

}  // namespace

void add_entries(segment::FrameView frame, std::uint32_t source, std::uint64_t offset,
                 std::vector<OrderEntry>& entries) {
    if (!frame.is_joined()) {
        entries.push_back({frame.first_position(), frame.count(), source, offset});
        return;
    }
    const std::size_t begin = entries.size();
    for (std::uint32_t i = 0; i < frame.count(); ++i) {
        const OrderEntry record{frame.position(i), 1, source, offset};
        if (entries.size() != begin && goes_on(entries.back(), record))
            ++entries.back().records;
        else
            entries.push_back(record);
    }
}

// Appends blocks to a section, each to `out` when it is full.
class OrderSectionEncoder::Blocks {
public:
    Blocks(std::vector<std::byte>& out, const OrderSection& section, std::uint64_t previous,
           std::uint64_t store_seed)
        : out_(out),
          section_(section),
          seed_(segment::mix_seed(store_seed, section.pack)),
          previous_(previous) {}

    void add(const OrderEntry& entry) {
        if (next_.records != 0 && goes_on(next_, entry)) {
            next_.records += entry.records;
            return;
        }
        flush();
        next_ = entry;
    }

    void finish() {
        flush();
        finish_block();
    }

    [[nodiscard]] const OrderSection& section() const noexcept { return section_; }

private:
    void flush() {
        if (next_.records != 0) put(std::exchange(next_, {}));
    }

    void put(const OrderEntry& entry) {
        if (entries_ > 0 && used_ + encode(entry) > order_block_bytes_max) finish_block();
        if (entries_ == 0) first_position_ = entry.first_position;
        if (section_.bytes == 0 && entries_ == 0) section_.first_position = entry.first_position;
        section_.last_position = entry.first_position + (entry.records - 1);
        used_ += encode(entry);
        ++entries_;
        records_ += entry.records;
        last_ = entry;
    }

    void finish_block() {
        if (entries_ == 0) return;
        const std::size_t bytes = segment::padded(used_);
        std::fill(block_.begin() + used_, block_.begin() + bytes, std::byte{0});
        OrderBlockHeader header;
        header.previous = previous_;
        header.space = section_.space.value;
        header.first_position = first_position_.value;
        header.records_before = section_.records_before + section_.records;
        header.records = static_cast<std::uint32_t>(records_);
        header.entries = static_cast<std::uint16_t>(entries_);
        header.bytes = static_cast<std::uint16_t>(bytes);
        header.pack = section_.pack;
        header.magic = order_block_magic;
        std::memcpy(block_.data(), &header, sizeof header);
        previous_ = block_checksum(Bytes(block_).first(bytes), seed_);
        header.checksum = previous_;
        std::memcpy(block_.data(), &header, sizeof header);
        out_.insert(out_.end(), block_.begin(), block_.begin() + bytes);
        section_.bytes += bytes;
        section_.records += records_;
        section_.last_checksum = previous_;
        used_ = header_bytes;
        entries_ = records_ = 0;
    }

    // Writes the entry behind the block's used bytes, where there is room for one more than fits
    // into the block, and returns its length.
    std::size_t encode(const OrderEntry& entry) {
        const bool first = entries_ == 0;
        std::byte* const begin = block_.data() + used_;
        std::byte* at =
            segment::put_varint(begin, first ? 0 : entry.first_position - last_.first_position);
        at = segment::put_varint(at, entry.records);
        at = segment::put_varint(at, entry.source);
        const bool same_source = !first && entry.source == last_.source;
        at = segment::put_varint(
            at, same_source ? zigzag(entry.offset / 8 - last_.offset / 8) : entry.offset / 8);
        return static_cast<std::size_t>(at - begin);
    }

    std::vector<std::byte>& out_;
    OrderSection section_;
    std::uint64_t seed_;
    std::uint64_t previous_;
    std::array<std::byte, order_block_bytes_max + entry_bytes_max> block_{};
    std::size_t used_ = header_bytes;
    std::size_t entries_ = 0;
    std::uint64_t records_ = 0;
    Position first_position_;
    OrderEntry last_;
    OrderEntry next_;  // to be put, unless it goes on; without records there is none
};

OrderSectionEncoder::OrderSectionEncoder(std::vector<std::byte>& out, const OrderSection& section,
                                         std::uint64_t previous, std::uint64_t store_seed)
    : blocks_(std::make_unique<Blocks>(out, section, previous, store_seed)) {}

OrderSectionEncoder::~OrderSectionEncoder() = default;

void OrderSectionEncoder::add(const OrderEntry& entry) {
    blocks_->add(entry);
}

OrderSection OrderSectionEncoder::finish() {
    blocks_->finish();
    return blocks_->section();
}

namespace {

Error corrupt(const std::string& file, std::uint64_t offset, const std::string& what) {
    return {Errc::corrupt, fmt::format("{} at offset {}: space order: {}", file, offset, what)};
}

// What is wrong with a block's header, checksum or place, or empty.
std::string block_problem(const OrderBlockHeader& header, Bytes bytes, std::uint32_t pack,
                          std::uint64_t store_seed) {
    if (header.magic.value() != order_block_magic) return "no block begins here";
    const std::size_t length = header.bytes.value();
    if (length < header_bytes || length > order_block_bytes_max || length % 8 != 0 ||
        length > bytes.size())
        return fmt::format("a block of {} bytes, where {} are left", length, bytes.size());
    const std::uint64_t expected =
        block_checksum(bytes.first(length), segment::mix_seed(store_seed, pack));
    if (header.checksum.value() != expected)
        return fmt::format("checksum {:016x} of the block expected, {:016x} found", expected,
                           header.checksum.value());
    if (header.pack.value() != pack)
        return fmt::format("a block of pack {} expected, of pack {} found", pack,
                           header.pack.value());
    if (header.entries.value() == 0) return "a block of no entries";
    return {};
}

// An entry's four numbers.
struct Numbers {
    std::uint64_t distance, records, source, place;
};

// Takes them at once where eight bytes are there, the first three take one of them each and the
// last at most five: nearly always. False, and nothing taken, otherwise.
bool take_short(ByteReader& reader, Numbers& numbers) {
    const Bytes left = reader.left();
    if (left.size() < sizeof(std::uint64_t)) return false;
    std::uint64_t bytes;
    std::memcpy(&bytes, left.data(), sizeof bytes);
    boost::endian::little_to_native_inplace(bytes);
    if ((bytes & 0x808080) != 0) return false;
    numbers.distance = bytes & 0x7f;
    numbers.records = bytes >> 8 & 0x7f;
    numbers.source = bytes >> 16 & 0x7f;
    numbers.place = 0;
    bytes >>= 24;
    for (unsigned taken = 0; taken < 5; ++taken, bytes >>= 8) {
        numbers.place |= (bytes & 0x7f) << (7 * taken);
        if ((bytes & 0x80) != 0) continue;
        reader.bytes(3 + taken + 1);
        return true;
    }
    return false;
}

// Decodes the entry behind `before` (nullptr: the block's first). False if it can't be.
bool decode_entry(ByteReader& reader, Position first, const OrderEntry* before, OrderEntry& entry) {
    Numbers numbers;
    if (!take_short(reader, numbers))
        numbers = {reader.varint(), reader.varint(), reader.varint(), reader.varint()};
    const auto [distance, records, source, place] = numbers;
    if (reader.failed() || records == 0 || records > segment::frame_records_max) return false;
    if (source > std::numeric_limits<std::uint32_t>::max()) return false;
    if (before ? distance < before->records : distance != 0) return false;
    entry.first_position = (before ? before->first_position : first) + distance;
    // Positions that wrap around don't rise.
    if (entry.first_position < first || entry.first_position + records < first) return false;
    entry.records = static_cast<std::uint32_t>(records);
    entry.source = static_cast<std::uint32_t>(source);
    const bool same_source = before && before->source == entry.source;
    const std::uint64_t unit = same_source ? before->offset / 8 + unzigzag(place) : place;
    if (unit > std::numeric_limits<std::uint64_t>::max() / 8) return false;
    entry.offset = unit * 8;
    return true;
}

OrderBlockHeader load_header(Bytes block) {
    OrderBlockHeader header;
    std::memcpy(&header, block.data(), sizeof header);
    return header;
}

bool decode_entries(Bytes block, const OrderBlockHeader& header, std::vector<OrderEntry>& entries) {
    ByteReader reader(block.subspan(header_bytes, header.bytes.value() - header_bytes));
    const Position first = header.first_position.value();
    const std::size_t count = header.entries.value();
    std::uint64_t records = 0;
    entries.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        const OrderEntry* before = i == 0 ? nullptr : &entries[i - 1];
        if (!decode_entry(reader, first, before, entries[i])) return false;
        records += entries[i].records;
    }
    const Bytes padding = reader.left();
    return records == header.records.value() && padding.size() < 8 &&
           std::all_of(padding.begin(), padding.end(),
                       [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

void SpaceOrderBuilder::add(SpaceId space, const OrderEntry& entry) {
    std::vector<OrderEntry>& entries = spaces_[space];
    BRAID_CHECK(entry.records > 0 && entry.records <= segment::frame_records_max,
                "a frame of {} records", entry.records);
    BRAID_CHECK(entry.offset % 8 == 0, "a frame at offset {}", entry.offset);
    BRAID_CHECK(entries.empty() ||
                    entry.first_position >= entries.back().first_position + entries.back().records,
                "space {}: a frame at position {} behind one of {} records at {}", space.value,
                entry.first_position.value, entries.back().records,
                entries.back().first_position.value);
    entries.push_back(entry);
}

OrderSection SpaceOrderBuilder::encode_section(std::vector<std::byte>& out, std::uint64_t offset,
                                               std::uint32_t pack, SpaceId space,
                                               const std::vector<OrderEntry>& entries,
                                               const OrderTotals& totals,
                                               std::uint64_t store_seed) {
    OrderSection section;
    section.space = space;
    section.pack = pack;
    section.offset = offset + out.size();
    section.records_before = totals.records;
    OrderSectionEncoder encoder(out, section, totals.last_checksum, store_seed);
    for (const OrderEntry& entry : entries) encoder.add(entry);
    return encoder.finish();
}

Result<OrderBlock> decode_order_block(Bytes bytes, std::uint32_t pack, std::uint64_t store_seed,
                                      const std::string& file, std::uint64_t offset) {
    if (bytes.size() < header_bytes)
        return corrupt(file, offset, fmt::format("a block in {} bytes", bytes.size()));
    const OrderBlockHeader header = load_header(bytes);
    if (const std::string what = block_problem(header, bytes, pack, store_seed); !what.empty())
        return corrupt(file, offset, what);

    OrderBlock block;
    block.space = header.space.value();
    block.first_position = header.first_position.value();
    block.records_before = header.records_before.value();
    block.records = header.records.value();
    block.checksum = header.checksum.value();
    block.previous = header.previous.value();
    block.bytes = header.bytes.value();
    if (!decode_entries(bytes, header, block.entries))
        return corrupt(file, offset, "the entries of the block don't add up");
    return block;
}

namespace {

// Whether `block` goes on where the blocks before it (`entries`, `records`, `checksum`) ended.
bool continues(const OrderBlock& block, const OrderSection& expected,
               const std::vector<OrderEntry>& entries, std::uint64_t records,
               std::uint64_t checksum) {
    if (block.space != expected.space || block.previous != checksum ||
        block.records_before != expected.records_before + records)
        return false;
    if (entries.empty()) return block.first_position == expected.first_position;
    return block.first_position >= entries.back().first_position + entries.back().records;
}

}  // namespace

Result<std::vector<OrderEntry>> decode_order_section(Bytes section, const OrderSection& expected,
                                                     std::optional<std::uint64_t> previous,
                                                     std::uint64_t store_seed,
                                                     const std::string& file) {
    if (section.size() != expected.bytes)
        return corrupt(file, expected.offset,
                       fmt::format("a section of {} bytes expected, {} found", expected.bytes,
                                   section.size()));
    std::vector<OrderEntry> entries;
    std::uint64_t records = 0;
    std::uint64_t checksum = previous.value_or(0);
    for (std::size_t at = 0; at < section.size();) {
        const std::uint64_t offset = expected.offset + at;
        auto block =
            decode_order_block(section.subspan(at), expected.pack, store_seed, file, offset);
        if (!block) return block.error();
        if (at == 0 && !previous) checksum = block->previous;
        if (!continues(*block, expected, entries, records, checksum))
            return corrupt(file, offset, "the block doesn't follow the one before it");
        entries.insert(entries.end(), block->entries.begin(), block->entries.end());
        records += block->records;
        checksum = block->checksum;
        at += block->bytes;
    }
    const Position last =
        entries.empty() ? Position() : entries.back().first_position + (entries.back().records - 1);
    if (entries.empty() || records != expected.records || last != expected.last_position ||
        checksum != expected.last_checksum)
        return corrupt(file, expected.offset, "the section isn't what the catalog says of it");
    return entries;
}

Result<std::vector<OrderBlockPlace>> check_order_section(Bytes section,
                                                         const OrderSection& expected,
                                                         std::optional<std::uint64_t> previous,
                                                         std::uint64_t store_seed,
                                                         const std::string& file) {
    std::vector<OrderBlockPlace> places;
    std::uint64_t records = expected.records_before;
    std::uint64_t checksum = previous.value_or(0);
    const auto wrong = [&](std::size_t at, const std::string& what) {
        return corrupt(file, expected.offset + at, what);
    };
    if (section.size() != expected.bytes) return wrong(0, "the section is cut off");
    for (std::size_t at = 0; at < section.size();) {
        const Bytes left = section.subspan(at);
        if (left.size() < header_bytes) return wrong(at, "the section ends within a block");
        const OrderBlockHeader header = load_header(left);
        if (const std::string what = block_problem(header, left, expected.pack, store_seed);
            !what.empty())
            return wrong(at, what);
        const Position first = header.first_position.value();
        const bool rises = places.empty() ? first == expected.first_position
                                          : first > places.back().first_position;
        const bool chained =
            header.previous.value() == checksum || (places.empty() && !previous.has_value());
        if (header.space.value() != expected.space.value || !rises || !chained ||
            header.records_before.value() != records)
            return wrong(at, "the block doesn't follow the one before it");
        places.push_back({first, at});
        records += header.records.value();
        checksum = header.checksum.value();
        at += header.bytes.value();
    }
    if (places.empty() || records != expected.records_before + expected.records ||
        checksum != expected.last_checksum)
        return wrong(0, "the section isn't what the catalog says of it");
    return places;
}

bool decode_order_entries(Bytes section, const OrderBlockPlace& place, std::uint32_t pack,
                          std::uint64_t store_seed, std::vector<OrderEntry>& entries) {
    if (section.size() < place.offset + header_bytes) return false;
    const Bytes block = section.subspan(place.offset);
    const OrderBlockHeader header = load_header(block);
    return block_problem(header, block, pack, store_seed).empty() &&
           header.first_position.value() == place.first_position.value &&
           decode_entries(block, header, entries);
}

bool matches(const std::vector<OrderEntry>& entries, const OrderSection& expected) {
    if (entries.empty() || entries.front().first_position != expected.first_position) return false;
    std::uint64_t records = 0;
    Position next = expected.first_position;
    for (const OrderEntry& entry : entries) {
        if (entry.first_position < next) return false;
        next = entry.first_position + entry.records;
        records += entry.records;
    }
    return records == expected.records && next == expected.last_position + 1;
}

}  // namespace braid::index
