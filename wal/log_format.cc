#include "wal/log_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "io/planted.h"

namespace braid::wal {
namespace {

/// Where each field of the header stands among a file header's extra numbers.
enum Extra : std::size_t {
    salt,
    capacity,
    predecessor,
    predecessor_end,
    first_batch,
    previous_checksum,
    carried_through,
    first_transaction,
};

bool is_zero(Bytes bytes) {
    // Each byte is like the one before it.
    return bytes.empty() || (bytes.front() == std::byte{0} &&
                             std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

Bytes::iterator first_nonzero(Bytes bytes) {
    return std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b != std::byte{0}; });
}

Error damaged_header(const std::string& file, std::uint64_t offset, std::string_view what) {
    return {Errc::corrupt, fmt::format("{}: at offset {}: {}", file, offset, what)};
}

LogFileHeader from_identity(const segment::FileIdentity& identity) {
    const auto& extra = identity.extra;
    LogFileHeader header;
    header.store = identity.store;
    header.number = identity.number;
    header.incarnation = identity.incarnation;
    header.salt = extra[Extra::salt];
    header.capacity = extra[Extra::capacity];
    header.predecessor = extra[Extra::predecessor];
    header.predecessor_end = extra[Extra::predecessor_end];
    header.first_batch = extra[Extra::first_batch];
    header.previous_checksum = extra[Extra::previous_checksum];
    header.carried_through = extra[Extra::carried_through];
    header.first_transaction = extra[Extra::first_transaction];
    return header;
}

/// Fields that no writer of this version could have put there together.
bool impossible(const LogFileHeader& header) {
    return header.number == 0 || header.incarnation == 0 || header.predecessor >= header.number ||
           header.capacity < 2 * io::block_bytes || header.capacity % io::block_bytes != 0 ||
           header.predecessor_end % io::block_bytes != 0 || header.first_batch == 0 ||
           header.carried_through + 1 < header.first_batch || header.first_transaction == 0;
}

bool known(BatchType type) {
    return type == BatchType::data || type == BatchType::seal || type == BatchType::roll;
}

std::uint64_t header_checksum(const BatchHeader& raw, std::uint64_t seed) {
    const Bytes bytes = std::as_bytes(std::span(&raw, 1));
    return segment::checksum(bytes.subspan(sizeof(raw.checksum)), seed);
}

/// The header and nothing behind it, or nullopt if its checksum is wrong. `whole` is false for
/// bytes that end before the header does.
struct RawLook {
    BatchHeader raw{};
    bool whole = false;
    std::uint64_t expected = 0;
    [[nodiscard]] bool sound() const { return whole && expected == raw.checksum.value(); }
};

RawLook read_raw(Bytes file, std::uint64_t offset, std::uint64_t file_seed) {
    RawLook look;
    if (offset > file.size() || file.size() - offset < batch_header_bytes) return look;
    std::memcpy(&look.raw, file.data() + offset, batch_header_bytes);
    look.whole = true;
    look.expected = header_checksum(look.raw, segment::mix_seed(file_seed, offset));
    return look;
}

Batch fields_of(const BatchHeader& raw) {
    Batch batch;
    batch.checksum = raw.checksum.value();
    batch.number = raw.number.value();
    batch.previous = raw.previous.value();
    batch.durable_through = raw.durable_through.value();
    batch.last_transaction = raw.last_transaction.value();
    batch.type = static_cast<BatchType>(raw.type.value());
    return batch;
}

/// What is wrong with a header whose checksum is right; empty if nothing is.
std::string wrong_fields(const BatchHeader& raw, std::uint64_t room) {
    const auto type = static_cast<BatchType>(raw.type.value());
    const std::uint32_t body_bytes = raw.body_bytes.value();
    if (!known(type)) return fmt::format("unknown batch type {}", raw.type.value());
    if (raw.flags.value() != 0 || raw.reserved.value() != 0) return "reserved fields are not 0";
    if ((type == BatchType::data) != (body_bytes != 0)) {
        return fmt::format("a batch of type {} has a body of {} bytes", raw.type.value(),
                           body_bytes);
    }
    if (batch_bytes(body_bytes) > room) {
        return fmt::format("batch of {} bytes, but the file has {} left", batch_bytes(body_bytes),
                           room);
    }
    if (raw.durable_through.value() >= raw.number.value()) {
        return fmt::format("batch {} calls batch {} durable", raw.number.value(),
                           raw.durable_through.value());
    }
    return {};
}

BatchLook wrong(std::uint64_t offset, std::string what) {
    BatchLook look;
    look.problem = {offset, std::move(what), false};
    return look;
}

BatchLook wrong_checksum(Bytes file, std::uint64_t offset, const RawLook& raw) {
    BatchLook look = wrong(offset, fmt::format("batch header checksum: expected {:016x}, found "
                                               "{:016x}",
                                               raw.expected, raw.raw.checksum.value()));
    const std::uint64_t block = std::min<std::uint64_t>(io::block_bytes, file.size() - offset);
    if (is_zero(file.subspan(offset, block))) {
        look.problem = {offset, "no batch, the block is all zeros", true};
    }
    return look;
}

}  // namespace

std::uint64_t LogFileHeader::seed() const noexcept {
    std::uint64_t seed = segment::store_seed(store);
    if (is_planted(PlantedFault::unseeded_log_file) ||
        is_planted(PlantedFault::stale_batch_accepted))
        return seed;
    for (const std::uint64_t number_mixed_in : {incarnation, number, salt}) {
        seed = segment::mix_seed(seed, number_mixed_in);
    }
    return seed;
}

std::string log_name(std::uint32_t slot) {
    return fmt::format("log-{:04}", slot);
}

std::uint32_t log_slot(const std::string& name) {
    constexpr std::string_view prefix = "log-";
    if (!name.starts_with(prefix)) return 0;
    std::uint32_t slot = 0;
    const char* end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + prefix.size(), end, slot);
    const bool ours = parsed.ec == std::errc() && parsed.ptr == end && log_name(slot) == name;
    return ours ? slot : 0;
}

