#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "io/file.h"

namespace braid::io {

/// One write or sync to be done. File and bytes must stay until its completion is taken.
struct Request {
    enum class Kind : std::uint8_t { write, sync };

    Kind kind = Kind::write;
    WriteMode mode = WriteMode::cached;  ///< of a write
    File* file = nullptr;
    Bytes bytes{};  ///< of a write
    std::uint64_t offset = 0;
    std::uint64_t token = 0;  ///< comes back in the completion
};

/// The end of a request: done whole, or failed. After a failed write any part may have been
/// written.
struct Completion {
    std::uint64_t token = 0;
    Result<void> result;
};

/// Writes and syncs under way, finished in any order. One thread uses a queue, the one that first
/// submits to it. Short writes, EINTR and EAGAIN are carried on inside, so that a completion always
/// speaks of the whole request.
class Queue {
public:
    virtual ~Queue() = default;

    /// Gets the memory that so many more requests in flight need: what is submitted then needs
    /// none. May throw std::bad_alloc, and has then changed nothing.
    void reserve(std::size_t more);
    /// Hands in a request. Requests in flight have no order between them: what must come later is
    /// submitted after the earlier one's completion. Never blocks, never fails: what goes wrong
    /// comes back as a completion. May throw std::bad_alloc unless there was a `reserve`, and has
    /// then started nothing.
    void submit(const Request& request);
    /// Takes one completion if there is one. Never blocks.
    [[nodiscard]] bool poll(Completion& out);
    /// Takes one completion, waiting for it. At least one request must be in flight.
    [[nodiscard]] Completion wait();
    [[nodiscard]] std::size_t in_flight() const noexcept { return active_; }

protected:
    /// What the kernel says of a started request: a count of bytes, 0 for a sync, or -errno.
    struct RawCompletion {
        std::size_t slot;
        std::int64_t result;
    };
    /// Gets the memory for slots 0 to count − 1 in flight at once.
    virtual void reserve_slots(std::size_t count) = 0;
    /// Starts a request under a slot number; its RawCompletion bears the slot. Needs no memory.
    virtual void start(const Request& request, std::size_t slot) = 0;
    /// Takes one raw completion; waits for one if `block`. False if there is none.
    virtual bool reap(RawCompletion& out, bool block) = 0;

private:
    struct Slot {
        Request rest;             // what is left of the request
        unsigned idle_tries = 0;  // starts in a row that brought nothing
    };

    bool take(Completion& out, bool block);
    bool carry_on(Slot& slot, std::int64_t result);

    std::vector<Slot> slots_;
    std::vector<std::size_t> free_slots_;
    std::size_t active_ = 0;
};

/// A queue that does each request at once, in the caller's thread, with the file's own calls. For
/// callers that lead a commit, and for disks without a ring.
[[nodiscard]] std::unique_ptr<Queue> make_blocking_queue();

}  // namespace braid::io
