#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <braid/options.hpp>
#include <braid/result.hpp>
#include <braid/status.hpp>

namespace braid {

struct RepairOptions {
    /// Only says what would be done; the store stays as it is.
    bool dry_run = false;
    Io io = Io::automatic;
    /// How long to wait for a writer to be gone.
    std::chrono::milliseconds lock_wait{2000};
};

/// What a repair did, or would do.
struct RepairReport {
    /// A change of one file.
    struct Change {
        std::string file;
        std::uint64_t offset = 0;
        std::string what;  ///< in words: what was damaged, and what becomes of it
    };
    std::vector<Change> changes;
    /// The files as they were, by the names that they have now, `<name>.damaged-<n>`; nothing ever
    /// removes them.
    std::vector<std::string> kept;

    /// What is lost: all entries at and beyond this position; 0: none. Later commits get these
    /// positions again: cursors that stand beyond must be set back.
    Position lost_from;
    /// The last of them that is known to have been there; 0 if none is.
    Position lost_through;
    struct Segment {
        std::string space;
        std::string segment;
    };
    /// Segments that are known to lose entries.
    std::vector<Segment> lost_segments;
    /// Consumers and keys of leases that are known to lose a change, in byte order: they are as
    /// they were before it.
    std::vector<std::string> lost_consumers;
    std::vector<std::string> lost_leases;
    /// Ids of transactions that are known to be lost: commits with them are done anew.
    std::uint64_t lost_ids = 0;

    /// Damage that is left, since nothing can be said for sure about what was there.
    std::vector<Damage> left;
};

/// Mends a damaged store as far as that can be done without guessing: indexes and file headers are
/// made again from the frames, and a log with damage in what it attests is cut there. Every file
/// that is changed, or that counts no more, is kept under another name. Blocks; takes the store's
/// lock, so nothing may have it open for writing.
///
/// Errors: `not_found`, `locked`, `unsupported_version`, `io`, `no_space`. Damage that can't be
/// mended is no error but stands in the report. A repair that was interrupted can be begun anew.
[[nodiscard]] Result<RepairReport> repair(const std::string& directory,
                                          const RepairOptions& options = {});

}  // namespace braid
