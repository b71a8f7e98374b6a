#pragma once

#include <braid/options.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace braid::kill {

/// Where a store of this test lives.
struct Place {
    std::string work;
    [[nodiscard]] std::string store() const { return work + "/store"; }
    [[nodiscard]] std::string notes() const { return work + "/notes"; }
    [[nodiscard]] std::string words() const { return work + "/words"; }
};

/// A busy machine takes its time to bury a process; longer than that is a bug.
inline constexpr std::chrono::milliseconds burial_max{20'000};

/// Ends a process of this test and tells why.
[[noreturn]] void give_up(const Place& place, std::string_view words);
/// Writes a byte.
void raise_alarm(int fd);

/// What a process does until it is killed.
struct Life {
    enum class Style : std::uint8_t {
        durable,   ///< each thread waits for each commit
        buffered,  ///< buffered and asynchronous commits: the log thread writes, through its ring
        mixed,
    };
    Style style = Style::mixed;
    unsigned threads = 1;
    std::uint64_t seed = 0;
    std::uint64_t first_id = 0;  ///< ids of this life's transactions begin here
    std::uint64_t alarm_at = 0;  ///< after so many acknowledgements …
    int alarm = -1;              ///< … a byte is written here; also when it opens, if 0
};

/// Ids of one life; the next one's begin behind them.
inline constexpr std::uint64_t ids_per_life = std::uint64_t{1} << 32;

[[nodiscard]] Options small_options(Io io, std::uint64_t seed);

// Each is the whole life of a forked process. What goes wrong is told in `Place::words`.
/// Opens the store and commits until it is killed.
[[noreturn]] void live(const Place& place, Io io, const Life& life);
/// Waits for a byte from `go`, then opens the store as soon as its lock is free, and with the lock
/// in hand sees that nobody writes any more; checks everything, commits some, and exits with 0.
[[noreturn]] void succeed(const Place& place, Io io, const Life& life, int go);
/// Opens the store and does nothing more, to be killed while it recovers; writes to `life.alarm`
/// first.
[[noreturn]] void recover(const Place& place, Io io, const Life& life);

}  // namespace braid::kill
