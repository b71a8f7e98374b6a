#pragma once

#include <atomic>

#include "io/file.h"

namespace braid::io {

/// A file of the system, by its descriptor.
class PosixFile : public File {
public:
    /// Takes over `fd`. `direct`: it was opened with O_DIRECT.
    PosixFile(std::string name, int fd, bool direct)
        : File(std::move(name)), fd_(fd), direct_(direct) {}
    ~PosixFile() override;

    [[nodiscard]] int fd() const noexcept { return fd_; }

    std::int64_t raw_read(std::span<std::byte> into, std::uint64_t offset) override;
    std::int64_t raw_write(Bytes bytes, std::uint64_t offset, WriteMode mode) override;
    std::int64_t raw_sync() override;
    std::int64_t raw_size() override;
    std::int64_t raw_map(std::uint64_t length, std::unique_ptr<Mapping>& out) override;
    [[nodiscard]] std::size_t transfer_unit() const noexcept override {
        return direct_ ? block_bytes : 1;
    }

private:
    std::int64_t write_and_sync(Bytes bytes, std::uint64_t offset);

    const int fd_;
    const bool direct_;
    std::atomic<bool> dsync_refused_ = false;  // a hint: threads that miss it only ask once more
};

}  // namespace braid::io
