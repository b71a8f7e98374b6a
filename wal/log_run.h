#pragma once

#include <braid/result.hpp>
#include <string>
#include <vector>

#include "wal/log_format.h"

namespace braid::wal {

/// The batches of one log file in order, up to the first bytes that aren't the next one. Views into
/// the file's bytes.
struct LogRun {
    struct Placed {
        std::uint64_t offset = 0;
        Batch batch;
    };
    std::vector<Placed> batches;
    std::uint64_t end = io::block_bytes;  ///< behind the last of them
    std::uint64_t next_batch = 0;         ///< number of the one that would follow
    std::uint64_t last_checksum = 0;      ///< what that one would name as `previous`
    bool ended = false;                   ///< the limit was reached, and nothing was wrong
    BatchProblem problem;                 ///< if not: why the run ends
    bool out_of_line = false;             ///< that is: a sound batch, but not the next one
};

/// Reads the run up to `limit`, an offset where a batch is to end; one that reaches beyond is a
/// problem.
[[nodiscard]] LogRun read_run(Bytes file, const LogFileHeader& header, std::uint64_t limit);

/// What the newest file of a log shows to be durable, and what comes after its run.
struct Tail {
    /// Number of the last batch of the run that the header, a batch of the run or a sound header
    /// behind its end attests.
    std::uint64_t attested_through = 0;
    bool torn = false;           ///< bytes behind the run are of this file's own batches
    std::uint64_t torn_end = 0;  ///< end of the last of them
};

/// Judges what ends the run of the newest file: `corrupt` if the batch that is missing there was
/// attested, if another one stands there, or if the run ends in a roll. Rows N4 to N9 of
/// docs/recovery.md.
[[nodiscard]] Result<Tail> judge_tail(Bytes file, const LogFileHeader& header, const LogRun& run,
                                      const std::string& name);

/// How a closed file has to end.
struct Close {
    std::uint64_t end = 0;
    std::uint64_t next_batch = 0;
    std::optional<std::uint64_t> last_checksum;  ///< none: the roll behind it is missing
    bool roll = false;                           ///< its last batch is a roll
};

/// As the header of the file's successor closes it.
[[nodiscard]] Close closed_by(const LogFileHeader& header, const LogFileHeader& successor);
/// The same but for the roll, if the crash came between the successor's header and it.
[[nodiscard]] Close closed_before_roll(const LogFileHeader& successor);

/// Judges a closed file, whose run was read up to `close.end`: `corrupt` if it isn't sound to the
/// end. Rows K1 to K3 of docs/recovery.md.
[[nodiscard]] Result<void> judge_closed(const LogRun& run, const Close& close,
                                        const std::string& name);

}  // namespace braid::wal
