#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include <braid/options.hpp>
#include <braid/result.hpp>
#include <braid/status.hpp>

namespace braid {

/// A segment has come so far.
struct StatusSignal {
    std::string_view space;  ///< valid during the call, as is `segment`
    std::string_view segment;
    SegmentStatus status;  ///< its last entry can be read already
};

/// Called for one signal after the other, on the subscription's own thread and under no lock: it
/// may take its time and call anything, also `unsubscribe`. If it throws, that is counted, and the
/// next signal comes.
using StatusHandler = std::function<void(const StatusSignal&)>;

struct SubscribeOptions {
    /// Signals tell of entries that have come so far.
    Level level = Level::durable;
    /// How many segments may have news when the handler comes back; at least 1. More end the
    /// subscription with an error `too_large`. They take about 100 bytes each, and only then.
    std::size_t pending_max = 65'536;
};

/// How a subscription is.
struct SubscriptionStat {
    bool is_active = true;       ///< signals still come
    std::optional<Error> error;  ///< why it ended; none if it was told to, or the store has closed
    std::uint64_t signals = 0;   ///< calls of the handler, with those that threw
    std::uint64_t thrown = 0;    ///< calls that ended with an exception
};

class SubscriptionBody;

/// Signals of a segment, or of all segments of a space: first the status of each that has one, by
/// name; then, whenever there are new entries, the latest status of each segment that has got some.
/// What a segment went through while the handler was busy is told as one; of entries that are
/// trimmed before they could be told, no signal comes. Each has a thread of its own, so that a slow
/// handler holds up neither commits nor other subscriptions.
///
/// Any thread. Ends with the store's close, but keeps its memory until it is destroyed.
class Subscription {
public:
    Subscription(Subscription&&) noexcept;
    Subscription& operator=(Subscription&&) noexcept;
    /// Unsubscribes.
    ~Subscription();

    /// When it returns, the handler isn't running and isn't called any more; waits for a call that
    /// is under way, unless it is called by the handler itself. Any number of times.
    void unsubscribe() noexcept;
    [[nodiscard]] SubscriptionStat stat() const;

private:
    friend class Store;
    explicit Subscription(std::unique_ptr<SubscriptionBody> body);
    std::unique_ptr<SubscriptionBody> body_;
};

}  // namespace braid
