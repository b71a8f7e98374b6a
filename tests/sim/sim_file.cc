#include "tests/sim/sim_file.h"

#include <algorithm>
#include <array>

#include "tests/sim/shelter.h"

namespace braid::sim {
namespace {

class SimMapping : public io::Mapping {
public:
    explicit SimMapping(std::vector<std::byte> bytes) : io::Mapping({}), owned_(std::move(bytes)) {
        bytes_ = owned_;
    }

private:
    const std::vector<std::byte> owned_;
};

}  // namespace

bool SimFile::refuses(const void* address, std::size_t bytes, std::uint64_t offset) const {
    return mode_.direct && (reinterpret_cast<std::uintptr_t>(address) % sector_bytes != 0 ||
                            bytes % io::block_bytes != 0 || offset % io::block_bytes != 0);
}

std::int64_t SimFile::raw_read(std::span<std::byte> into, std::uint64_t offset) {
    const Shelter shelter;
    if (refuses(into.data(), into.size(), offset)) return -EINVAL;
    if (const auto result = disk_.refusal(Call::read, name())) {
        if (*result < 0) return *result;
        into = into.first(std::min<std::size_t>(into.size(), static_cast<std::size_t>(*result)));
    }
    return static_cast<std::int64_t>(inode_->cache().read(into, offset));
}

std::int64_t SimFile::raw_write(Bytes bytes, std::uint64_t offset, io::WriteMode mode) {
    const Shelter shelter;
    if (!mode_.write) return -EBADF;
    if (refuses(bytes.data(), bytes.size(), offset)) return -EINVAL;
    return disk_.write(*this, bytes, offset, mode);
}

std::int64_t SimFile::raw_sync() {
    const Shelter shelter;
    return disk_.sync(*this);
}

std::int64_t SimFile::raw_size() {
    const Shelter shelter;
    if (const auto result = disk_.refusal(Call::size, name())) return *result;
    return static_cast<std::int64_t>(inode_->cache().size());
}

std::int64_t SimFile::raw_map(std::uint64_t length, std::unique_ptr<io::Mapping>& out) {
    const Shelter shelter;
    if (const auto result = disk_.refusal(Call::map, name())) return *result;
    std::vector<std::byte> bytes(length);
    inode_->cache().read(bytes, 0);
    out = std::make_unique<SimMapping>(std::move(bytes));
    return 0;
}

std::int64_t SimFile::raw_allocate(std::uint64_t length) {
    const Shelter shelter;
    alignas(io::block_bytes) static constexpr std::array<std::byte, 16 * io::block_bytes> zeros{};
    for (std::uint64_t at = inode_->cache().size(); at < length;) {
        const auto bytes = std::min<std::uint64_t>(zeros.size(), length - at);
        const std::int64_t done =
            disk_.write(*this, Bytes(zeros).first(bytes), at, io::WriteMode::cached);
        if (done <= 0) return done;
        at += static_cast<std::uint64_t>(done);
    }
    return 0;
}

std::int64_t SimFile::raw_cut(std::uint64_t length) {
    const Shelter shelter;
    return disk_.cut(*this, length);
}

std::int64_t SimFile::raw_cached() {
    return disk_.cached(*inode_);
}

}  // namespace braid::sim
