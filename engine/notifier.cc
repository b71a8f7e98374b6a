#include "engine/notifier.h"

#include <fmt/format.h>

#include <limits>
#include <shared_mutex>
#include <system_error>

namespace braid {

Notifier::~Notifier() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
        wished_.notify_all();
    }
    watermarks_.wake();
    if (thread_.joinable()) thread_.join();
}

Result<std::uint64_t> Notifier::add(const Wish& wish, std::function<void()> tell) {
    bool is_due = false;
    std::uint64_t number = 0;
    {
        const std::scoped_lock lock(mutex_);
        if (auto started = start(); !started) return started.error();
        number = ++last_number_;
        const std::uint64_t drained =
            wish.segment == nullptr ? 0 : wish.segment->drained_through().value;
        Waiter& waiter = waiters_[number] = {wish, drained, std::move(tell)};
        // What comes after this look moves the marks' word, on which the thread sleeps.
        is_due = closed_ || is_met(waiter);
        if (waiters_.size() == 1) wished_.notify_one();
    }
    if (is_due) watermarks_.wake();
    return number;
}

void Notifier::take_back(std::uint64_t number) noexcept {
    if (number == 0) return;  // nobody's
    std::unique_lock lock(mutex_);
    waiters_.erase(number);
    if (std::this_thread::get_id() == thread_.get_id()) return;
    told_.wait(lock, [&] { return telling_ != number; });
}

void Notifier::close() noexcept {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    wished_.notify_all();
}

Result<void> Notifier::start() {
    if (thread_.joinable()) return {};
    try {
        thread_ = std::thread([this] { run(); });
        return {};
    } catch (const std::system_error& error) {
        return Error(Errc::io, fmt::format("starting a thread: {}", error.what()),
                     error.code().value());
    }
}

/// Never said too late; too early does no harm: the tail's newest entry may not be visible yet.
bool Notifier::is_met(const Waiter& waiter) const {
    const Wish& wish = waiter.wish;
    if (watermarks_.at(wish.level) <= wish.beyond) return false;
    if (wish.segment == nullptr || wish.segment->drained_through() != waiter.drained) return true;
    // Whoever holds this finds the tail's nodes where they are.
    const std::shared_lock lock(storage_.publish);
    if (wish.segment->drained_through() != waiter.drained) return true;
    if (wish.segment->drained_position > wish.beyond) return true;
    const segment::TailNode* newest = wish.segment->tail.load(std::memory_order_acquire);
    return newest != nullptr && newest->last_sequence() > waiter.drained &&
           newest->last_position() > wish.beyond;
}

void Notifier::tell(std::uint64_t number, std::unique_lock<std::mutex>& lock) {
    const auto found = waiters_.find(number);
    if (found == waiters_.end()) return;
    std::function<void()> call = std::move(found->second.tell);
    waiters_.erase(found);
    telling_ = number;
    lock.unlock();
    call();
    call = nullptr;  // what it holds goes before who takes it back goes on
    lock.lock();
    telling_ = 0;
    told_.notify_all();
}

void Notifier::run() {
    constexpr std::uint64_t forever = std::numeric_limits<std::uint64_t>::max();
    std::vector<std::uint64_t> due;
    for (std::unique_lock lock(mutex_); !stopping_;) {
        const std::uint32_t seen = watermarks_.changes();
        due.clear();
        for (const auto& [number, waiter] : waiters_)
            if (closed_ || is_met(waiter)) due.push_back(number);
        for (const std::uint64_t number : due) tell(number, lock);
        if (!due.empty() || stopping_) continue;
        if (waiters_.empty()) {
            wished_.wait(lock, [&] { return stopping_ || !waiters_.empty(); });
            continue;
        }
        lock.unlock();
        watermarks_.wait(seen, forever);
        lock.lock();
    }
}

}  // namespace braid
