#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <braid/subscription.hpp>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/reader_body.h"

namespace braid {

class Engine;

/// A subscription and its thread, which reads what is new, keeps of it the latest of each segment,
/// and tells that. So nothing is kept for a handler that is busy: the store has it.
class SubscriptionBody {
public:
    /// `segment`: none for all segments of the space.
    SubscriptionBody(std::shared_ptr<const Engine> engine, std::string_view space,
                     std::optional<std::string> segment, StatusHandler handler,
                     const SubscribeOptions& options);
    ~SubscriptionBody();
    SubscriptionBody(const SubscriptionBody&) = delete;
    SubscriptionBody& operator=(const SubscriptionBody&) = delete;

    [[nodiscard]] Result<void> start();
    void unsubscribe() noexcept;
    [[nodiscard]] SubscriptionStat stat() const;
    /// Unsubscribes and ends it; where the handler itself does that, as soon as it has returned.
    static void end(std::unique_ptr<SubscriptionBody> body) noexcept;

private:
    /// The newest entry of a segment that is to be told.
    struct News {
        Sequence sequence;
        Timestamp timestamp;
        Position position;
    };

    void run() noexcept;
    [[nodiscard]] std::vector<const SegmentState*> segments_at_begin() const;
    [[nodiscard]] Result<void> tell_snapshot();
    [[nodiscard]] Result<void> tell_news();
    [[nodiscard]] Result<void> take_news();
    [[nodiscard]] Result<void> wait_for_news();
    void call_handler(const SegmentState& segment, const SegmentStatus& status);
    [[nodiscard]] bool goes_on() const;
    [[nodiscard]] bool is_own_thread() const noexcept {
        return std::this_thread::get_id() == thread_.get_id();
    }

    // The thread's.
    std::shared_ptr<const Engine> engine_;
    const std::string space_;
    const std::optional<std::string> segment_;
    const StatusHandler handler_;
    const SubscribeOptions options_;
    const Position begin_;  // the snapshot is of here; what comes behind it is news
    std::unique_ptr<ReaderBody> reader_;
    boost::unordered_flat_map<const SegmentState*, News> news_;
    std::deque<const SegmentState*> queue_;  // of news_, in the order in which they came up

    mutable std::mutex mutex_;         // of what follows
    std::condition_variable changed_;  // any of it
    bool has_news_ = false;
    bool is_stopping_ = false;
    SubscriptionStat stat_;

    std::unique_ptr<SubscriptionBody> self_;  // ended by the handler: the thread is the last to go
    std::thread thread_;
};

}  // namespace braid
