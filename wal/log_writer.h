#pragma once

#include <braid/result.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "io/disk.h"
#include "io/queue.h"
#include "wal/log_files.h"
#include "wal/log_format.h"
#include "wal/recovery.h"

namespace braid::wal {

/// What is to become one batch: whole transactions, in pieces of memory that stay until it is durable.
struct BatchBody {
    std::vector<Bytes> pieces;
    std::uint64_t bytes = 0;             ///< sum of the pieces
    std::uint64_t last_transaction = 0;
};

/// Writes batches into log files: numbers them, chains them, keeps up to `in_flight_max` of them under
/// way, rolls to the next file, and tells what is durable, strictly in order. It owns no thread and
/// never blocks by itself: all writes go through the queue of whoever leads at the moment, and a leader
/// stays until its writes have come back. Not thread-safe.
///
/// After the first failed write it is failed for good: nothing more is written.
class LogWriter {
public:
    /// Begins the new log file of this opening in `file`: writes the carried batches behind the
    /// header's block and makes them durable, then the header (the commit point of the opening: it
    /// cuts the torn tail and closes the predecessor). Blocks. docs/recovery.md tells why in that order.
    [[nodiscard]] static Result<std::unique_ptr<LogWriter>> begin(io::Disk& disk, const Uuid& store,
                                                                  const LogScan& scan,
                                                                  LogFiles::Taken file,
                                                                  std::size_t in_flight_max);

    /// Whether `submit` may be called now: fewer than in_flight_max batches under way and no roll.
    [[nodiscard]] bool ready() const noexcept;
    /// Bytes that a batch may still take in this file (the roll's own block is set apart).
    [[nodiscard]] std::uint64_t room() const noexcept;
    /// Encodes a batch and submits its write. It must fit: batch_bytes(body.bytes) <= room().
    void submit(io::Queue& queue, const BatchBody& body);
    /// Submits a seal if the last batch isn't attested yet and there is room.
    void submit_seal(io::Queue& queue);
    [[nodiscard]] bool wants_seal() const noexcept;
    /// Starts to go over to the next file: as soon as nothing is in flight the next file's header is
    /// written, then the roll in the old file. `ready` is false until both are durable.
    void roll(io::Queue& queue, LogFiles::Taken next);
    /// The file that a finished roll has left, once: to be told to LogFiles::finished.
    struct Left {
        std::uint32_t slot = 0;
        std::uint64_t last_transaction = 0;
    };
    [[nodiscard]] std::optional<Left> take_left() noexcept;

    /// Takes completions from the queue and submits what follows from them. `block` waits for at least
    /// one if any is in flight. Returns false if nothing happened.
    bool step(io::Queue& queue, bool block);

    /// Batches (data only) submitted and durable so far, in order: batch number n of this writer, counted
    /// from 1, is durable when `durable_batches() >= n`.
    [[nodiscard]] std::uint64_t submitted_batches() const noexcept;
    [[nodiscard]] std::uint64_t durable_batches() const noexcept;
    [[nodiscard]] std::size_t in_flight() const noexcept;
    [[nodiscard]] const std::optional<Error>& error() const noexcept;
    [[nodiscard]] std::uint64_t bytes_written() const noexcept;
    [[nodiscard]] std::uint64_t flushes() const noexcept;
    [[nodiscard]] std::uint32_t slot() const noexcept;

private:
    LogWriter() = default;
};

}  // namespace braid::wal
