#include "tests/kill/heir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <thread>

#include "io/aligned_buffer.h"
#include "io/disk.h"
#include "segment/checksum.h"

namespace braid::kill {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t write_bytes = 1 << 20;
constexpr std::size_t writes = 16;  // under way at once
/// What the kernel still has of the dead is written within milliseconds, if at all.
constexpr std::chrono::milliseconds watch_time{8};

std::string flood_directory(const Place& place) {
    return place.work + "/flood";
}

/// The exclusive lock. A blocking call would hang for ever where it is never freed.
class HeldLock {
public:
    explicit HeldLock(const std::string& directory)
        : fd_(::open((directory + "/LOCK").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
        const auto end = Clock::now() + burial_max;
        while (!held_ && Clock::now() < end) {
            held_ = ::flock(fd_, LOCK_EX | LOCK_NB) == 0;
            if (!held_) std::this_thread::yield();
        }
    }
    ~HeldLock() { ::close(fd_); }
    HeldLock(const HeldLock&) = delete;
    HeldLock& operator=(const HeldLock&) = delete;
    [[nodiscard]] bool is_held() const { return held_; }

private:
    int fd_;
    bool held_ = false;
};

/// Checksums of what all files hold, by their names.
std::map<std::string, std::uint64_t> files_of(const std::string& directory) {
    std::map<std::string, std::uint64_t> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        std::ifstream in(entry.path(), std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(in), {}};
        files[entry.path().filename().string()] = segment::checksum(as_bytes(bytes), 0);
    }
    return files;
}

/// The writes of one round bear its number.
void flood_forever(io::Queue& queue, io::File& file, const Place& place, int alarm) {
    std::vector<io::AlignedBuffer> buffers;
    for (std::size_t i = 0; i < writes; ++i) buffers.emplace_back(write_bytes);
    for (int round = 0;; ++round) {
        for (std::size_t i = 0; i < writes; ++i) {
            const std::span<std::byte> bytes = buffers[i].first(write_bytes);
            std::memset(bytes.data(), round & 0xff, bytes.size());
            queue.submit({.mode = io::WriteMode::durable,
                          .file = &file,
                          .bytes = bytes,
                          .offset = i * write_bytes,
                          .token = i});
        }
        if (round == 1) raise_alarm(alarm);
        while (queue.in_flight() != 0) {
            const io::Completion done = queue.wait();
            if (!done.result) give_up(place, "a write: " + done.result.error().message());
        }
    }
}

}  // namespace

std::string check_alone(const std::string& directory) {
    const HeldLock lock(directory);
    if (!lock.is_held()) return "the lock of the dead is never freed";
    const auto before = files_of(directory);
    const auto end = Clock::now() + watch_time;
    do {
        for (const auto& [name, checksum] : files_of(directory)) {
            const auto was = before.find(name);
            if (was == before.end()) return "a file appeared under the lock: " + name;
            if (was->second != checksum) return "a file changed under the lock: " + name;
        }
    } while (Clock::now() < end);
    return {};
}

void flood(const Place& place, Io io, int alarm) {
    const auto backend = io == Io::uring ? io::Backend::uring : io::Backend::posix;
    auto disk = io::open_disk(flood_directory(place), backend, true);
    if (!disk) give_up(place, "a disk: " + disk.error().message());
    const auto lock = (*disk)->lock("LOCK", 0);
    if (!lock) give_up(place, "a lock: " + lock.error().message());
    auto file = (*disk)->open("flood", {.write = true, .create = true, .direct = true});
    if (!file) give_up(place, "a file: " + file.error().message());
    auto queue = (*disk)->make_queue(writes, lock->get());
    if (!queue) give_up(place, "a queue: " + queue.error().message());
    flood_forever(**queue, **file, place, alarm);
    ::_exit(1);  // not reached
}

void inherit(const Place& place, int ready) {
    raise_alarm(ready);
    const std::string problem = check_alone(flood_directory(place));
    if (!problem.empty()) give_up(place, problem);
    ::_exit(0);
}

}  // namespace braid::kill
