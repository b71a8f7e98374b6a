#pragma once

#include <boost/endian/buffers.hpp>
#include <braid/result.hpp>
#include <optional>
#include <string>

#include "io/file.h"
#include "segment/checksum.h"
#include "segment/file_header.h"

namespace braid::wal {

/// A log file is zero-filled when made and used again and again under the same name (`log-<slot>`).
/// Block 0 holds its header; batches follow, each on a 4 KiB boundary, padded with zeros.
///
/// The header is durable before any batch behind it that isn't carried. It closes the predecessor:
/// what that one holds beyond `predecessor_end` does not count.
struct LogFileHeader {
    Uuid store{};
    std::uint64_t number = 0;           ///< of this log file; never used again
    std::uint64_t incarnation = 0;      ///< of the opening that began it
    std::uint64_t salt = 0;             ///< random: bytes left by an unfinished opening never pass
    std::uint64_t capacity = 0;         ///< bytes of the file, this block included
    std::uint64_t predecessor = 0;      ///< number of the log file before, 0 if none
    std::uint64_t predecessor_end = 0;  ///< where that one ends
    std::uint64_t first_batch = 0;      ///< number of its first batch
    std::uint64_t previous_checksum = 0;  ///< header checksum of the batch before its first
    /// Number of the last batch that stood behind the header before the header was durable: batches
    /// of the predecessor that nothing attested, carried over by recovery. first_batch − 1 if none.
    std::uint64_t carried_through = 0;
    std::uint64_t first_transaction = 0;  ///< that a batch in it can hold
    bool operator==(const LogFileHeader&) const = default;

    /// Seed of its batches' checksums: store, incarnation, number and salt.
    [[nodiscard]] std::uint64_t seed() const noexcept;
};

[[nodiscard]] std::string log_name(std::uint32_t slot);
/// The slot of that name; 0 for any other name.
[[nodiscard]] std::uint32_t log_slot(const std::string& name);

/// Block 0 of a log file.
[[nodiscard]] std::vector<std::byte> encode_log_header(const LogFileHeader& header);
/// The same into a block's memory; needs none.
void encode_log_header(const LogFileHeader& header, std::span<std::byte> block) noexcept;
/// nullopt for a block of zeros: a file that was never begun. `corrupt`, `unsupported_version`.
[[nodiscard]] Result<std::optional<LogFileHeader>> decode_log_header(Bytes block,
                                                                     const std::string& file);

enum class BatchType : std::uint16_t {
    data = 1,
    seal = 2,  ///< no body: attests the ones before
    roll = 3,  ///< no body: the log goes on in the next file, whose header is durable already
};

/// Head of a batch. The body follows at once: whole transactions, items padded to 8 bytes.
struct BatchHeader {
    boost::endian::little_uint64_buf_t checksum;  ///< of bytes 8..63, seeded with file and offset
    boost::endian::little_uint64_buf_t body_checksum;     ///< of the body, same seed
    boost::endian::little_uint64_buf_t number;            ///< dense, across files
    boost::endian::little_uint64_buf_t previous;          ///< header checksum of the batch before
    boost::endian::little_uint64_buf_t durable_through;   ///< last batch known durable when written
    boost::endian::little_uint64_buf_t last_transaction;  ///< through the end of this batch
    boost::endian::little_uint64_buf_t reserved;
    boost::endian::little_uint32_buf_t body_bytes;
    boost::endian::little_uint16_buf_t type;
    boost::endian::little_uint16_buf_t flags;  ///< reserved, 0
};
static_assert(sizeof(BatchHeader) == 64);
inline constexpr std::size_t batch_header_bytes = sizeof(BatchHeader);

/// Fields of a batch.
struct Batch {
    std::uint64_t checksum = 0;
    std::uint64_t number = 0;
    std::uint64_t previous = 0;
    std::uint64_t durable_through = 0;
    std::uint64_t last_transaction = 0;
    BatchType type = BatchType::data;
    Bytes body;  ///< a view
    /// Bytes that it takes in the file.
    [[nodiscard]] std::uint64_t bytes() const noexcept {
        return io::whole_blocks(batch_header_bytes + body.size());
    }
};

/// Bytes in the file of a batch with a body of so many bytes.
[[nodiscard]] constexpr std::uint64_t batch_bytes(std::uint64_t body_bytes) noexcept {
    return io::whole_blocks(batch_header_bytes + body_bytes);
}

/// Writes header and padding around a body that stands at `buffer` + batch_header_bytes already;
/// `buffer` has batch_bytes(body_bytes) bytes. Returns the header's checksum.
std::uint64_t seal_batch(std::span<std::byte> buffer, const Batch& fields, std::size_t body_bytes,
                         std::uint64_t file_seed, std::uint64_t offset) noexcept;

/// Why the bytes at an offset are not a batch.
struct BatchProblem {
    std::uint64_t offset = 0;  ///< of the first byte known to be wrong or of what it belongs to
    std::string what;
    bool blank = false;  ///< the block is all zeros: nothing was ever written there
};

/// Judges the batch at `offset` of a whole log file in memory: header, body, padding. Returns the
/// batch or the problem. Its number and chain are the caller's to judge.
struct BatchLook {
    std::optional<Batch> batch;
    BatchProblem problem;
};
[[nodiscard]] BatchLook look_at_batch(Bytes file, std::uint64_t offset, std::uint64_t file_seed);

/// The header alone of a batch at `offset`, whatever its body is like; without a view of the body.
[[nodiscard]] std::optional<Batch> look_at_batch_header(Bytes file, std::uint64_t offset,
                                                        std::uint64_t file_seed);

}  // namespace braid::wal
