#pragma once

#include <atomic>
#include <cstdint>

namespace braid {

/// Faults that tests put into a running engine, to see that they would be noticed there. Each is
/// asked for at one place, none of which is hot. In a store at work it is always `none`.
enum class PlantedFault : std::uint8_t {
    none,
    unseeded_log_file,         ///< batches' checksums don't know their file
    stale_batch_accepted,      ///< nor that; and a sound batch counts, whatever its number
    torn_batch_kept,           ///< a batch's body and padding aren't checked
    closed_file_unchecked,     ///< a closed log file may end early
    recovered_not_rewritten,   ///< unattested batches aren't carried into the new file
    doubtful_header_trusted,   ///< the newest log file's header isn't written again
    doubtful_catalog_trusted,  ///< the catalog's last record isn't written again
    acknowledged_unflushed,    ///< a batch counts as durable when it is submitted
    durable_mark_early,        ///< the durable watermark rises before the log is written
    seal_left_out,
    log_freed_early,        ///< log files are free before the catalog says so
    level_ignored,          ///< readers of durable entries get others as well
    ids_not_drained,        ///< a drain leaves the ids of its transactions out
    moves_drained_early,    ///< a drain takes consumers and leases as they are, not as of its cut
    epoch_not_drained,      ///< a drain leaves a consumer's epoch out
    body_not_synced,        ///< transactions are sequenced before their large bodies are durable
    body_unchecked,         ///< readers believe a large body, whatever it holds
    body_file_gone_early,   ///< a body file goes when one of its bodies is trimmed
    packs_retired_early,    ///< packs that were gathered go before the catalog says so
    redirection_left_out,   ///< links to packs that were gathered lead nowhere
    gathered_unsynced,      ///< a gathered pack isn't synced before the catalog speaks of it
    changes_not_rewritten,  ///< a catalog that is begun anew has segments as they were by then
};

inline std::atomic<PlantedFault> planted_fault{PlantedFault::none};

[[nodiscard]] inline bool is_planted(PlantedFault fault) noexcept {
    return planted_fault.load(std::memory_order_relaxed) == fault;
}

}  // namespace braid
