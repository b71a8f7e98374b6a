// Reading on as the store grows.
#include <algorithm>
#include <utility>

#include "engine/engine.h"
#include "engine/reader_body.h"

namespace braid {

bool ReaderBody::extend() {
    const Position end = engine_->watermarks().at(bounds_.level);
    if (end == end_) return false;
    end_ = end;
    return true;
}

const Result<Entry>* ReaderBody::follow(std::uint64_t timeout_ns) {
    if (const Result<Entry>* entry = next()) return entry;  // without a look at the clock
    const std::uint64_t start = engine_->monotonic_ns();
    for (;;) {
        const std::uint32_t seen = engine_->watermarks().changes();
        if (const Result<Entry>* entry = next()) return entry;
        if (extend()) continue;
        if (engine_->is_closed()) {
            fail(Error(Errc::closed, "the store was closed"));
            return &current_;
        }
        const std::uint64_t waited = engine_->monotonic_ns() - start;
        if (waited >= timeout_ns) return nullptr;
        wait(seen, timeout_ns - waited);
    }
}

Result<std::uint64_t> ReaderBody::notify(std::function<void()> tell) {
    const auto* segment = std::get_if<SegmentSource>(&source_);
    const bool is_waiting = steps_.at == steps_.stop && item_ == window_.items().size() && !failed_;
    // What is left of a frame comes as soon as the end rises.
    const bool is_within_frame = steps_.at == steps_.stop && is_cut_ && !failed_;
    Position beyond = 0;
    if (is_within_frame)
        beyond = end_;
    else if (is_waiting)
        beyond = std::max(looked_through_, last_seen());
    const bool is_of_segment = is_waiting && !is_within_frame && segment != nullptr;
    return engine_->notifier().add(
        {bounds_.level, beyond, is_of_segment ? &segment->segment() : nullptr}, std::move(tell));
}

void ReaderBody::take_back(std::uint64_t number) noexcept {
    engine_->notifier().take_back(number);
}

/// A few sleep on the marks themselves, which is the shortest way. Of many, a commit would wake
/// all: they are left to the notifier.
void ReaderBody::wait(std::uint32_t seen, std::uint64_t timeout_ns) {
    constexpr std::uint32_t few = 8;
    if (engine_->watermarks().sleepers() < few) return engine_->watermarks().wait(seen, timeout_ns);
    std::atomic<std::uint32_t> told = 0;
    const auto number = notify([&told] {
        told.store(1);
        io::futex_wake(told, 1);
    });
    if (!number) return engine_->watermarks().wait(seen, timeout_ns);
    if (!engine_->is_closed()) io::futex_wait(told, 0, timeout_ns);
    take_back(*number);
}

Follower::Follower(std::unique_ptr<ReaderBody> body)
    : body_(std::move(body)), steps_(&body_->steps()) {}
Follower::Follower(Follower&&) noexcept = default;
Follower& Follower::operator=(Follower&&) noexcept = default;
Follower::~Follower() = default;
const Result<Entry>* Follower::next_of_body(std::chrono::nanoseconds timeout) {
    return body_->follow(static_cast<std::uint64_t>(std::max<std::int64_t>(timeout.count(), 0)));
}
const Result<Batch>* Follower::next_batch(std::size_t most, std::chrono::nanoseconds timeout) {
    return body_->follow_batch(
        most, static_cast<std::uint64_t>(std::max<std::int64_t>(timeout.count(), 0)));
}
Result<std::uint64_t> Follower::call_when_ready(std::function<void()> ready) {
    return body_->notify(std::move(ready));
}
void Follower::cancel_call(std::uint64_t call) noexcept {
    body_->take_back(call);
}
Position Follower::looked_through() const {
    return body_->looked_through();
}
Position Follower::cursor() const {
    return body_->cursor();
}

}  // namespace braid
