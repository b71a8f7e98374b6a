#pragma once

#include <mutex>

#include "io/backend.h"
#include "io/disk.h"
#include "io/log_sync.h"

namespace braid::io {

/// Held by flock on an open file description of its own, so that a second opening in this process
/// is refused as well. fcntl locks would be lost with any close() of the file.
class PosixLock : public Lock {
public:
    explicit PosixLock(int fd) : fd_(fd) {}
    ~PosixLock() override;
    [[nodiscard]] int fd() const noexcept { return fd_; }

private:
    const int fd_;
};

/// A directory of the system, by its descriptor: it may be renamed while open.
class PosixDisk : public Disk {
public:
    /// Takes over `directory_fd`; `directory` is for messages.
    PosixDisk(std::string directory, int directory_fd, BackendChoice choice, LogSync log_sync)
        : directory_(std::move(directory)),
          directory_fd_(directory_fd),
          choice_(std::move(choice)),
          log_sync_(log_sync) {}
    ~PosixDisk() override;

    Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode) override;
    Result<void> rename(const std::string& from, const std::string& to) override;
    Result<void> remove(const std::string& name) override;
    Result<std::vector<DirectoryEntry>> list() override;
    Result<void> sync_directory() override;
    Result<std::unique_ptr<Lock>> lock(const std::string& name, std::uint64_t wait_ns) override;
    Result<std::unique_ptr<Queue>> make_queue(std::size_t depth, Lock* lock) override;
    Timestamp now() override;
    std::uint64_t monotonic_ns() override;
    std::uint64_t random() override;
    [[nodiscard]] std::string backend() const override;
    [[nodiscard]] std::string log_sync() const override;

private:
    /// openat, carried on when interrupted; a descriptor or -errno.
    int open_fd(const std::string& name, int flags) const;
    [[nodiscard]] bool flushes_log();
    [[nodiscard]] Result<int> lock_fd(int fd, const std::string& name, std::uint64_t wait_ns);

    const std::string directory_;
    const int directory_fd_;
    mutable std::mutex mutex_;  // of what follows: queues and files are made by several threads
    BackendChoice choice_;
    LogSync log_sync_;             // automatic until it was measured
    LogSyncFigures sync_figures_;  // what was measured
};

}  // namespace braid::io
