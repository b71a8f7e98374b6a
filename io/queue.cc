#include "io/queue.h"

#include <fmt/format.h>
#include <braid/check.hpp>
#include <cerrno>
#include <thread>

namespace braid::io {
namespace {

bool is_write(const Request& request) {
    return request.kind == Request::Kind::write;
}

Error failure_in_full(const Request& rest, std::int64_t result) {
    const std::string& name = rest.file->name();
    if (!is_write(rest)) return system_error("sync", name, result);
    if (result < 0) return system_error("write", name, rest.offset, result);
    return {Errc::io, fmt::format("write {} at offset {}: the system wrote {} of {} bytes", name,
                                  rest.offset, result, rest.bytes.size())};
}

/// A completion mustn't get lost for want of a sentence.
Error failure(const Request& rest, std::int64_t result) noexcept {
    try {
        return failure_in_full(rest, result);
    } catch (const std::bad_alloc&) {
        return system_error(result < 0 ? result : -EIO);
    }
}

/// Does requests one by one as they are taken up, and keeps what the calls said.
class BlockingQueue : public Queue {
protected:
    void reserve_slots(std::size_t count) override { finished_.reserve(count); }

    void start(const Request& request, std::size_t slot) override {
        File& file = *request.file;
        const std::int64_t result =
            is_write(request) ? file.raw_write(request.bytes, request.offset, request.mode)
                              : file.raw_sync();
        finished_.push_back({slot, result});
    }

    bool reap(RawCompletion& out, bool) override {
        if (finished_.empty()) return false;
        out = finished_.front();
        finished_.erase(finished_.begin());
        return true;
    }

private:
    std::vector<RawCompletion> finished_;  // the oldest first
};

}  // namespace

void Queue::reserve(std::size_t more) {
    if (free_slots_.size() >= more) return;
    const std::size_t count = active_ + more;
    reserve_slots(count);
    free_slots_.reserve(count);
    slots_.reserve(count);
    while (slots_.size() < count) {
        free_slots_.push_back(slots_.size());
        slots_.push_back({});
    }
}

void Queue::submit(const Request& request) {
    reserve(1);
    const std::size_t slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = {request, 0};
    ++active_;
    start(slots_[slot].rest, slot);
}

bool Queue::poll(Completion& out) {
    return active_ > 0 && take(out, false);
}

Completion Queue::wait() {
    BRAID_CHECK(active_ > 0, "waiting for a completion with nothing in flight");
    Completion completion;
    const bool taken = take(completion, true);
    BRAID_CHECK(taken, "a queue gave no completion with {} requests in flight", active_);
    return completion;
}

/// Moves past what was done. True if the request is to be started again: there is a rest, and
/// another try makes sense.
bool Queue::carry_on(Slot& slot, std::int64_t result) {
    Request& rest = slot.rest;
    std::size_t whole = 0;
    if (result > 0) {
        const std::size_t got = static_cast<std::size_t>(result);
        BRAID_CHECK(is_write(rest) && got <= rest.bytes.size(), "{} of {} bytes written to {}", got,
                    rest.bytes.size(), rest.file->name());
        whole = got == rest.bytes.size() ? got : got - got % rest.file->transfer_unit();
        rest.bytes = rest.bytes.subspan(whole);
        rest.offset += whole;
        if (rest.bytes.empty()) return false;
    } else if (result != -EINTR && result != -EAGAIN) {
        return false;
    }
    slot.idle_tries = whole > 0 ? 0 : slot.idle_tries + 1;
    if (slot.idle_tries == idle_tries_max) return false;
    if (whole == 0) std::this_thread::yield();
    return true;
}

bool Queue::take(Completion& out, bool block) {
    RawCompletion raw{};
    while (reap(raw, block)) {
        Slot& slot = slots_[raw.slot];
        if (carry_on(slot, raw.result)) {
            start(slot.rest, raw.slot);
            continue;
        }
        const Request& rest = slot.rest;
        const bool done = is_write(rest) ? rest.bytes.empty() : raw.result == 0;
        out = {rest.token, done ? Result<void>() : Result<void>(failure(rest, raw.result))};
        free_slots_.push_back(raw.slot);
        --active_;
        return true;
    }
    return false;
}

std::unique_ptr<Queue> make_blocking_queue() {
    return std::make_unique<BlockingQueue>();
}

}  // namespace braid::io
