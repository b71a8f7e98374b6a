#pragma once

#include <braid/result.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "io/aligned_buffer.h"
#include "io/disk.h"
#include "io/queue.h"
#include "wal/log_files.h"
#include "wal/log_format.h"
#include "wal/recovery.h"

namespace braid::wal {

/// What is to become one batch: whole transactions, in pieces of memory that stay until it is
/// durable.
struct BatchBody {
    std::vector<Bytes> pieces;
    std::uint64_t bytes = 0;  ///< sum of the pieces
    std::uint64_t last_transaction = 0;
};

/// Writes batches into log files: numbers them, chains them, keeps up to `in_flight_max` of them
/// under way, rolls to the next file, and tells what is durable, strictly in order. It owns no
/// thread and never blocks by itself: all writes go through the queue of whoever leads at the
/// moment, and a leader stays until its writes have come back. Not thread-safe.
///
/// What a queue was made ready for with `requests_max` needs no memory here, once begun: batches
/// are numbered, and can't be taken back.
///
/// After the first failed write it is failed for good: nothing more is written.
class LogWriter {
public:
    /// Begins the new log file of this opening in `file`: writes the carried batches behind the
    /// header's block and makes them durable, then the header (the commit point of the opening: it
    /// cuts the torn tail and closes the predecessor). Blocks. docs/recovery.md tells why in that
    /// order.
    [[nodiscard]] static Result<std::unique_ptr<LogWriter>> begin(io::Disk& disk, const Uuid& store,
                                                                  const LogScan& scan,
                                                                  LogFiles::Taken file,
                                                                  std::size_t in_flight_max);

    /// Whether `submit` may be called now: fewer than in_flight_max batches under way (one that is
    /// written, but not one before it, counts as well), no roll, no error.
    [[nodiscard]] bool ready() const noexcept;
    /// Bytes that a batch may still take in this file (the roll's own block is set apart).
    [[nodiscard]] std::uint64_t room() const noexcept;
    /// Writes that may be in flight at once: what a queue is to be made ready for.
    [[nodiscard]] std::size_t requests_max() const noexcept { return in_flight_max_ + 1; }
    /// Encodes a batch and submits its write. It must fit: batch_bytes(body.bytes) <= room(). Takes
    /// over `memory`, of that size, to encode it in; where it has less there is std::bad_alloc, and
    /// nothing has changed.
    void submit(io::Queue& queue, const BatchBody& body, io::AlignedBuffer memory = {});
    /// Memory of a batch that is durable, for another one, if there is any to spare.
    [[nodiscard]] io::AlignedBuffer take_spare() noexcept;
    /// Submits a seal if `wants_seal`.
    void submit_seal(io::Queue& queue);
    /// The last batch isn't attested yet, nothing is in flight, and there is room.
    [[nodiscard]] bool wants_seal() const noexcept;
    /// Starts to go over to the next file: as soon as nothing is in flight the next file's header
    /// is written, then the roll in the old file. `ready` is false until both are durable.
    void roll(io::Queue& queue, LogFiles::Taken next);
    /// The file that a finished roll has left, once: to be told to LogFiles::finished.
    struct Left {
        std::uint32_t slot = 0;
        std::uint64_t last_transaction = 0;
    };
    [[nodiscard]] std::optional<Left> take_left() noexcept;

    /// Takes completions from the queue and submits what follows from them. `block` waits for at
    /// least one if any is in flight. Returns false if nothing happened.
    bool step(io::Queue& queue, bool block);

    /// Batches (data only) submitted and durable so far, in order: batch number n of this writer,
    /// counted from 1, is durable when `durable_batches() >= n`.
    [[nodiscard]] std::uint64_t submitted_batches() const noexcept;
    [[nodiscard]] std::uint64_t durable_batches() const noexcept;
    [[nodiscard]] std::size_t in_flight() const noexcept;
    [[nodiscard]] const std::optional<Error>& error() const noexcept;
    [[nodiscard]] std::uint64_t bytes_written() const noexcept;
    [[nodiscard]] std::uint64_t flushes() const noexcept;
    [[nodiscard]] std::uint32_t slot() const noexcept;

private:
    /// The steps of a roll, docs/recovery.md.
    enum class Roll : std::uint8_t { none, waiting, header, batch };
    /// A write under way, in the order of submission.
    struct Flight {
        std::uint64_t token = 0;
        std::uint64_t number = 0;  ///< of its batch, 0 for a header
        std::uint64_t durable_through = 0;
        std::uint64_t offset = 0;
        BatchType type = BatchType::data;
        bool done = false;
        io::AlignedBuffer buffer;
    };

    LogWriter(io::Disk& disk, LogFiles::Taken file, const LogFileHeader& header,
              std::size_t in_flight_max);

    [[nodiscard]] Result<void> write_carried(const std::vector<CarriedBatch>& carried);
    [[nodiscard]] Result<void> write_now(Bytes bytes, std::uint64_t offset);
    /// Seals a batch whose body is in `buffer` and counts it as the log's last.
    Bytes encode(io::AlignedBuffer& buffer, std::size_t body_bytes, BatchType type,
                 std::uint64_t durable_through);
    Flight& start_flight(io::AlignedBuffer memory) noexcept;
    [[nodiscard]] io::AlignedBuffer spare_block() noexcept;
    void send(io::Queue& queue, Flight& flight, io::File& file, Bytes bytes);
    void submit_batch(io::Queue& queue, const BatchBody& body, BatchType type,
                      io::AlignedBuffer memory);
    void start_roll(io::Queue& queue);
    void send_roll(io::Queue& queue);
    void finish_roll();
    void complete(io::Queue& queue, const io::Completion& completion);
    void fail(const Flight& flight, const Result<void>& result) noexcept;
    void retire_prefix();
    void recycle(io::AlignedBuffer buffer);

    io::Disk* disk_;
    LogFiles::Taken file_;
    LogFileHeader header_;  // of file_
    std::size_t in_flight_max_;
    std::uint64_t offset_ = io::block_bytes;  // where the next batch goes
    std::uint64_t next_batch_;
    std::uint64_t last_checksum_;
    std::uint64_t last_transaction_ = 0;
    std::uint64_t last_data_batch_ = 0;  // number; what a seal is to attest
    std::uint64_t durable_through_;      // last batch of the gapless durable prefix
    std::uint64_t attested_through_;     // as a durable batch or header says
    std::uint64_t submitted_ = 0;
    std::uint64_t durable_ = 0;
    std::uint64_t bytes_written_ = 0;
    std::uint64_t flushes_ = 0;
    std::uint64_t next_token_ = 1;
    std::vector<Flight> flights_;  // the oldest first; done ones wait for those before
    std::size_t active_ = 0;       // of them not done
    std::vector<io::AlignedBuffer> spare_buffers_;  // a block at least each; never none
    Roll roll_ = Roll::none;
    LogFiles::Taken next_;  // file that a roll goes to
    LogFileHeader next_header_;
    io::AlignedBuffer roll_buffer_;
    std::optional<Left> left_;
    std::optional<Error> error_;
};

}  // namespace braid::wal
