#include "tests/full/space.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <braid/check.hpp>
#include <cerrno>
#include <csignal>

namespace braid::full {
namespace {

constexpr std::uint64_t ballast_unit = 1 << 20;

std::uint64_t free_bytes(const std::string& directory) {
    struct statvfs status {};
    BRAID_CHECK(::statvfs(directory.c_str(), &status) == 0, "no file system at {}", directory);
    return std::uint64_t{status.f_bfree} * status.f_frsize;  // what root may use, too
}

void set_limit(rlim_t bytes) {
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    BRAID_CHECK(::setrlimit(RLIMIT_FSIZE, &limit) == 0, "no limit of {} bytes", bytes);
}

}  // namespace

/// Taken in pieces, since the last ones may not fit for what the file system keeps for itself.
void BallastSpace::leave(std::uint64_t bytes) {
    const std::string name = directory_ + "/ballast";
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    BRAID_CHECK(fd >= 0, "no ballast in {}", directory_);
    auto at = static_cast<std::uint64_t>(::lseek(fd, 0, SEEK_END));
    for (std::uint64_t unit = ballast_unit; unit >= 4096;) {
        const bool more = free_bytes(directory_) >= bytes + unit;
        if (more && ::posix_fallocate(fd, static_cast<off_t>(at), static_cast<off_t>(unit)) == 0)
            at += unit;
        else
            unit /= 4;
    }
    ::fsync(fd);
    ::close(fd);
}

void BallastSpace::give_back() {
    ::unlink((directory_ + "/ballast").c_str());
    // Some file systems free the blocks with their next transaction.
    const int fd = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    ::syncfs(fd);
    ::close(fd);
}

LimitedSpace::LimitedSpace() {
    std::signal(SIGXFSZ, SIG_IGN);  // a write says EFBIG then
}

void LimitedSpace::leave(std::uint64_t bytes) {
    set_limit(std::max<std::uint64_t>(bytes, 2 * 4096));  // the output may be a file as well
}

void LimitedSpace::give_back() {
    set_limit(RLIM_INFINITY);
}

}  // namespace braid::full
