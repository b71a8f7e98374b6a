#pragma once

#include <braid/result.hpp>
#include <functional>
#include <string>
#include <vector>

#include "io/disk.h"
#include "wal/recovery.h"

namespace braid::wal {

/// What can be saved of a log that `scan_log` refuses.
struct LogSalvage {
    /// Where the log is cut and why; `file` is empty if only files that can't be believed are in
    /// the way, and what they held isn't known.
    std::string file;
    std::uint64_t offset = 0;
    std::string what;
    /// Names of log files whose header can't be believed.
    std::vector<std::string> unreadable;
    /// Names of all log files that were begun.
    std::vector<std::string> begun;
    /// For the file that takes the log's place: it has no predecessor and carries every good batch
    /// beyond the catalog's, up to the cut.
    LogScan scan;

    /// The last transaction that is saved.
    [[nodiscard]] std::uint64_t last_transaction() const noexcept {
        return scan.carried.empty() ? scan.attested_transaction
                                    : scan.carried.back().last_transaction;
    }
};

/// Takes the body of a good batch that lies beyond the cut.
using LostBatch = std::function<void(Bytes body)>;

/// Goes through the log from what the catalog needs next up to the first damage. Changes nothing.
/// Errors: `io`, `unsupported_version`, and `corrupt` where there is no telling which files count.
[[nodiscard]] Result<LogSalvage> salvage_log(io::Disk& disk, const Uuid& store,
                                             std::uint64_t drained, const LostBatch& lost);

/// Writes the file that takes the log's place, durably; from then on it alone counts, once the
/// unreadable files are out of the way. Returns its name.
[[nodiscard]] Result<std::string> replace_log(io::Disk& disk, const Uuid& store,
                                              const LogSalvage& salvage);

}  // namespace braid::wal
