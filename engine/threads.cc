#include "engine/threads.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <system_error>

#include "engine/engine.h"

namespace braid {
namespace {

constexpr std::uint64_t forever = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t millisecond = 1'000'000;
/// After so long without a commit the log is sealed.
constexpr std::uint64_t idle_before_seal_ns = 100 * millisecond;
/// After what has failed and may succeed later.
constexpr std::uint64_t retry_ns = 100 * millisecond;
/// The same of gathering, which nobody waits for.
constexpr std::uint64_t gather_again_ns = 10'000 * millisecond;
constexpr std::size_t log_queue_depth = 32;
constexpr std::size_t drain_queue_depth = 16;

/// The thread's ring; where none can be had any more, plain calls do the same.
std::unique_ptr<io::Queue> make_queue(io::Disk& disk, std::size_t depth, io::Lock* lock) {
    auto queue = disk.make_queue(depth, lock);
    return queue ? std::move(*queue) : io::make_blocking_queue();
}

}  // namespace

Result<void> EngineThreads::start() {
    try {
        log_ = std::thread([this] { run_log(); });
        drain_ = std::thread([this] { run_drain(); });
        return {};
    } catch (const std::system_error& error) {
        return Error(Errc::io, fmt::format("starting a thread: {}", error.what()),
                     error.code().value());
    }
}

EngineThreads::~EngineThreads() {
    engine_.log_signal_.stop();
    engine_.drain_signal_.stop();
    if (log_.joinable()) log_.join();
    if (drain_.joinable()) drain_.join();
}

template <class Turn>
void EngineThreads::run(Signal& signal, std::size_t queue_depth, Turn turn) {
    std::unique_ptr<io::Queue> queue;
    while (!signal.is_stopped()) {
        const std::uint32_t seen = signal.seen();
        std::uint64_t timeout = retry_ns;
        try {
            if (queue == nullptr)
                queue = make_queue(*engine_.disk_, queue_depth, engine_.lock_.get());
            timeout = turn(*queue);
        } catch (const std::bad_alloc&) {
        }
        if (timeout != 0) signal.wait(seen, timeout);
    }
}

void EngineThreads::run_log() {
    quiet_since_ = engine_.monotonic_ns();
    run(engine_.log_signal_, log_queue_depth, [this](io::Queue& queue) { return log_turn(queue); });
}

void EngineThreads::run_drain() {
    run(engine_.drain_signal_, drain_queue_depth,
        [this](io::Queue& queue) { return drain_turn(queue); });
}

std::uint64_t EngineThreads::log_turn(io::Queue& queue) {
    engine_.log_thread_idle_ = false;
    GroupCommit& group = *engine_.group_;
    std::uint64_t timeout = forever;
    const auto has_more_to_fill = group.prepare_some();
    if (!has_more_to_fill)
        timeout = retry_ns;
    else if (*has_more_to_fill)
        timeout = 0;
    if (engine_.wants_drain()) engine_.drain_signal_.raise();
    const std::uint64_t now = engine_.monotonic_ns();
    if (group.lead_due(queue, now)) return 0;
    const GroupCommit::Pulse pulse = group.pulse();
    if (pulse.batches != batches_seen_) quiet_since_ = now;
    batches_seen_ = pulse.batches;
    if (pulse.next_due)
        timeout = std::min(timeout, *pulse.next_due - std::min(*pulse.next_due, now));
    if (pulse.wants_seal) {
        if (now - quiet_since_ >= idle_before_seal_ns) group.seal();
        timeout = std::min(timeout, idle_before_seal_ns);
    } else if (pulse.busy) {
        timeout = std::min(timeout, idle_before_seal_ns);  // to look after the seal then
    } else {
        // Nothing to be done until somebody commits, who then sees this flag and raises the
        // signal.
        engine_.log_thread_idle_ = true;
    }
    return timeout;
}

/// Drains while there is too much in memory or in the log, no less at a time: each drain makes a
/// pack, and few large ones are sooner written and read. Between two drains come the metrics,
/// without the drain's role: a commit that waits for room takes it.
std::uint64_t EngineThreads::drain_turn(io::Queue& queue) {
    const std::uint64_t until_metrics = metrics_turn();
    if (!engine_.wants_drain()) return std::min(until_metrics, gather_turn(queue));
    const auto drained = engine_.drain_once(queue);
    return drained && *drained ? 0 : std::min(until_metrics, retry_ns);
}

/// Between drains packs are gathered, a little at a time. Where that fails it has time.
std::uint64_t EngineThreads::gather_turn(io::Queue& queue) {
    if (engine_.options_.gather_packs == 0) return forever;
    const std::uint64_t now = engine_.monotonic_ns();
    if (now < gather_due_ns_) return gather_due_ns_ - now;
    const auto moved = engine_.gather_some(queue, Gather::Choice::due);
    if (moved) return *moved ? 0 : forever;
    gather_due_ns_ = now + gather_again_ns;
    return gather_again_ns;
}

std::uint64_t EngineThreads::metrics_turn() {
    const std::chrono::nanoseconds interval = engine_.options_.metrics_interval;
    if (interval.count() == 0) return forever;
    const std::uint64_t now = engine_.monotonic_ns();
    if (now < metrics_due_ns_) return metrics_due_ns_ - now;
    engine_.write_metrics(false);
    metrics_due_ns_ = now + static_cast<std::uint64_t>(interval.count());
    return static_cast<std::uint64_t>(interval.count());
}

}  // namespace braid
