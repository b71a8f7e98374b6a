#pragma once

#include <braid/result.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/file.h"
#include "io/queue.h"

namespace braid::io {

/// How the engine's own threads write: through io_uring, through plain calls, or whichever works.
enum class Backend : std::uint8_t { automatic, uring, posix };

/// How a write to a file opened `direct` is made durable: by itself, or by a flush behind it.
enum class LogSync : std::uint8_t { automatic, synchronous_writes, fdatasync };

struct OpenMode {
    bool write = false;
    bool create = false;    ///< make the file if it is missing (the name is unsynced)
    bool truncate = false;  ///< start with an empty file
    bool direct = false;    ///< bypass the page cache where the file system can; whole blocks only
};

/// Held while it lives; freed by the kernel when the process ends.
class Lock {
public:
    virtual ~Lock() = default;
};

struct DirectoryEntry {
    std::string name;
    std::uint64_t bytes = 0;
};

/// One directory, the clock and randomness: everything that the engine asks of the system. Names
/// are relative and contain no '/'. Any thread.
class Disk {
public:
    virtual ~Disk() = default;

    /// `not_found` if it is missing and not to be created; `direct` falls back to cached where the
    /// file system refuses it.
    [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& name,
                                                             OpenMode mode) = 0;
    /// Gives a file a new name, over an existing one if need be. Not durable before
    /// `sync_directory`.
    [[nodiscard]] virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
    /// Removes a file. Not durable before `sync_directory`. `not_found` if it is missing.
    [[nodiscard]] virtual Result<void> remove(const std::string& name) = 0;
    /// Files of the directory with their sizes, sorted by name.
    [[nodiscard]] virtual Result<std::vector<DirectoryEntry>> list() = 0;
    /// Makes created, renamed and removed names durable.
    [[nodiscard]] virtual Result<void> sync_directory() = 0;
    /// Takes the exclusive lock on `name`, made if missing and never removed; tries for `wait_ns`
    /// before it says `locked`. Also refused within one process.
    [[nodiscard]] virtual Result<std::unique_ptr<Lock>> lock(const std::string& name,
                                                             std::uint64_t wait_ns) = 0;
    /// A queue for one engine thread, `depth` requests at least. The ring keeps `lock` held until
    /// the kernel has finished the last write of a killed process.
    [[nodiscard]] virtual Result<std::unique_ptr<Queue>> make_queue(std::size_t depth,
                                                                    Lock* lock) = 0;

    /// Wall clock. May go back.
    [[nodiscard]] virtual Timestamp now() = 0;
    /// Nanoseconds that only rise, from an arbitrary start.
    [[nodiscard]] virtual std::uint64_t monotonic_ns() = 0;
    /// Fresh random bits for identities and checksum salts.
    [[nodiscard]] virtual std::uint64_t random() = 0;

    /// "uring", or "posix" and, where it was a fallback, the reason: for `stat` and metrics.
    [[nodiscard]] virtual std::string backend() const = 0;
    /// "synchronous_writes" or "fdatasync", and with `automatic` what was measured: for `stat`.
    [[nodiscard]] virtual std::string log_sync() const = 0;
};

/// Opens a directory of the file system; `create` makes it, with its parents, and syncs its parent.
/// `not_found` if it is missing. With `LogSync::automatic` both ways are measured by a few writes
/// when the first file is opened `direct` for writing. With `uring`, an `io` error that names the
/// likely cause where the kernel or a sandbox denies io_uring; with `automatic` that reason is in
/// `backend()`.
[[nodiscard]] Result<std::unique_ptr<Disk>> open_disk(const std::string& directory, Backend backend,
                                                      bool create,
                                                      LogSync log_sync = LogSync::automatic);

/// Reads a whole file into memory.
[[nodiscard]] Result<std::vector<std::byte>> read_whole(File& file);

}  // namespace braid::io
