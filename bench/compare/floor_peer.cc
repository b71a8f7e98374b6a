#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "bench/compare/peer.h"
#include "bench/floor.h"
#include "bench/place.h"

namespace bench {
namespace {

enum class Way : std::uint8_t { direct, kept, fdatasync };

constexpr std::uint64_t log_bytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kept_bytes = std::uint64_t{1} << 30;  ///< taken at a time
constexpr std::size_t memory_bytes = std::size_t{1} << 20;

/// The system calls that no log can do without, under a mutex: a file that was written with zeros
/// before is written again from its start, whole blocks direct and synchronous, or the bytes
/// through the cache and then synced. One way keeps what it writes, as a store must: space that was
/// taken from the file system, and never written before. Rows of buffered commits copy to 64 KiB
/// that are written when full.
class FloorPeer : public Peer {
public:
    FloorPeer(const Setup& setup, Way way) : durable_(setup.durable), way_(way) {
        const std::string path = setup.directory + "/log";
        if (durable_ && way_ == Way::kept) {
            open(path, O_CREAT | O_WRONLY | O_DIRECT | O_DSYNC);
            take_space();
            return;
        }
        capacity_ = log_bytes;
        open(path, O_CREAT | O_RDWR);
        const std::vector<std::byte> zeros(memory_bytes);
        for (std::uint64_t at = 0; at < log_bytes; at += zeros.size())
            write_whole(zeros.data(), zeros.size(), at);
        must_be(::fsync(fd_) == 0, "fsync");
        if (!durable_ || way_ != Way::direct) return;
        ::close(fd_);
        open(path, O_WRONLY | O_DIRECT | O_DSYNC);
    }
    FloorPeer(const FloorPeer&) = delete;
    FloorPeer& operator=(const FloorPeer&) = delete;
    ~FloorPeer() override { ::close(fd_); }

    std::unique_ptr<Session> session() override { return std::make_unique<FloorSession>(*this); }
    void flush() override { must_be(::fdatasync(fd_) == 0, "fdatasync"); }

private:
    class FloorSession : public Session {
    public:
        explicit FloorSession(FloorPeer& peer)
            : peer_(peer),
              memory_(static_cast<std::byte*>(std::aligned_alloc(block_bytes, memory_bytes))) {}
        FloorSession(const FloorSession&) = delete;
        FloorSession& operator=(const FloorSession&) = delete;
        ~FloorSession() override { std::free(memory_); }
        void commit(std::span<const Append> appends) override {
            for (const Append& append : appends) {
                std::memcpy(memory_ + used_, append.payload.data(), append.payload.size());
                used_ += append.payload.size();
            }
            if (!peer_.durable_ && used_ < 64 << 10) return;
            peer_.write({memory_, used_});
            used_ = 0;
        }

    private:
        FloorPeer& peer_;
        std::byte* memory_;
        std::size_t used_ = 0;
    };

    static void must_be(bool good, std::string_view what) {
        if (!good) give_up(fmt::format("floor: {}: {}", what, std::strerror(errno)));
    }
    void open(const std::string& path, int flags) {
        fd_ = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
        must_be(fd_ >= 0, "open");
    }
    void write_whole(const std::byte* bytes, std::size_t size, std::uint64_t at) const {
        must_be(::pwrite(fd_, bytes, size, static_cast<off_t>(at)) == static_cast<ssize_t>(size),
                "pwrite");
    }
    void write(std::span<const std::byte> bytes) {
        const bool whole = durable_ && way_ != Way::fdatasync;
        const std::size_t size =
            whole ? (bytes.size() + block_bytes - 1) / block_bytes * block_bytes : bytes.size();
        const std::scoped_lock lock(mutex_);
        if (at_ + size > capacity_) {
            if (durable_ && way_ == Way::kept)
                take_space();
            else
                at_ = 0;
        }
        write_whole(bytes.data(), size, at_);
        at_ += size;
        if (durable_ && way_ == Way::fdatasync) must_be(::fdatasync(fd_) == 0, "fdatasync");
    }

    void take_space() {
        capacity_ += kept_bytes;
        must_be(::fallocate(fd_, 0, 0, static_cast<off_t>(capacity_)) == 0, "fallocate");
        must_be(::fsync(fd_) == 0, "fsync");
    }

    bool durable_;
    Way way_;
    int fd_ = -1;
    std::mutex mutex_;
    std::uint64_t at_ = 0;
    std::uint64_t capacity_ = 0;
};

}  // namespace

PeerKind floor_direct_peer() {
    return {"floor direct",
            "no store: a mutex and pwrite with O_DIRECT and O_DSYNC to a zero-written file",
            [](const Setup& setup) { return std::make_unique<FloorPeer>(setup, Way::direct); }};
}

PeerKind floor_kept_peer() {
    return {
        "floor kept",
        "no store: a mutex and pwrite with O_DIRECT and O_DSYNC, each to space that fallocate took "
        "and nothing was written to",
        [](const Setup& setup) { return std::make_unique<FloorPeer>(setup, Way::kept); }};
}

PeerKind floor_fdatasync_peer() {
    return {"floor fdatasync", "no store: a mutex, pwrite and fdatasync to a zero-written file",
            [](const Setup& setup) { return std::make_unique<FloorPeer>(setup, Way::fdatasync); }};
}

}  // namespace bench
