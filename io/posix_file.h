#pragma once

#include <atomic>

#include "io/file.h"

namespace braid::io {

/// What pwritev2 and a ring are told for a `WriteMode::uncached`: what the write brings to the page
/// cache goes as soon as it is on the medium (RWF_DONTCACHE), coherent with mappings. 0 where the
/// kernel has no such flag to rely on: Linux 6.14 had it with errors, 6.15 none, 6.16 has it. A
/// file system may still refuse it (EOPNOTSUPP); a plain write is as right.
[[nodiscard]] int uncached_flag() noexcept;

/// A file of the system, by its descriptor.
class PosixFile : public File {
public:
    /// Takes over `fd`. `direct`: it was opened with O_DIRECT. `flushes`: durable writes are
    /// followed by an fdatasync, instead of asking for RWF_DSYNC.
    PosixFile(std::string name, int fd, bool direct, bool flushes)
        : File(std::move(name)), fd_(fd), direct_(direct), flushes_(flushes) {}
    ~PosixFile() override;

    [[nodiscard]] int fd() const noexcept { return fd_; }
    /// Whether a durable write is a plain one and then `sync_written`.
    [[nodiscard]] bool flushes() const noexcept { return flushes_.load(std::memory_order_relaxed); }
    /// Flushes behind a plain write of so many bytes: the same, or -errno.
    std::int64_t sync_written(std::int64_t written);

    std::int64_t raw_read(std::span<std::byte> into, std::uint64_t offset) override;
    std::int64_t raw_write(Bytes bytes, std::uint64_t offset, WriteMode mode) override;
    std::int64_t raw_sync() override;
    std::int64_t raw_size() override;
    std::int64_t raw_map(std::uint64_t length, std::unique_ptr<Mapping>& out) override;
    std::int64_t raw_allocate(std::uint64_t length) override;
    std::int64_t raw_cut(std::uint64_t length) override;
    std::int64_t raw_cached() override;
    [[nodiscard]] std::size_t transfer_unit() const noexcept override {
        return direct_ ? block_bytes : 1;
    }
    [[nodiscard]] bool direct() const noexcept { return direct_; }

private:
    const int fd_;
    const bool direct_;
    std::atomic<bool> flushes_;  // also where RWF_DSYNC is refused; who misses it asks once more
};

}  // namespace braid::io
