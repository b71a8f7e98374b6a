#include "io/posix_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

namespace braid::io {
namespace {

class PosixMapping : public Mapping {
public:
    explicit PosixMapping(Bytes bytes) : Mapping(bytes) {}
    ~PosixMapping() override {
        if (!bytes_.empty()) munmap(address(), bytes_.size());
    }
    void expect_random_reads() noexcept override {
        // Only advice: it may be ignored.
        if (!bytes_.empty()) static_cast<void>(madvise(address(), bytes_.size(), MADV_RANDOM));
    }
    void expect_reads(Bytes bytes) noexcept override {
        static const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
        const auto first = reinterpret_cast<std::uintptr_t>(bytes.data()) / page * page;
        const auto end = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size());
        static_cast<void>(madvise(reinterpret_cast<void*>(first), end - first, MADV_WILLNEED));
    }

private:
    [[nodiscard]] void* address() const noexcept { return const_cast<std::byte*>(bytes_.data()); }
};

std::int64_t or_errno(std::int64_t result) {
    return result < 0 ? -errno : result;
}

std::int64_t write_flagged(int fd, Bytes bytes, std::uint64_t offset, int flags) {
    const iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    return or_errno(pwritev2(fd, &part, 1, static_cast<off_t>(offset), flags));
}

/// Whether the write may have failed for its flag alone.
bool may_be_refused_flag(std::int64_t result) {
    return result == -EOPNOTSUPP || result == -EINVAL || result == -ENOSYS;
}

int flag_of_this_kernel() noexcept {
    constexpr int rwf_dontcache = 0x80;  // newer than the headers that we are built with
    utsname kernel{};
    int major = 0;
    int minor = 0;
    if (uname(&kernel) != 0 || sscanf(kernel.release, "%d.%d", &major, &minor) != 2) return 0;
    return major > 6 || (major == 6 && minor >= 16) ? rwf_dontcache : 0;
}

}  // namespace

int uncached_flag() noexcept {
    static const int flag = flag_of_this_kernel();
    return flag;
}

PosixFile::~PosixFile() {
    close(fd_);
}

std::int64_t PosixFile::raw_read(std::span<std::byte> into, std::uint64_t offset) {
    return or_errno(pread(fd_, into.data(), into.size(), static_cast<off_t>(offset)));
}

std::int64_t PosixFile::raw_write(Bytes bytes, std::uint64_t offset, WriteMode mode) {
    if (mode == WriteMode::uncached && !direct_ && uncached_flag() != 0) {
        const std::int64_t result = write_flagged(fd_, bytes, offset, uncached_flag());
        if (!may_be_refused_flag(result)) return result;
    }
    if (mode != WriteMode::durable) {
        return or_errno(pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)));
    }
    if (flushes()) return sync_written(raw_write(bytes, offset, WriteMode::cached));
    const std::int64_t result = write_flagged(fd_, bytes, offset, RWF_DSYNC);
    if (!may_be_refused_flag(result)) return result;
    // Either the flag is refused, or the write itself; a plain one tells.
    const std::int64_t plain = sync_written(raw_write(bytes, offset, WriteMode::cached));
    if (plain >= 0) flushes_.store(true, std::memory_order_relaxed);
    return plain;
}

std::int64_t PosixFile::sync_written(std::int64_t written) {
    if (written <= 0) return written;
    std::int64_t synced = raw_sync();
    // An interrupted sync must not look like an interrupted write: writing again is right, but
    // wasteful.
    for (unsigned tries = 1; synced == -EINTR && tries < idle_tries_max; ++tries)
        synced = raw_sync();
    return synced < 0 ? synced : written;
}

std::int64_t PosixFile::raw_sync() {
    return or_errno(fdatasync(fd_));
}

std::int64_t PosixFile::raw_size() {
    struct stat status {};
    if (fstat(fd_, &status) < 0) return -errno;
    return status.st_size;
}

std::int64_t PosixFile::raw_map(std::uint64_t length, std::unique_ptr<Mapping>& out) {
    Bytes bytes;
    if (length > 0) {  // mmap refuses 0
        void* address = mmap(nullptr, length, PROT_READ, MAP_SHARED, fd_, 0);
        if (address == MAP_FAILED) return -errno;
        bytes = {static_cast<const std::byte*>(address), length};
    }
    out = std::make_unique<PosixMapping>(bytes);
    return 0;
}

std::int64_t PosixFile::raw_allocate(std::uint64_t length) {
    return or_errno(fallocate(fd_, 0, 0, static_cast<off_t>(length)));
}

std::int64_t PosixFile::raw_cut(std::uint64_t length) {
    return or_errno(ftruncate(fd_, static_cast<off_t>(length)));
}

/// cachestat(2), of Linux 6.5: newer than the headers that we may be built with. Its number is the
/// same on nearly all processors.
std::int64_t PosixFile::raw_cached() {
#if defined(SYS_cachestat)
    constexpr long cachestat_call = SYS_cachestat;
#elif defined(__x86_64__) || defined(__aarch64__) || defined(__riscv)
    constexpr long cachestat_call = 451;
#else
    constexpr long cachestat_call = -1;  // ENOSYS
#endif
    const std::array<std::uint64_t, 2> whole_file{};  // offset, length
    std::array<std::uint64_t, 5> pages{};             // cached, and of these in several states
    const std::int64_t result =
        or_errno(syscall(cachestat_call, fd_, whole_file.data(), pages.data(), 0U));
    return result < 0 ? result : static_cast<std::int64_t>(pages[0]) * sysconf(_SC_PAGESIZE);
}

}  // namespace braid::io
