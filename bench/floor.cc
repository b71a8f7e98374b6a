#include "bench/floor.h"

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

namespace bench {
namespace {

void must_be(bool good, const std::string& what) {
    if (!good) give_up(fmt::format("{}: {}", what, std::strerror(errno)));
}

void write_whole(int fd, const void* bytes, std::size_t size, std::uint64_t offset) {
    const auto written = ::pwrite(fd, bytes, size, static_cast<off_t>(offset));
    must_be(written == static_cast<ssize_t>(size), "writing beside the store");
}

int open_file(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CREAT | O_CLOEXEC, 0644);
    must_be(fd >= 0, path);
    return fd;
}

struct Block {
    alignas(block_bytes) std::byte bytes[block_bytes];
};

const Block& filled_block() {
    static const auto block = [] {
        auto made = std::make_unique<Block>();
        std::memset(made->bytes, 'b', block_bytes);
        return made;
    }();
    return *block;
}

}  // namespace

FloorLog::FloorLog(const std::string& path, Way way) : way_(way), fd_(open_file(path, O_RDWR)) {
    const std::vector<std::byte> zeros(block_bytes * blocks);
    write_whole(fd_, zeros.data(), zeros.size(), 0);
    must_be(::fsync(fd_) == 0, "fsync");
    if (way_ == Way::synced) return;
    ::close(fd_);
    fd_ = ::open(path.c_str(), O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
    if (fd_ < 0) problem_ = fmt::format("O_DIRECT: {}", std::strerror(errno));
}

FloorLog::~FloorLog() {
    if (fd_ >= 0) ::close(fd_);
}

void FloorLog::write(std::uint64_t block_number) {
    write_whole(fd_, filled_block().bytes, block_bytes, block_number % blocks * block_bytes);
    if (way_ == Way::synced) must_be(::fdatasync(fd_) == 0, "fdatasync");
}

MappedFile::MappedFile(const std::string& path, std::size_t bytes) {
    const int fd = open_file(path, O_RDWR);
    const std::vector<std::byte> data(bytes, std::byte{'b'});
    write_whole(fd, data.data(), data.size(), 0);
    void* at = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
    must_be(at != MAP_FAILED, "mmap");
    ::close(fd);
    bytes_ = {static_cast<const std::byte*>(at), bytes};
}

MappedFile::~MappedFile() {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

BufferedFile::BufferedFile(const std::string& path) : fd_(open_file(path, O_WRONLY)) {}

BufferedFile::~BufferedFile() {
    ::close(fd_);
}

void BufferedFile::append(const void* bytes, std::size_t size) {
    if (used_ + size > capacity) {
        write_whole(fd_, buffer_, used_, offset_ % round_bytes);
        offset_ += capacity;
        used_ = 0;
    }
    std::memcpy(buffer_ + used_, bytes, size);
    used_ += size;
}

void make_durable_file(const std::string& directory, std::uint64_t number) {
    const int fd = open_file(fmt::format("{}/{}", directory, number), O_WRONLY);
    write_whole(fd, filled_block().bytes, block_bytes, 0);
    must_be(::fdatasync(fd) == 0, "fdatasync");
    ::close(fd);
    const int folder = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must_be(folder >= 0 && ::fsync(folder) == 0, directory);
    ::close(folder);
}

std::uint64_t read_and_hash(const std::string& directory) {
    std::vector<std::byte> buffer(1 << 20);
    std::uint64_t total = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
        if (!file.is_regular_file()) continue;
        const int fd = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
        must_be(fd >= 0, file.path());
        for (ssize_t got = 0; (got = ::read(fd, buffer.data(), buffer.size())) > 0;) {
            benchmark::DoNotOptimize(XXH3_64bits(buffer.data(), static_cast<std::size_t>(got)));
            total += static_cast<std::uint64_t>(got);
        }
        ::close(fd);
    }
    return total;
}

}  // namespace bench
