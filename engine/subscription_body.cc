#include "engine/subscription_body.h"

#include <fmt/format.h>

#include <system_error>
#include <utility>

#include "engine/engine.h"

namespace braid {

SubscriptionBody::SubscriptionBody(std::shared_ptr<const Engine> engine, std::string_view space,
                                   std::optional<std::string> segment, StatusHandler handler,
                                   const SubscribeOptions& options)
    : engine_(std::move(engine)),
      space_(space),
      segment_(std::move(segment)),
      handler_(std::move(handler)),
      options_(options),
      begin_(engine_->watermarks().at(options.level)) {
    EntryBounds live;
    live.after = begin_;
    live.level = options_.level;
    live.on_trimmed = OnTrimmed::skip;
    if (segment_)
        reader_ = engine_->read_segment(space_, *segment_, live);
    else
        reader_ = engine_->read_spaces({{SpaceCursor{space_, 0}}}, live);
    reader_->leave_bodies();
}

SubscriptionBody::~SubscriptionBody() {
    if (thread_.joinable()) thread_.join();
}

Result<void> SubscriptionBody::start() {
    try {
        const std::scoped_lock lock(mutex_);  // the thread is to see what it is
        thread_ = std::thread([this] {
            run();
            const auto ended_by_handler = std::move(self_);
        });
        return {};
    } catch (const std::system_error& error) {
        return Error(Errc::io, fmt::format("starting a thread: {}", error.what()),
                     error.code().value());
    }
}

void SubscriptionBody::unsubscribe() noexcept {
    std::unique_lock lock(mutex_);
    is_stopping_ = true;
    changed_.notify_all();
    if (!is_own_thread()) changed_.wait(lock, [this] { return !stat_.is_active; });
}

void SubscriptionBody::end(std::unique_ptr<SubscriptionBody> body) noexcept {
    body->unsubscribe();
    if (!body->is_own_thread()) return;
    SubscriptionBody& ended = *body;
    ended.thread_.detach();
    ended.self_ = std::move(body);
}

SubscriptionStat SubscriptionBody::stat() const {
    const std::scoped_lock lock(mutex_);
    return stat_;
}

bool SubscriptionBody::goes_on() const {
    const std::scoped_lock lock(mutex_);
    return !is_stopping_;
}

void SubscriptionBody::run() noexcept {
    Result<void> done;
    try {
        done = tell_snapshot();
        while (done && goes_on()) done = tell_news();
    } catch (const std::bad_alloc&) {
        done = Error(Errc::io, "out of memory", ENOMEM);
    }
    reader_.reset();
    const std::scoped_lock lock(mutex_);
    if (!done && done.error().code() != Errc::closed) stat_.error = done.error();
    stat_.is_active = false;
    changed_.notify_all();
}

std::vector<const SegmentState*> SubscriptionBody::segments_at_begin() const {
    if (!segment_) return engine_->table().segments_of(space_, begin_);
    const SegmentState* segment = engine_->table().find(space_, *segment_, begin_);
    if (segment == nullptr) return {};
    return {segment};
}

Result<void> SubscriptionBody::tell_snapshot() {
    EntryBounds newest;
    newest.backward = true;
    newest.limit = 1;
    for (const SegmentState* segment : segments_at_begin()) {
        if (!goes_on()) return {};
        const auto reader = engine_->read_segment(space_, segment->name(), newest);
        reader->end_at(begin_);
        reader->leave_bodies();
        const Result<Entry>* last = reader->next();
        if (last != nullptr && !*last) return last->error();
        const auto status = engine_->status_of(*segment, last == nullptr ? nullptr : &**last);
        if (!status) return status.error();
        call_handler(*segment, *status);
    }
    return {};
}

/// One signal, of the segment that has waited longest, or waits until there is one.
Result<void> SubscriptionBody::tell_news() {
    if (auto taken = take_news(); !taken) return taken;
    if (queue_.empty()) return wait_for_news();
    const SegmentState& segment = *queue_.front();
    const auto found = news_.find(&segment);
    Entry last;
    last.sequence = found->second.sequence;
    last.timestamp = found->second.timestamp;
    last.position = found->second.position;
    news_.erase(found);
    queue_.pop_front();
    const auto status = engine_->status_of(segment, &last);
    if (!status) return status.error();
    call_handler(segment, *status);
    return {};
}

Result<void> SubscriptionBody::take_news() {
    while (const Result<Entry>* last = reader_->next_frame()) {
        if (!*last) return last->error();
        const Entry& entry = **last;
        const SegmentState* segment = reader_->segment();
        if (!news_.contains(segment)) {
            if (news_.size() == options_.pending_max)
                return Error(Errc::too_large,
                             fmt::format("the handler is too slow: more than {} segments of space "
                                         "'{}' have news that it wasn't told yet (pending_max)",
                                         options_.pending_max, space_));
            queue_.push_back(segment);
        }
        news_[segment] = {entry.sequence, entry.timestamp, entry.position};
    }
    return {};
}

Result<void> SubscriptionBody::wait_for_news() {
    if (engine_->is_closed()) return Error(Errc::closed, "the store was closed");
    const auto call = reader_->notify([this] {
        const std::scoped_lock lock(mutex_);
        has_news_ = true;
        changed_.notify_all();
    });
    if (!call) return call.error();
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return has_news_ || is_stopping_; });
    }
    reader_->take_back(*call);
    has_news_ = false;  // nobody else knows it now
    return {};
}

void SubscriptionBody::call_handler(const SegmentState& segment, const SegmentStatus& status) {
    bool threw = false;
    try {
        handler_({space_, segment.name(), status});
    } catch (...) {
        threw = true;
    }
    const std::scoped_lock lock(mutex_);
    ++stat_.signals;
    if (threw) ++stat_.thrown;
}

Subscription::Subscription(std::unique_ptr<SubscriptionBody> body) : body_(std::move(body)) {}
Subscription::Subscription(Subscription&&) noexcept = default;
Subscription& Subscription::operator=(Subscription&& other) noexcept {
    if (this == &other) return *this;
    if (body_ != nullptr) SubscriptionBody::end(std::move(body_));
    body_ = std::move(other.body_);
    return *this;
}
Subscription::~Subscription() {
    if (body_ != nullptr) SubscriptionBody::end(std::move(body_));
}
void Subscription::unsubscribe() noexcept {
    body_->unsubscribe();
}
SubscriptionStat Subscription::stat() const {
    return body_->stat();
}

}  // namespace braid
