#pragma once

#include <cstdint>
#include <string>

#include "io/disk.h"

namespace braid::io {

/// How long a durable write of a block takes in each way; zeros where it wasn't measured.
struct LogSyncFigures {
    std::uint64_t synchronous_write_ns = 0;
    std::uint64_t fdatasync_ns = 0;
};

/// Times a few durable writes in a nameless file of the directory: the medians. Zeros where the
/// file system has no such files, or no direct ones. Blocks.
[[nodiscard]] LogSyncFigures measure_log_sync(int directory_fd);

/// Synchronous writes, unless flushes are clearly faster: a drive may be much slower at writes that
/// must bypass its cache than at flushing it.
[[nodiscard]] LogSync choose_log_sync(const LogSyncFigures& figures) noexcept;

/// As `Disk::log_sync` gives it.
[[nodiscard]] std::string describe_log_sync(LogSync used, const LogSyncFigures& figures);

}  // namespace braid::io
