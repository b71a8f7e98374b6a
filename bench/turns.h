#pragma once

#include <time.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace bench {

/// Whose time counts.
enum class Clock : std::uint8_t {
    thread,  ///< the calling thread's processor time: neighbours don't count, waiting neither
    wall,
};

/// The same work done in several ways in turns, so that what makes a machine slow for a while makes
/// all of them slow alike.
template <std::size_t Ways>
class Turns {
public:
    explicit Turns(Clock clock) : clock_(clock == Clock::wall ? CLOCK_MONOTONIC : thread_clock) {}

    /// A turn of one way: `work` does it `times` times.
    template <class Work>
    void take(std::size_t way, std::size_t times, Work work) {
        const double before = now_ns();
        for (std::size_t n = 0; n < times; ++n) work();
        turns_[way].push_back((now_ns() - before) / static_cast<double>(times));
    }
    /// Nanoseconds for one, in the median turn.
    [[nodiscard]] double median_ns(std::size_t way) const { return median(turns_[way]); }
    /// What a way takes beyond the first one, in the median round.
    [[nodiscard]] double adds_ns(std::size_t way) const {
        std::vector<double> differences;
        for (std::size_t round = 0; round < turns_[way].size(); ++round)
            differences.push_back(turns_[way][round] - turns_[0][round]);
        return median(std::move(differences));
    }

private:
    static constexpr clockid_t thread_clock = CLOCK_THREAD_CPUTIME_ID;

    [[nodiscard]] double now_ns() const {
        timespec now{};
        clock_gettime(clock_, &now);
        return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
    }
    static double median(std::vector<double> values) {
        if (values.empty()) return 0;
        const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
        std::nth_element(values.begin(), middle, values.end());
        return *middle;
    }

    clockid_t clock_;
    std::array<std::vector<double>, Ways> turns_;
};

}  // namespace bench
