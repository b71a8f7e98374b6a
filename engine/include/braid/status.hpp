#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <braid/histogram.hpp>
#include <braid/types.hpp>

namespace braid {

/// One segment. All zero where it never had an entry; where all are trimmed, the first sequence is
/// the one that the next entry will get, and has no timestamp.
struct SegmentStatus {
    Sequence first_sequence;  ///< of what is left
    Sequence last_sequence;
    Timestamp first_timestamp;
    Timestamp last_timestamp;
    Position last_position;
};

/// The whole store.
struct StoreStat {
    Uuid uuid{};
    std::string io;        ///< "uring" or "posix", with the reason where it is a fallback
    std::string log_sync;  ///< how the log is made durable, and what was measured; empty: read-only
    std::uint64_t spaces = 0;
    std::uint64_t segments = 0;
    std::uint64_t segment_bytes = 0;  ///< memory held for segments: states, names, lookup
    Position sequenced;
    Position committed;
    Position durable;
    Position drained;
    TransactionNumber last_transaction;
    Timestamp last_timestamp;
    std::uint64_t tail_bytes = 0;  ///< memory held by entries that are not drained
    /// Memory and mapped files that the store has let go of, and kept entries or readers hold.
    std::uint64_t pinned_bytes = 0;
    std::uint64_t log_bytes = 0;  ///< capacity of all log files
    std::uint64_t log_files = 0;
    std::uint64_t pack_bytes = 0;
    std::uint64_t packs = 0;
    std::vector<std::uint64_t> packs_by_level;  ///< how many were gathered so often: 0, 1, …
    std::uint64_t gathered_bytes = 0;           ///< of packs whose segments stand together
    std::uint64_t redirected_packs = 0;         ///< that are in gathered ones now
    std::uint64_t piece_bytes = 0;
    std::uint64_t pieces = 0;
    std::uint64_t bodies = 0;      ///< large bodies of drained entries that aren't trimmed
    std::uint64_t body_files = 0;  ///< that drained entries have bodies in
    /// What recovery did at this opening.
    std::uint64_t recovered_transactions = 0;
    std::uint64_t recovered_bytes = 0;
    /// Bytes of a torn, never acknowledged tail that recovery cut; where, in words, or empty.
    std::uint64_t torn_bytes = 0;
    std::string torn_tail;
    /// Files in the directory that are not the store's, or body files that nothing refers to.
    std::vector<std::string> unknown_files;
};

/// Counters and distributions since the store was opened, and how much is on its way right now. All
/// zero for a store that is open read-only.
struct Metrics {
    std::uint64_t commits = 0;
    std::uint64_t records = 0;
    std::uint64_t conflicts = 0;
    std::uint64_t batches = 0;
    std::uint64_t log_bytes_written = 0;
    std::uint64_t log_flushes = 0;
    std::uint64_t drains = 0;
    std::uint64_t drained_bytes = 0;   ///< of frames
    std::uint64_t stored_bytes = 0;    ///< written for them to packs, pieces and catalogs
    std::uint64_t gatherings = 0;      ///< packs that took the place of others
    std::uint64_t gathered_bytes = 0;  ///< written for such packs
    std::uint64_t slowed_ns =
        0;  ///< of sleep, all in all, of buffered commits for drains to keep up

    // One value a batch that became durable.
    Histogram batch_bytes;         ///< of its transactions, without the batch's header and padding
    Histogram batch_transactions;  ///< that shared its flush
    Histogram flush_ns;            ///< from submitting its write until it was durable
    Histogram batch_wait_ns;       ///< from its first transaction until it was durable

    std::uint64_t pending_bytes = 0;    ///< sequenced, and not handed to the log yet
    std::uint64_t tail_bytes = 0;       ///< memory held by entries that are not drained
    std::uint64_t pinned_bytes = 0;     ///< as `StoreStat::pinned_bytes`
    std::uint64_t undrained_count = 0;  ///< positions committed, and not drained yet
};

/// A place where stored bytes are not what they must be.
struct Damage {
    std::string file;
    std::uint64_t offset = 0;
    std::string what;  ///< in words, with expected and found
};

/// What `Store::verify` looked at and found.
struct VerifyReport {
    struct File {
        std::string name;
        std::uint64_t bytes = 0;  ///< covered by checks
    };
    std::vector<File> files;
    std::uint64_t records = 0;
    std::uint64_t transactions = 0;
    std::vector<Damage> damages;
    /// As `StoreStat::unknown_files`.
    std::vector<std::string> unknown_files;
};

}  // namespace braid
