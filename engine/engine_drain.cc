// How the engine drains, who has the drain's role, and trims, which are the drain's as well.
#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "engine/engine.h"
#include "io/planted.h"

namespace braid {

Result<bool> Engine::step_drain(io::Queue& queue) {
    simulated_drain_queue_ = &queue;
    auto moved = step_drain(queue, false);
    if (!moved || *moved) return moved;
    return step_gather(queue, false, Gather::Choice::due);
}

Result<bool> Engine::step_drain(io::Queue& queue, bool block) {
    const std::uint64_t drains = drain_->drains();
    const std::uint64_t bytes = drain_->drained_bytes();
    if (drain_->is_idle()) {
        group_->drain_begins();
        drain_begun_ns_ = monotonic_ns();
        pace_.drain_begins(arena_->bytes(), drain_begun_ns_);
    }
    if (is_planted(PlantedFault::log_freed_early) && drain_->is_idle())
        group_->drained(sequencer_->last_transaction());
    auto moved = drain_->step(queue, block);
    if (drain_->is_idle())
        pace_.drained(drain_->drained_bytes() - bytes, monotonic_ns() - drain_begun_ns_);
    // A drain needs the space more than a pack that may be gathered later.
    if (!moved && moved.error().code() == Errc::no_space) gather_->give_up();
    if (drain_->gathered() != gatherings_) {
        const std::scoped_lock lock(group_->mutex);
        gatherings_ = drain_->gathered();
    }
    if (drain_->drains() == drains) return moved;
    if (options_.gather_packs != 0) drain_signal_.raise();  // there may be packs enough now
    group_->drained(storage_->transaction());
    drained_position_.store(storage_->drained().value, std::memory_order_relaxed);
    const std::scoped_lock lock(group_->mutex);
    drains_ = drain_->drains();
    drained_bytes_ = drain_->drained_bytes();
    stored_bytes_ = drain_->stored_bytes();
    return moved;
}

/// Only what is durable can be drained: while that is less than half of what is in memory it pays
/// to wait, since a drain makes a pack however little there is. Positions stand for bytes.
bool Engine::tails_want_drain() const noexcept {
    if (arena_->bytes() <= options_.tail_bytes_max / 2) return false;
    const std::uint64_t drained = drained_position_.load(std::memory_order_relaxed);
    const std::uint64_t durable = watermarks_.durable().value;
    const std::uint64_t committed = watermarks_.committed().value;
    return durable - drained >= committed - durable;
}

bool Engine::wants_drain() const {
    return tails_want_drain() || group_->wants_drain();
}

/// Whoever comes late, after a close, has no store to write to any more.
Result<std::unique_lock<std::mutex>> Engine::take_drain_role() {
    drain_role_wanted_.fetch_add(1, std::memory_order_relaxed);
    std::unique_lock lock(drain_mutex_);
    drain_role_wanted_.fetch_sub(1, std::memory_order_relaxed);
    if (is_closed()) return Error(Errc::closed, "the store is closed");
    return lock;
}

Result<void> Engine::drain_all(io::Queue& queue) {
    const auto role = take_drain_role();
    if (!role) return role.error();
    return drain_rest(queue);
}

Result<void> Engine::drain_rest(io::Queue& queue) {
    // In a simulation a drain may be half done, its writes in flight in that queue.
    io::Queue& used = simulated_drain_queue_ != nullptr ? *simulated_drain_queue_ : queue;
    for (;;) {
        auto moved = step_drain(used, true);
        if (!moved) return moved.error();
        if (!*moved) return {};
    }
}

Result<bool> Engine::drain_once(io::Queue& queue) {
    const auto role = take_drain_role();
    if (!role) return role.error();
    for (;;) {
        auto moved = step_drain(queue, true);
        if (!moved || !*moved || drain_->is_idle()) return moved;
    }
}

Result<bool> Engine::step_gather(io::Queue& queue, bool block, Gather::Choice choice) {
    if (!drain_->is_idle() || drain_->is_to_gather()) return step_drain(queue, block);
    if (gather_->is_idle() && drain_->is_catalog_doubtful()) {
        // A gathering would take the number of the pack that a record in doubt may speak of.
        if (choice == Gather::Choice::due) return false;  // the next drain begins the catalog anew
        if (auto settled = drain_->settle_catalog(); !settled) return settled.error();
    }
    const std::uint64_t written = gather_->written_bytes();
    auto moved = gather_->step(choice);
    if (gather_->written_bytes() != written) {
        const std::scoped_lock lock(group_->mutex);
        gathered_bytes_ += gather_->written_bytes() - written;
    }
    if (auto finished = gather_->take_finished()) drain_->request(*std::move(finished));
    return moved;
}

/// Whoever waits for the role gets it between two steps of a gathering. What the drain has begun is
/// finished under the same role: its writes are in flight in this queue, and no other one would
/// wait for them.
Result<bool> Engine::gather_some(io::Queue& queue, Gather::Choice choice) {
    constexpr std::chrono::microseconds moment{50};
    while (drain_role_wanted_.load(std::memory_order_relaxed) != 0)
        std::this_thread::sleep_for(moment);
    const auto role = take_drain_role();
    if (!role) return role.error();
    // In a simulation a drain may be half done, its writes in flight in that queue.
    io::Queue& used = simulated_drain_queue_ != nullptr ? *simulated_drain_queue_ : queue;
    const bool drains = wants_drain();
    auto moved = drains ? step_drain(used, true) : step_gather(used, true, choice);
    if (!moved) return moved;
    while (!drain_->is_idle())
        if (auto stepped = step_drain(used, true); !stepped) return stepped;
    return drains || *moved;
}

Result<void> Engine::gather() {
    if (auto drained = drain(); !drained) return drained;
    for (;;) {
        auto moved = gather_some(*drain_queue_, Gather::Choice::all);
        if (!moved) return moved.error();
        if (!*moved) return {};
    }
}

Result<void> Engine::drain() {
    if (options_.read_only) return Error(Errc::invalid_argument, "the store is open read-only");
    if (is_closed()) return Error(Errc::closed, "the store is closed");
    auto synced = sync();
    if (!synced) return synced;
    return drain_all(*drain_queue_);
}

/// Trims by the drain, since the catalog is the drain's: first everything that is durable is
/// drained, the entries to be trimmed among it; then a record says that they are gone.
Result<void> Engine::trim(std::string_view space, std::string_view segment, Sequence through,
                          const TrimOptions& options) {
    if (options_.read_only) return Error(Errc::invalid_argument, "the store is open read-only");
    if (is_closed()) return Error(Errc::closed, "the store is closed");
    SegmentState* state = table_->find(space, segment, watermarks_.committed());
    if (state == nullptr)
        return Error(Errc::not_found,
                     fmt::format("there is no segment '{}' in space '{}'", segment, space));
    if (auto synced = sync(); !synced) return synced;
    const auto role = take_drain_role();
    if (!role) return role.error();
    if (auto drained = drain_rest(*drain_queue_); !drained) return drained;
    if (through <= state->trimmed) return {};
    if (through > state->drained_through())
        return Error(Errc::out_of_range,
                     fmt::format("segment '{}' of space '{}' can't be trimmed through sequence {}: "
                                 "it ends at {}",
                                 segment, space, through.value, state->drained_through().value));
    auto plan = plan_trim(parts(), *state, through);
    if (!plan) return plan.error();
    if (!options.past_consumers)
        if (auto held = held_back({space, segment}, plan->segment.position)) return *held;
    retire_body_files(
        *storage_, [this](std::uint64_t file) { return bodies_->is_in_use(file); },
        [this] {
            { const std::scoped_lock lock(group_->mutex); }  // behind who has just sequenced
            return undrained_body_files(*arena_, storage_->drained());
        },
        *plan);
    drain_->request(*std::move(plan));
    struct Forget {
        Drain& drain;
        ~Forget() { drain.forget_trim(); }
    } const forget{*drain_};
    auto trimmed = drain_rest(*drain_queue_);
    drain_signal_.raise();  // much of a pack may be dead now
    return trimmed;
}

}  // namespace braid
