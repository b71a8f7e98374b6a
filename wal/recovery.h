#pragma once

#include <braid/result.hpp>
#include <functional>
#include <string>
#include <vector>

#include "io/disk.h"
#include "wal/log_format.h"

namespace braid::wal {

/// A log file found in the directory.
struct LogSlot {
    std::uint32_t slot = 0;
    std::uint64_t capacity = 0;  ///< size of the file
    std::uint64_t number = 0;    ///< from its header; 0 for one never begun
    /// Through the last batch that counts; where it is at or below the catalog's, the slot is free.
    std::uint64_t last_transaction = 0;
    bool needed = false;  ///< holds transactions beyond the catalog's, or a later file leans on it
    /// Its header has to stay until the next opening's file is begun: that one closes it.
    bool newest = false;
};

/// A good batch that nothing attested: to be carried into the new file.
struct CarriedBatch {
    std::uint64_t last_transaction = 0;
    std::vector<std::byte> body;
};

/// What a scan of the log found.
struct LogScan {
    std::vector<LogSlot> slots;
    std::uint64_t newest_number = 0;  ///< highest number in any header
    std::uint64_t incarnation = 0;    ///< highest in any header
    std::uint64_t predecessor = 0;    ///< last file of the chain that counts, 0 if there is none
    std::uint32_t predecessor_slot = 0;
    /// Its first block if no batch shows that it is durable: to be written again before anything
    /// builds on it, since it may have been read from a cache that never reaches the disk.
    std::vector<std::byte> doubtful_header;
    std::uint64_t attested_end = 0;          ///< in that file: end of its last attested batch
    std::uint64_t next_batch = 1;            ///< number of the first batch behind `attested_end`
    std::uint64_t last_checksum = 0;         ///< header checksum of the batch before that one
    std::uint64_t attested_transaction = 0;  ///< last transaction up to there
    std::vector<CarriedBatch> carried;
    std::uint64_t torn_bytes = 0;  ///< cut: never acknowledged
    std::string torn_tail;         ///< file, offset and why, in words; empty if none
    std::uint64_t scanned_bytes = 0;

    /// Capacity that the file of the next opening needs at least: header, carried batches, roll.
    [[nodiscard]] std::uint64_t begin_bytes() const noexcept;
    /// The last transaction that headers speak of.
    [[nodiscard]] std::uint64_t last_transaction() const noexcept;
};

/// Takes the body of one data batch, and where it stands for messages. Batches come in order; those
/// that hold only transactions at or below `drained` may be left out.
using ApplyBatch =
    std::function<Result<void>(Bytes body, const std::string& file, std::uint64_t offset)>;

/// Reads every log file of the store, judges each by the table of docs/recovery.md, and hands over
/// what lies beyond `drained`, the last transaction that the catalog holds. Changes nothing.
/// `corrupt` where attested bytes are bad, a file or batch is missing, the log doesn't reach down
/// to `drained` + 1, or ends before `drained`. Blocks; reads whole files.
[[nodiscard]] Result<LogScan> scan_log(io::Disk& disk, const Uuid& store, std::uint64_t drained,
                                       const ApplyBatch& apply);

}  // namespace braid::wal
