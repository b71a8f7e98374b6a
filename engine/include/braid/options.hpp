#pragma once

#include <chrono>
#include <cstdint>

#include <braid/types.hpp>

namespace braid {

/// How the store's own threads write. The guarantees are the same.
enum class Io : std::uint8_t {
    automatic,  ///< io_uring where the kernel allows it, else plain calls; `Store::stat` says which
    uring,      ///< io_uring, or opening fails and names the likely cause
    posix,      ///< plain calls
};

/// How the log makes a batch durable. The guarantees are the same.
enum class LogSync : std::uint8_t {
    automatic,           ///< measured at each opening for writing; `Store::stat` says what is used
    synchronous_writes,  ///< one call that writes and waits for the medium: best on most disks
    fdatasync,  ///< a write, then a flush: faster where a drive is slow to bypass its cache
};

/// Who writes the log. The guarantees are the same.
enum class CommitPath : std::uint8_t {
    automatic,  ///< a thread that waits for its commit writes for all who wait; else the log thread
    ring,       ///< always the log thread, through its queue; who commits sleeps
};

/// What a commit waits for.
enum class Durability : std::uint8_t {
    durable,   ///< the log is flushed past it: it survives a crash and a power cut
    buffered,  ///< it is in memory and will be flushed within `flush_interval`; a crash may take it
};

/// What a reader sees.
enum class Level : std::uint8_t {
    committed,  ///< everything acknowledged, buffered commits too
    durable,    ///< only what no crash can take back
};

/// How stored bytes are read.
enum class ReadMode : std::uint8_t {
    mapped,  ///< through read-only mappings: fastest; a medium that fails is a SIGBUS
    copied,  ///< through read calls: a medium that fails is an `io` error
};

/// Options of `Store::open`. Sizes are bytes.
struct Options {
    /// Make the store if the directory is missing or empty; without it that is `not_found`.
    bool create = false;
    /// Look at the store without writing anything, beside a writer or alone.
    bool read_only = false;
    Io io = Io::automatic;
    /// For disks that are slower one way; a store may be opened with any.
    LogSync log_sync = LogSync::automatic;
    /// How long opening for writing waits for another writer to be gone before it says `locked`.
    std::chrono::milliseconds lock_wait{2000};

    /// Longest time that a buffered commit stays unflushed. 1 ms to 1 h.
    std::chrono::milliseconds flush_interval{10};
    /// Size that log files grow to; 16 KiB to 4 GiB. Larger files roll less often.
    std::uint64_t log_file_bytes = std::uint64_t{64} << 20;
    /// Bound on all log files; at least 4 × log_file_bytes. Bounds recovery time.
    std::uint64_t log_bytes_max = std::uint64_t{256} << 20;
    /// For programs whose own threads mustn't write to disks; else `automatic` is as good or
    /// better.
    CommitPath commit_path = CommitPath::automatic;
    /// Log batches written at once by the log thread, where full ones wait; 1 to 16.
    std::uint32_t batches_in_flight = 4;

    /// Memory for entries that no drain has moved to packs and pieces yet; 16 KiB to 16 GiB.
    std::uint64_t tail_bytes_max = std::uint64_t{64} << 20;
    /// Unit in which that memory is taken, at most a quarter of it at a time; 4 KiB to 64 MiB.
    std::uint64_t arena_chunk_bytes = std::uint64_t{2} << 20;
    /// A segment that brings this much to one drain gets a piece in its own append file.
    std::uint64_t piece_bytes_min = std::uint64_t{1} << 20;
    /// Size at which a segment's own append file is followed by a new one; at least
    /// piece_bytes_min.
    std::uint64_t segment_file_bytes = std::uint64_t{256} << 20;

    /// So many packs that stand one behind the other are rewritten into one in which each segment's
    /// entries stand together, by the drain's thread, between drains; 2 to 1024. Each takes a
    /// descriptor meanwhile. 0: only `Store::gather` does that.
    std::uint32_t gather_packs = 64;

    /// Largest payload and metadata of one record; at most 64 MiB.
    std::uint64_t record_bytes_max = std::uint64_t{16} << 20;
    /// Largest sum of records in one transaction; at most 64 MiB.
    std::uint64_t transaction_bytes_max = std::uint64_t{16} << 20;
    /// Most segments in one transaction.
    std::uint32_t transaction_segments_max = 1024;

    /// A record of at least so many bytes, metadata and payload, is a large body: it goes once to a
    /// body file, and only a reference to it goes through memory, log and drain. The thread that
    /// commits writes it and waits for the medium, at every level and on every commit path, before
    /// the transaction is sequenced. Whole blocks of 4 KiB are used. 0: none is; else 1 to 2^60.
    std::uint64_t large_body_bytes = std::uint64_t{64} << 10;
    /// Size that body files grow to: an opening makes the first one with 1 MiB, or this if it is
    /// less, and each next one with twice as much; 16 KiB to 4 GiB. A process that is killed leaves
    /// the rest of one unused.
    std::uint64_t body_file_bytes = std::uint64_t{64} << 20;

    /// How many transactions with an id are remembered: some 56 bytes each; 1 to 2^26.
    std::uint64_t transaction_ids_max = 1'000'000;

    /// Bound on store files kept mapped for reading.
    std::uint32_t open_files_max = 1024;
    ReadMode read_mode = ReadMode::mapped;

    /// How often metrics.json in the store's directory is rewritten, by the drain's thread: no
    /// commit waits for it, and nothing is synced. 0 to 1 h; 0: never, nor at the close.
    std::chrono::milliseconds metrics_interval{0};
};

/// Longest name of a space or segment, in bytes; the shortest is 1.
inline constexpr std::size_t name_bytes_max = 255;

struct TrimOptions {
    /// Also entries that consumers have yet to read, as their cursors stand when the trim begins: a
    /// consumer that goes back, or is made, later isn't asked.
    bool past_consumers = false;
};

}  // namespace braid
