#include "engine/threads.h"

#include <algorithm>
#include <limits>

#include "engine/engine.h"

namespace braid {
namespace {

constexpr std::uint64_t forever = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t millisecond = 1'000'000;
/// After so long without a commit the log is sealed.
constexpr std::uint64_t idle_before_seal_ns = 100 * millisecond;
/// After what has failed and may succeed later.
constexpr std::uint64_t retry_ns = 100 * millisecond;
constexpr std::size_t log_queue_depth = 32;
constexpr std::size_t drain_queue_depth = 16;

/// The thread's ring; where none can be had any more, plain calls do the same.
std::unique_ptr<io::Queue> make_queue(io::Disk& disk, std::size_t depth, io::Lock* lock) {
    auto queue = disk.make_queue(depth, lock);
    return queue ? std::move(*queue) : io::make_blocking_queue();
}

}  // namespace

EngineThreads::EngineThreads(Engine& engine)
    : engine_(engine), log_([this] { run_log(); }), drain_([this] { run_drain(); }) {}

EngineThreads::~EngineThreads() {
    stopping_ = true;
    engine_.log_signal_.raise();
    engine_.drain_signal_.raise();
    log_.join();
    drain_.join();
}

void EngineThreads::run_log() {
    GroupCommit& group = *engine_.group_;
    const auto queue = make_queue(*engine_.disk_, log_queue_depth, engine_.lock_.get());
    std::uint64_t batches_seen = 0;
    std::uint64_t quiet_since = engine_.monotonic_ns();
    while (!stopping_) {
        const std::uint32_t seen = engine_.log_signal_.seen();
        std::uint64_t timeout = forever;
        if (group.wants_file() && !group.prepare(0)) timeout = retry_ns;
        if (group.wants_drain()) engine_.drain_signal_.raise();
        const std::uint64_t now = engine_.monotonic_ns();
        if (group.lead_due(*queue, now)) continue;
        const GroupCommit::Pulse pulse = group.pulse();
        if (pulse.batches != batches_seen) quiet_since = now;
        batches_seen = pulse.batches;
        if (pulse.next_due)
            timeout = std::min(timeout, *pulse.next_due - std::min(*pulse.next_due, now));
        if (pulse.wants_seal) {
            if (now - quiet_since >= idle_before_seal_ns) group.seal();
            timeout = std::min(timeout, idle_before_seal_ns);
        } else if (pulse.busy) {
            timeout = std::min(timeout, idle_before_seal_ns);  // to look after the seal then
        } else {
            // Nothing to be done until somebody commits, who then sees this flag and raises the
            // signal.
            engine_.log_thread_idle_ = true;
        }
        engine_.log_signal_.wait(seen, timeout);
        engine_.log_thread_idle_ = false;
    }
}

void EngineThreads::run_drain() {
    const auto queue = make_queue(*engine_.disk_, drain_queue_depth, engine_.lock_.get());
    while (!stopping_) {
        const std::uint32_t seen = engine_.drain_signal_.seen();
        std::uint64_t timeout = forever;
        if (engine_.wants_drain()) {
            const auto drained = engine_.drain_all(*queue);
            if (drained && engine_.wants_drain()) timeout = retry_ns;
            if (!drained) timeout = retry_ns;
        }
        engine_.drain_signal_.wait(seen, timeout);
    }
}

}  // namespace braid