void encode_log_header(const LogFileHeader& header, std::span<std::byte> block) noexcept {
    segment::FileIdentity identity;
    identity.kind = segment::FileKind::log;
    identity.store = header.store;
    identity.number = header.number;
    identity.incarnation = header.incarnation;
    identity.header_bytes = io::block_bytes;
    identity.extra[Extra::salt] = header.salt;
    identity.extra[Extra::capacity] = header.capacity;
    identity.extra[Extra::predecessor] = header.predecessor;
    identity.extra[Extra::predecessor_end] = header.predecessor_end;
    identity.extra[Extra::first_batch] = header.first_batch;
    identity.extra[Extra::previous_checksum] = header.previous_checksum;
    identity.extra[Extra::carried_through] = header.carried_through;
    identity.extra[Extra::first_transaction] = header.first_transaction;
    const segment::FileHeader raw = segment::make_file_header(identity);
    std::memset(block.data(), 0, io::block_bytes);
    std::memcpy(block.data(), &raw, sizeof(raw));
}

std::vector<std::byte> encode_log_header(const LogFileHeader& header) {
    std::vector<std::byte> block(io::block_bytes);
    encode_log_header(header, block);
    return block;
}

Result<std::optional<LogFileHeader>> decode_log_header(Bytes block, const std::string& file) {
    if (block.size() < io::block_bytes) {
        return damaged_header(file, block.size(), "the file ends within its header's block");
    }
    block = block.first(io::block_bytes);
    if (is_zero(block)) return std::optional<LogFileHeader>();
    const auto identity = segment::read_file_header(block, file);
    if (!identity) return identity.error();
    if (identity->kind != segment::FileKind::log || identity->header_bytes != io::block_bytes) {
        return damaged_header(file, 0, "the header is not a log file's");
    }
    const Bytes padding = block.subspan(segment::file_header_bytes);
    if (!is_zero(padding)) {
        const auto bad = first_nonzero(padding);
        const auto at = static_cast<std::uint64_t>(bad - block.begin());
        return damaged_header(file, at,
                              fmt::format("expected zeros behind the header, found {:#x}",
                                          static_cast<unsigned>(*bad)));
    }
    const LogFileHeader header = from_identity(*identity);
    if (impossible(header))
        return damaged_header(file, 0, "the header's numbers don't fit together");
    return std::optional<LogFileHeader>(header);
}

std::uint64_t seal_batch(std::span<std::byte> buffer, const Batch& fields, std::size_t body_bytes,
                         std::uint64_t file_seed, std::uint64_t offset) noexcept {
    const std::uint64_t seed = segment::mix_seed(file_seed, offset);
    const std::size_t end = batch_header_bytes + body_bytes;
    std::memset(buffer.data() + end, 0, buffer.size() - end);
    BatchHeader raw{};
    raw.body_checksum = segment::checksum(buffer.subspan(batch_header_bytes, body_bytes), seed);
    raw.number = fields.number;
    raw.previous = fields.previous;
    raw.durable_through = fields.durable_through;
    raw.last_transaction = fields.last_transaction;
    raw.reserved = 0;
    raw.body_bytes = static_cast<std::uint32_t>(body_bytes);
    raw.type = static_cast<std::uint16_t>(fields.type);
    raw.flags = 0;
    raw.checksum = header_checksum(raw, seed);
    std::memcpy(buffer.data(), &raw, sizeof(raw));
    return raw.checksum.value();
}

BatchLook look_at_batch(Bytes file, std::uint64_t offset, std::uint64_t file_seed) {
    const RawLook raw = read_raw(file, offset, file_seed);
    if (!raw.whole) return wrong(std::min<std::uint64_t>(offset, file.size()), "the file ends");
    if (!raw.sound()) return wrong_checksum(file, offset, raw);
    std::string fields = wrong_fields(raw.raw, file.size() - offset);
    if (!fields.empty()) return wrong(offset, std::move(fields));

    const Bytes whole = file.subspan(offset, batch_bytes(raw.raw.body_bytes.value()));
    const Bytes body = whole.subspan(batch_header_bytes, raw.raw.body_bytes.value());
    const std::uint64_t found = segment::checksum(body, segment::mix_seed(file_seed, offset));
    const bool kept = is_planted(PlantedFault::torn_batch_kept);
    if (found != raw.raw.body_checksum.value() && !kept) {
        return wrong(offset + batch_header_bytes,
                     fmt::format("checksum of a batch's body: expected {:016x}, found {:016x}",
                                 raw.raw.body_checksum.value(), found));
    }
    const Bytes padding = whole.subspan(batch_header_bytes + body.size());
    if (!is_zero(padding) && !kept) {
        const auto bad = first_nonzero(padding);
        return wrong(
            offset + static_cast<std::uint64_t>(bad - whole.begin()),
            fmt::format("expected zeros behind a batch, found {:#x}", static_cast<unsigned>(*bad)));
    }
    BatchLook look;
    look.batch = fields_of(raw.raw);
    look.batch->body = body;
    return look;
}

std::optional<Batch> look_at_batch_header(Bytes file, std::uint64_t offset,
                                          std::uint64_t file_seed) {
    const RawLook raw = read_raw(file, offset, file_seed);
    if (!raw.sound() || !wrong_fields(raw.raw, file.size() - offset).empty()) return std::nullopt;
    return fields_of(raw.raw);
}

}  // namespace braid::wal
