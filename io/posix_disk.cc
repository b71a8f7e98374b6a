#include "io/posix_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <braid/check.hpp>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "io/posix_file.h"
#include "io/uring_queue.h"

namespace braid::io {
namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::uint64_t lock_try_ns = 2'000'000;  // between two tries; a wait is up to 2 s

std::uint64_t clock_ns(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * second_ns +
           static_cast<std::uint64_t>(time.tv_nsec);
}

void check_name(const std::string& name) {
    // A path would escape the store's directory.
    BRAID_CHECK(!name.empty() && name.find('/') == std::string::npos && name != "." && name != "..",
                "'{}' is not a file name", name);
}

struct CloseDirectory {
    void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

PosixLock::~PosixLock() {
    // Closing alone would leave it to a process forked meanwhile, or to a ring's late clean-up.
    flock(fd_, LOCK_UN);
    close(fd_);
}

PosixDisk::~PosixDisk() {
    close(directory_fd_);
}

int PosixDisk::open_fd(const std::string& name, int flags) const {
    check_name(name);
    int fd = -1;
    do {
        fd = openat(directory_fd_, name.c_str(), flags | O_CLOEXEC, 0644);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

Result<std::unique_ptr<File>> PosixDisk::open(const std::string& name, OpenMode mode) {
    int flags = mode.write ? O_RDWR : O_RDONLY;
    if (mode.create) flags |= O_CREAT;
    if (mode.truncate) flags |= O_TRUNC;
    bool direct = mode.direct;
    int fd = open_fd(name, direct ? flags | O_DIRECT : flags);
    if (fd == -EINVAL && direct) {  // tmpfs and others without direct I/O
        direct = false;
        fd = open_fd(name, flags);
    }
    if (fd < 0) return system_error("open", name, fd);
    const bool flushes = mode.direct && mode.write && flushes_log();
    return std::unique_ptr<File>(std::make_unique<PosixFile>(name, fd, direct, flushes));
}

bool PosixDisk::flushes_log() {
    const std::lock_guard guard(mutex_);
    if (log_sync_ == LogSync::automatic) {
        sync_figures_ = measure_log_sync(directory_fd_);
        log_sync_ = choose_log_sync(sync_figures_);
    }
    return log_sync_ == LogSync::fdatasync;
}

Result<void> PosixDisk::rename(const std::string& from, const std::string& to) {
    check_name(from);
    check_name(to);
    if (renameat(directory_fd_, from.c_str(), directory_fd_, to.c_str()) < 0) {
        return system_error("rename to " + to + " from", from, -errno);
    }
    return {};
}

Result<void> PosixDisk::remove(const std::string& name) {
    check_name(name);
    if (unlinkat(directory_fd_, name.c_str(), 0) < 0) return system_error("remove", name, -errno);
    return {};
}

Result<std::vector<DirectoryEntry>> PosixDisk::list() {
    // A descriptor of its own, since the place in a directory belongs to the description.
    const int fd = openat(directory_fd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return system_error("list", directory_, -errno);
    const std::unique_ptr<DIR, CloseDirectory> directory(fdopendir(fd));
    if (!directory) {
        const int error = errno;
        close(fd);
        return system_error("list", directory_, -error);
    }
    std::vector<DirectoryEntry> entries;
    while (true) {
        errno = 0;
        const dirent* found = readdir(directory.get());
        if (found == nullptr) break;
        struct stat status {};
        if (fstatat(directory_fd_, found->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno == ENOENT) continue;  // removed meanwhile
            return system_error("list", found->d_name, -errno);
        }
        if (!S_ISREG(status.st_mode)) continue;
        entries.push_back({found->d_name, static_cast<std::uint64_t>(status.st_size)});
    }
    if (errno != 0) return system_error("list", directory_, -errno);
    std::sort(entries.begin(), entries.end(),
              [](const auto& left, const auto& right) { return left.name < right.name; });
    return entries;
}

Result<void> PosixDisk::sync_directory() {
    if (fsync(directory_fd_) < 0) return system_error("sync directory", directory_, -errno);
    return {};
}

Result<int> PosixDisk::lock_fd(int fd, const std::string& name, std::uint64_t wait_ns) {
    const std::uint64_t start_ns = monotonic_ns();
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return system_error("lock", name, -errno);
        const std::uint64_t waited_ns = monotonic_ns() - start_ns;
        if (waited_ns >= wait_ns) {
            return Error(Errc::locked,
                         fmt::format("lock {}/{}: the store is open for writing elsewhere "
                                     "(waited {} ms)",
                                     directory_, name, waited_ns / 1'000'000));
        }
        const std::uint64_t pause_ns = std::min(lock_try_ns, wait_ns - waited_ns);
        const timespec pause{0, static_cast<long>(pause_ns)};
        nanosleep(&pause, nullptr);
    }
    return fd;
}

Result<std::unique_ptr<Lock>> PosixDisk::lock(const std::string& name, std::uint64_t wait_ns) {
    const int fd = open_fd(name, O_RDWR | O_CREAT);
    if (fd < 0) return system_error("open", name, fd);
    if (const Result<int> locked = lock_fd(fd, name, wait_ns); !locked) {
        close(fd);
        return locked.error();
    }
    return std::unique_ptr<Lock>(std::make_unique<PosixLock>(fd));
}

Result<std::unique_ptr<Queue>> PosixDisk::make_queue(std::size_t depth, Lock* lock) {
    const std::lock_guard guard(mutex_);
    if (!choice_.uring) return make_blocking_queue();
    auto* held = dynamic_cast<PosixLock*>(lock);
    int error = 0;
    auto queue = make_uring_queue(depth, held != nullptr ? held->fd() : -1, error);
    if (queue) return queue;
    if (!choice_.may_fall_back) return choose_backend(Backend::uring, error).error();
    choice_ = fall_back(error);
    return make_blocking_queue();
}

Timestamp PosixDisk::now() {
    return clock_ns(CLOCK_REALTIME);
}

std::uint64_t PosixDisk::monotonic_ns() {
    return clock_ns(CLOCK_MONOTONIC);
}

std::uint64_t PosixDisk::random() {
    std::uint64_t bits = 0;
    ssize_t got = 0;
    do {
        got = getrandom(&bits, sizeof bits, 0);
    } while (got < 0 && errno == EINTR);
    BRAID_CHECK(got == sizeof bits, "getrandom gave {} bytes, errno {}", got, errno);
    return bits;
}

std::string PosixDisk::log_sync() const {
    const std::lock_guard guard(mutex_);
    return describe_log_sync(log_sync_, sync_figures_);
}

std::string PosixDisk::backend() const {
    const std::lock_guard guard(mutex_);
    return choice_.description;
}

}  // namespace braid::io
