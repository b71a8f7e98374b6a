#pragma once

#include "tests/sim/sim_disk.h"

namespace braid::sim {

/// An open file of a `SimDisk`: it keeps its inode when the name is renamed or removed.
class SimFile : public io::File {
public:
    SimFile(SimDisk& disk, std::string name, std::shared_ptr<Inode> inode, io::OpenMode mode)
        : io::File(std::move(name)), disk_(disk), inode_(std::move(inode)), mode_(mode) {}

    std::int64_t raw_read(std::span<std::byte> into, std::uint64_t offset) override;
    std::int64_t raw_write(Bytes bytes, std::uint64_t offset, io::WriteMode mode) override;
    std::int64_t raw_sync() override;
    std::int64_t raw_size() override;
    std::int64_t raw_map(std::uint64_t length, std::unique_ptr<io::Mapping>& out) override;
    /// As a write of zeros that no sync has covered.
    std::int64_t raw_allocate(std::uint64_t length) override;
    std::int64_t raw_cut(std::uint64_t length) override;
    std::int64_t raw_cached() override;
    [[nodiscard]] std::size_t transfer_unit() const noexcept override {
        return mode_.direct ? io::block_bytes : 1;
    }

    [[nodiscard]] Inode& inode() const noexcept { return *inode_; }
    [[nodiscard]] const std::shared_ptr<Inode>& shared_inode() const noexcept { return inode_; }
    [[nodiscard]] bool direct() const noexcept { return mode_.direct; }

private:
    [[nodiscard]] bool refuses(const void* address, std::size_t bytes, std::uint64_t offset) const;

    SimDisk& disk_;
    const std::shared_ptr<Inode> inode_;
    const io::OpenMode mode_;
};

}  // namespace braid::sim
