#include "io/uring_queue.h"

#include <liburing.h>
#include <linux/fs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <braid/check.hpp>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <vector>

#include "io/posix_file.h"

namespace braid::io {
namespace {

constexpr std::size_t depth_max = 4096;
constexpr std::size_t transfer_bytes_max = 1U
                                           << 30;  // a length has 32 bits; the rest is carried on

// Best first. Completions that are run only when asked for save interrupts of the engine's thread;
// the flag tells poll() that there are some to run. 5.15 has none of these, 5.19 the second line.
constexpr unsigned task_flags[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

/// A ring that is disabled: it will belong to the thread that enables it. 0 or -errno.
int make_ring(io_uring& ring, unsigned entries) {
    int result = -EINVAL;
    for (const unsigned flags : task_flags) {
        io_uring_params parameters{};
        parameters.flags = flags | IORING_SETUP_R_DISABLED;
        result = io_uring_queue_init_params(entries, &ring, &parameters);
        if (result != -EINVAL) break;
    }
    return result;
}

bool fit_for_another_try(int result) {
    return result == -EINTR || result == -EAGAIN || result == -EBUSY || result == -ENOMEM;
}

class UringQueue : public Queue {
public:
    /// Takes over the ring, made for `depth` requests.
    UringQueue(const io_uring& ring, std::size_t depth, bool has_lock)
        : ring_(ring), depth_(depth), has_lock_(has_lock) {}
    ~UringQueue() override;

protected:
    void reserve_slots(std::size_t count) override;
    void start(const Request& request, std::size_t slot) override;
    bool reap(RawCompletion& out, bool block) override;

private:
    void enable();
    void fill();
    void prepare(io_uring_sqe& sqe, const Request& request, std::size_t slot);
    int submit_prepared();
    bool take_one(RawCompletion& out, bool block);
    bool take_failed(RawCompletion& out);
    std::int64_t as_asked(std::size_t slot, std::int64_t result);

    io_uring ring_;
    const std::size_t depth_;
    const bool has_lock_;
    bool enabled_ = false;
    int broken_ = 0;                    // -errno: the ring takes nothing any more
    std::vector<Request> started_;      // by slot
    std::vector<char> plain_;           // by slot: a durable write that asked for no RWF_DSYNC
    std::vector<std::size_t> waiting_;  // slots not yet in the ring, the oldest first
    std::vector<std::size_t> in_ring_;  // slots prepared or with the kernel
};

UringQueue::~UringQueue() {
    // The buffers of writes under way may go when we return.
    RawCompletion ignored{};
    while (broken_ == 0 && in_ring_.size() > 0 && take_one(ignored, true)) {
    }
    // Frees the lock's file now; tearing down a ring is left to a worker of the kernel.
    if (has_lock_) io_uring_unregister_files(&ring_);
    io_uring_queue_exit(&ring_);
}

/// Makes the ring this thread's. (liburing 2.3 doesn't export the call.)
void UringQueue::enable() {
    enabled_ = true;
    if (syscall(SYS_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) <
        0) {
        broken_ = -errno;
    }
}

void UringQueue::reserve_slots(std::size_t count) {
    in_ring_.reserve(std::min(count, depth_));
    waiting_.reserve(count);
    started_.resize(count);
    plain_.resize(count);
}

void UringQueue::start(const Request& request, std::size_t slot) {
    if (!enabled_) enable();
    started_[slot] = request;
    waiting_.push_back(slot);
    if (broken_ == 0) fill();
}

/// Moves requests into the ring as far as it has room, and hands them to the kernel.
void UringQueue::fill() {
    while (!waiting_.empty() && in_ring_.size() < depth_) {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        if (sqe == nullptr) break;  // full of requests that the kernel put off
        const std::size_t slot = waiting_.front();
        waiting_.erase(waiting_.begin());
        prepare(*sqe, started_[slot], slot);
        in_ring_.push_back(slot);
    }
    submit_prepared();
}

void UringQueue::prepare(io_uring_sqe& sqe, const Request& request, std::size_t slot) {
    auto* file = dynamic_cast<PosixFile*>(request.file);
    BRAID_CHECK(file != nullptr, "{} is not a file of this disk", request.file->name());
    if (request.kind == Request::Kind::write) {
        const auto length = std::min(request.bytes.size(), transfer_bytes_max);
        io_uring_prep_write(&sqe, file->fd(), request.bytes.data(), static_cast<unsigned>(length),
                            request.offset);
        plain_[slot] = file->flushes() ? 1 : 0;
        if (request.mode == WriteMode::durable && plain_[slot] == 0) sqe.rw_flags = RWF_DSYNC;
        if (request.mode == WriteMode::uncached && !file->direct()) sqe.rw_flags = uncached_flag();
    } else {
        io_uring_prep_fsync(&sqe, file->fd(), IORING_FSYNC_DATASYNC);
    }
    sqe.user_data = slot;
}

/// 0, or the -errno for which prepared requests are still not with the kernel.
int UringQueue::submit_prepared() {
    while (io_uring_sq_ready(&ring_) > 0) {
        const int result = io_uring_submit(&ring_);
        if (result == -EINTR) continue;
        if (result <= 0) return result < 0 ? result : -EAGAIN;
    }
    return 0;
}

bool UringQueue::reap(RawCompletion& out, bool block) {
    if (broken_ == 0) {
        fill();
        if (take_one(out, block)) {
            fill();
            return true;
        }
    }
    return broken_ != 0 && take_failed(out);
}

bool UringQueue::take_one(RawCompletion& out, bool block) {
    io_uring_cqe* cqe = nullptr;
    for (unsigned idle_tries = 0; broken_ == 0;) {
        const int submitted = submit_prepared();
        const bool kernel_has_some = io_uring_sq_ready(&ring_) < in_ring_.size();
        const int result = block && kernel_has_some ? io_uring_wait_cqe(&ring_, &cqe)
                                                    : io_uring_peek_cqe(&ring_, &cqe);
        if (result == 0 && cqe != nullptr) break;
        if (result < 0 && !fit_for_another_try(result)) broken_ = result;
        if (!kernel_has_some && submitted < 0) {
            const bool hopeless = !fit_for_another_try(submitted) || ++idle_tries == idle_tries_max;
            // Nothing is with the kernel, and nothing will be handed to it again.
            if (hopeless) broken_ = submitted;
        }
        if (!block || in_ring_.empty()) return false;
        if (!kernel_has_some) std::this_thread::yield();
    }
    if (broken_ != 0) return false;
    const std::size_t slot = static_cast<std::size_t>(cqe->user_data);
    const std::int64_t result = cqe->res;
    io_uring_cqe_seen(&ring_, cqe);
    in_ring_.erase(std::find(in_ring_.begin(), in_ring_.end(), slot));
    out = {slot, as_asked(slot, result)};
    return true;
}

/// With a broken ring every request fails, one at a time.
bool UringQueue::take_failed(RawCompletion& out) {
    if (!in_ring_.empty()) {
        out = {in_ring_.back(), broken_};
        in_ring_.pop_back();
        return true;
    }
    if (waiting_.empty()) return false;
    out = {waiting_.front(), broken_};
    waiting_.erase(waiting_.begin());
    return true;
}

/// A write that was to be durable and went out as a plain one is flushed here: the thread waits, as
/// it would in a ring, which leaves flushes to workers of the kernel. A file system may also refuse
/// a flag; the file's own call knows the other way.
std::int64_t UringQueue::as_asked(std::size_t slot, std::int64_t result) {
    const Request& request = started_[slot];
    if (request.kind != Request::Kind::write || request.mode == WriteMode::cached) return result;
    if (request.mode == WriteMode::durable && plain_[slot] != 0)
        return static_cast<PosixFile*>(request.file)->sync_written(result);
    if (result != -EOPNOTSUPP && result != -EINVAL) return result;
    return request.file->raw_write(request.bytes, request.offset, request.mode);
}

}  // namespace

int probe_uring() {
    io_uring ring{};
    const int result = make_ring(ring, 1);
    if (result < 0) return -result;
    io_uring_queue_exit(&ring);
    return 0;
}

std::unique_ptr<Queue> make_uring_queue(std::size_t depth, int lock_fd, int& error) {
    const std::size_t entries = std::clamp<std::size_t>(depth, 1, depth_max);
    io_uring ring{};
    int result = make_ring(ring, static_cast<unsigned>(entries));
    if (result == 0 && lock_fd >= 0) {
        result = io_uring_register_files(&ring, &lock_fd, 1);
        if (result < 0) io_uring_queue_exit(&ring);
    }
    if (result < 0) {
        error = -result;
        return nullptr;
    }
    return std::make_unique<UringQueue>(ring, entries, lock_fd >= 0);
}

}  // namespace braid::io
