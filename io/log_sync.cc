#include "io/log_sync.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace braid::io {
namespace {

constexpr std::size_t tries = 5;
constexpr std::size_t blocks = 2 * tries;

/// A file that goes with its descriptor, filled with zeros on the medium.
class Scratch {
public:
    explicit Scratch(int directory_fd)
        : fd_(openat(directory_fd, ".", O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600)) {}
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        if (fd_ >= 0) close(fd_);
    }

    [[nodiscard]] bool fill() {
        if (fd_ < 0) return false;
        for (std::size_t block = 0; block < blocks; ++block)
            if (!write(block, 0)) return false;
        return fsync(fd_) == 0;
    }
    [[nodiscard]] bool write(std::size_t block, int flags) {
        const iovec part{block_.data(), block_.size()};
        return pwritev2(fd_, &part, 1, static_cast<off_t>(block * block_bytes), flags) ==
               static_cast<ssize_t>(block_bytes);
    }
    [[nodiscard]] bool flush() const { return fdatasync(fd_) == 0; }

private:
    int fd_;
    alignas(block_bytes) std::array<std::byte, block_bytes> block_{};
};

using Times = std::array<std::uint64_t, tries>;

template <class Work>
bool time(std::uint64_t& ns, Work work) {
    const auto start = std::chrono::steady_clock::now();
    if (!work()) return false;
    ns = static_cast<std::uint64_t>((std::chrono::steady_clock::now() - start).count());
    return true;
}

std::uint64_t median(Times times) {
    std::sort(times.begin(), times.end());
    return times[tries / 2];
}

}  // namespace

LogSyncFigures measure_log_sync(int directory_fd) {
    Scratch scratch(directory_fd);
    if (!scratch.fill()) return {};
    Times synchronous{};
    Times flushed{};
    for (std::size_t i = 0; i < tries; ++i) {
        const bool good =
            time(synchronous[i], [&] { return scratch.write(2 * i, RWF_DSYNC); }) &&
            time(flushed[i], [&] { return scratch.write(2 * i + 1, 0) && scratch.flush(); });
        if (!good) return {};
    }
    return {median(synchronous), median(flushed)};
}

LogSync choose_log_sync(const LogSyncFigures& figures) noexcept {
    const bool flush_is_faster = figures.fdatasync_ns * 10 < figures.synchronous_write_ns * 7;
    return flush_is_faster ? LogSync::fdatasync : LogSync::synchronous_writes;
}

std::string describe_log_sync(LogSync used, const LogSyncFigures& figures) {
    if (used == LogSync::automatic) return "not measured";
    const char* name = used == LogSync::fdatasync ? "fdatasync" : "synchronous_writes";
    if (figures.synchronous_write_ns == 0) return name;
    return fmt::format("{} (measured: a synchronous write {} us, a write and fdatasync {} us)",
                       name, figures.synchronous_write_ns / 1000, figures.fdatasync_ns / 1000);
}

}  // namespace braid::io
