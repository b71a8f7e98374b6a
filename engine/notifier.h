#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/segment_table.h"
#include "engine/storage.h"
#include "engine/watermarks.h"

namespace braid {

/// Tells those who wait for news, on a thread of its own, begun with the first of them: so whoever
/// commits wakes one thread, not a thousand, and those whose segment has no news sleep on. Any
/// thread.
class Notifier {
public:
    Notifier(Watermarks& watermarks, const Storage& storage)
        : watermarks_(watermarks), storage_(storage) {}
    /// No call is under way any more when it returns.
    ~Notifier();
    Notifier(const Notifier&) = delete;
    Notifier& operator=(const Notifier&) = delete;

    /// What somebody waits for.
    struct Wish {
        Level level = Level::committed;
        Position beyond;                        ///< an entry with a higher position …
        const SegmentState* segment = nullptr;  ///< … of this segment; nullptr: any
    };
    /// Calls `tell` once, on the notifier's thread and under no lock, when the wish is met or the
    /// store has closed; now and then for no reason. It must not throw nor take long. Returns a
    /// number for `take_back`. May throw std::bad_alloc; `io` where no thread can be had.
    [[nodiscard]] Result<std::uint64_t> add(const Wish& wish, std::function<void()> tell);
    /// When this returns, `tell` isn't running and won't be called, unless this is called by it.
    void take_back(std::uint64_t number) noexcept;
    /// Tells everybody, now and from now on: the store has closed.
    void close() noexcept;

private:
    struct Waiter {
        Wish wish;
        std::uint64_t drained = 0;  ///< of the segment, when it was added
        std::function<void()> tell;
    };
    void run();
    [[nodiscard]] bool is_met(const Waiter& waiter) const;
    void tell(std::uint64_t number, std::unique_lock<std::mutex>& lock);
    [[nodiscard]] Result<void> start();

    Watermarks& watermarks_;
    const Storage& storage_;
    std::mutex mutex_;                // of what follows
    std::condition_variable wished_;  // a first wish, or the end
    std::condition_variable told_;    // a call is over
    boost::unordered_flat_map<std::uint64_t, Waiter> waiters_;
    std::uint64_t last_number_ = 0;
    std::uint64_t telling_ = 0;  // whose `tell` is running; 0: none's
    bool closed_ = false;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace braid
