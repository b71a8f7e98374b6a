#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace braid {

/// Slows those down who fill memory faster than drains empty it. A drain gives all its memory back
/// at its end, so whoever ran into the bound before would wait for the rest of it. Instead, from
/// three quarters of the budget on, what is left of memory is given out over what is left of the
/// drain's time, as far as the drains before tell it; the first one is taken to be slow. Any
/// thread.
class Pace {
public:
    explicit Pace(std::uint64_t budget_bytes) noexcept : budget_(budget_bytes) {}

    /// A drain begins while so many bytes are in memory.
    void drain_begins(std::uint64_t in_memory, std::uint64_t now_ns) noexcept {
        begun_ns_.store(now_ns, std::memory_order_relaxed);
        // Whoever sees that it is under way sees when it began.
        ends_ns_.store(std::max<std::uint64_t>(1, now_ns + expected_ns(in_memory)),
                       std::memory_order_release);
    }
    /// A drain has ended that has moved so many bytes in this time; none if it came to nothing.
    void drained(std::uint64_t bytes, std::uint64_t took_ns) noexcept {
        ends_ns_.store(0, std::memory_order_relaxed);
        if (bytes >= std::min(drained_bytes_min, budget_ / 4))
            ns_per_mib_.store(took_ns * mib / bytes, std::memory_order_relaxed);
    }
    /// How long who has just added so many bytes is to sleep, where so many are in memory. All take
    /// their turns on one line of time, and each pays for those before: whoever is slow anyway
    /// doesn't sleep. Short sleeps add up to one that is worth it.
    [[nodiscard]] std::uint64_t delay_ns(std::uint64_t added, std::uint64_t in_memory,
                                         std::uint64_t now_ns) noexcept {
        if (in_memory <= budget_ / 4 * 3) return 0;
        const std::uint64_t time_left = time_left_ns(in_memory, now_ns);
        // The last chunk counts as soon as it is begun: some of it is left.
        const std::uint64_t bytes_left =
            std::max(budget_ > in_memory ? budget_ - in_memory : 0, budget_ / 32);
        const double share =
            static_cast<double>(added) / static_cast<double>(std::max(bytes_left, added));
        const auto cost = static_cast<std::uint64_t>(share * static_cast<double>(time_left));
        std::uint64_t before = paid_until_ns_.load(std::memory_order_relaxed);
        std::uint64_t until = 0;
        do {
            until = std::min(std::max(before, now_ns) + cost, now_ns + longest_ns);
        } while (!paid_until_ns_.compare_exchange_weak(before, until, std::memory_order_relaxed));
        const std::uint64_t owed = before > now_ns ? std::min(before - now_ns, longest_ns) : 0;
        return owed < worth_sleeping_ns ? 0 : owed;
    }

private:
    static constexpr std::uint64_t mib = 1 << 20;
    static constexpr std::uint64_t drained_bytes_min = 1 << 20;  // less says little
    static constexpr std::uint64_t worth_sleeping_ns = 1'000'000;
    static constexpr std::uint64_t longest_ns = 50'000'000;

    [[nodiscard]] std::uint64_t expected_ns(std::uint64_t bytes) const noexcept {
        const auto ns_per_mib = static_cast<double>(ns_per_mib_.load(std::memory_order_relaxed));
        return static_cast<std::uint64_t>(ns_per_mib * static_cast<double>(bytes) / mib);
    }
    /// Until memory comes back, as far as drains have told. Where none is under way all of one is
    /// still to come: it waits for what is to be durable first. One that takes longer than those
    /// before: as if there were always left of it a quarter of what it has taken.
    [[nodiscard]] std::uint64_t time_left_ns(std::uint64_t in_memory,
                                             std::uint64_t now_ns) const noexcept {
        const std::uint64_t ends = ends_ns_.load(std::memory_order_acquire);
        if (ends == 0) return expected_ns(in_memory);
        if (now_ns < ends) return std::max(ends - now_ns, expected_ns(budget_ / 16));
        const std::uint64_t begun = begun_ns_.load(std::memory_order_relaxed);
        const std::uint64_t taken = now_ns > begun ? now_ns - begun : 0;
        return std::max(taken / 4, expected_ns(budget_ / 16));
    }

    std::uint64_t budget_;
    // Of the last drain that moved enough; before the first one has, what is expected of a slow
    // one.
    std::atomic<std::uint64_t> ns_per_mib_{5'000'000};
    std::atomic<std::uint64_t> begun_ns_{0};       // when the drain under way began,
    std::atomic<std::uint64_t> ends_ns_{0};        // and is expected to end; 0: none is
    std::atomic<std::uint64_t> paid_until_ns_{0};  // the line of time
};

}  // namespace braid
