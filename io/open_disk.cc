#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "io/posix_disk.h"
#include "io/uring_queue.h"

namespace braid::io {
namespace {

int open_directory(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

std::string without_slashes_at_end(std::string path) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return path;
}

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : without_slashes_at_end(path.substr(0, slash));
}

/// Makes the name of a new directory survive power loss. Where it was there already and its parent
/// may not be read by us, it isn't ours to sync.
Result<void> sync_parent(const std::string& path, bool made) {
    const std::string parent = parent_of(path);
    const int fd = open_directory(parent);
    if (fd < 0) {
        if (!made && (fd == -EACCES || fd == -EPERM)) return {};
        return system_error("open directory", parent, fd);
    }
    const int result = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    if (result < 0) return system_error("sync directory", parent, result);
    return {};
}

Result<void> make_directory(const std::string& path) {
    int result = mkdir(path.c_str(), 0755) < 0 ? -errno : 0;
    if (result == -ENOENT && parent_of(path) != path) {
        if (Result<void> parent = make_directory(parent_of(path)); !parent) return parent;
        result = mkdir(path.c_str(), 0755) < 0 ? -errno : 0;
    }
    if (result < 0 && result != -EEXIST) return system_error("make directory", path, result);
    return sync_parent(path, result == 0);
}

}  // namespace

Result<std::unique_ptr<Disk>> open_disk(const std::string& directory, Backend backend, bool create,
                                        LogSync log_sync) {
    const std::string path = without_slashes_at_end(directory);
    if (path.empty()) return Error(Errc::invalid_argument, "the name of a directory is empty");
    const int probe_error = backend == Backend::posix ? 0 : probe_uring();
    const Result<BackendChoice> choice = choose_backend(backend, probe_error);
    if (!choice) return choice.error();
    if (create) {
        if (const Result<void> made = make_directory(path); !made) return made.error();
    }
    const int fd = open_directory(path);
    if (fd < 0) return system_error("open directory", path, fd);
    return std::unique_ptr<Disk>(std::make_unique<PosixDisk>(path, fd, *choice, log_sync));
}

Result<std::vector<std::byte>> read_whole(File& file) {
    const Result<std::uint64_t> size = file.size();
    if (!size) return size.error();
    std::vector<std::byte> bytes(*size);
    const Result<std::size_t> got = file.read(bytes, 0);
    if (!got) return got.error();
    bytes.resize(*got);  // it may have become shorter meanwhile
    return bytes;
}

}  // namespace braid::io
