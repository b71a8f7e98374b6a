#include <fmt/format.h>

#include <braid/store.hpp>

#include "engine/engine.h"
#include "engine/io_options.h"
#include "engine/subscription_body.h"

namespace braid {
namespace {

std::uint64_t limit_of(std::uint64_t limit) {
    return limit == 0 ? no_limit : limit;
}

EntryBounds entry_bounds(const Bounds& bounds) {
    EntryBounds of;
    of.after = bounds.after;
    of.from_time = bounds.from_time;
    of.to_time = bounds.to_time;
    of.limit = limit_of(bounds.limit);
    of.backward = bounds.backward;
    of.level = bounds.level;
    of.on_trimmed = bounds.on_trimmed;
    of.as_of = bounds.as_of;
    return of;
}

EntryBounds entry_bounds(const FollowBounds& bounds) {
    EntryBounds of;
    of.after = bounds.after;
    of.level = bounds.level;
    of.on_trimmed = bounds.on_trimmed;
    return of;
}

std::vector<SpaceCursor> one_space(std::string_view space) {
    return {SpaceCursor{std::string(space), 0}};
}

}  // namespace

Result<Store> Store::open(const std::string& directory, const Options& options) {
    auto disk = io::open_disk(directory, backend_of(options.io), options.create,
                              log_sync_of(options.log_sync));
    if (!disk) return disk.error();
    auto engine = Engine::open(std::move(*disk), options, Engine::Threads::run);
    if (!engine) return engine.error().within(directory);
    return Store(std::move(*engine));
}

Store::Store(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}
Store::Store(Store&&) noexcept = default;

Store& Store::operator=(Store&& other) noexcept {
    if (engine_ != nullptr && engine_ != other.engine_) static_cast<void>(engine_->close());
    engine_ = std::move(other.engine_);
    return *this;
}

Store::~Store() {
    if (engine_ != nullptr) static_cast<void>(engine_->close());
}

Result<void> Store::close() {
    return engine_->close();
}

Transaction Store::begin() {
    return Transaction(engine_);
}

Result<Receipt> Store::append(std::string_view space, std::string_view segment, Bytes payload,
                              const AppendOptions& options, Durability durability) {
    return begin().append(space, segment, payload, options).commit(durability);
}

Result<Receipt> Store::append(std::string_view space, std::string_view segment,
                              std::string_view payload, const AppendOptions& options,
                              Durability durability) {
    return append(space, segment, as_bytes(payload), options, durability);
}

Reader Store::read_segment(std::string_view space, std::string_view segment,
                           const SegmentBounds& bounds) const {
    EntryBounds of;
    of.from = bounds.from;
    of.to = bounds.to;
    of.after = bounds.after;
    of.from_time = bounds.from_time;
    of.to_time = bounds.to_time;
    of.limit = limit_of(bounds.limit);
    of.backward = bounds.backward;
    of.level = bounds.level;
    of.on_trimmed = bounds.on_trimmed;
    of.as_of = bounds.as_of;
    return Reader(engine_->read_segment(space, segment, of));
}

Reader Store::read_space(std::string_view space, const Bounds& bounds) const {
    return Reader(engine_->read_spaces(one_space(space), entry_bounds(bounds)));
}

Reader Store::read_spaces(const std::vector<SpaceCursor>& spaces, const Bounds& bounds) const {
    return Reader(engine_->read_spaces(spaces, entry_bounds(bounds)));
}

Reader Store::read_all(const Bounds& bounds) const {
    return Reader(engine_->read_spaces(std::nullopt, entry_bounds(bounds)));
}

Follower Store::follow_segment(std::string_view space, std::string_view segment,
                               const FollowBounds& bounds) const {
    return Follower(engine_->read_segment(space, segment, entry_bounds(bounds)));
}

Follower Store::follow_space(std::string_view space, const FollowBounds& bounds) const {
    return Follower(engine_->read_spaces(one_space(space), entry_bounds(bounds), bounds.segments));
}

Follower Store::follow_spaces(const std::vector<SpaceCursor>& spaces,
                              const FollowBounds& bounds) const {
    return Follower(engine_->read_spaces(spaces, entry_bounds(bounds), bounds.segments));
}

Follower Store::follow_all(const FollowBounds& bounds) const {
    return Follower(engine_->read_spaces(std::nullopt, entry_bounds(bounds), bounds.segments));
}

Result<Subscription> Store::subscribe(std::string_view space, StatusHandler handler,
                                      const SubscribeOptions& options) const {
    return subscribe_to(space, std::nullopt, std::move(handler), options);
}

Result<Subscription> Store::subscribe(std::string_view space, std::string_view segment,
                                      StatusHandler handler,
                                      const SubscribeOptions& options) const {
    return subscribe_to(space, std::string(segment), std::move(handler), options);
}

Result<Subscription> Store::subscribe_to(std::string_view space, std::optional<std::string> segment,
                                         StatusHandler handler,
                                         const SubscribeOptions& options) const {
    if (handler == nullptr) return Error(Errc::invalid_argument, "a subscription wants a handler");
    if (options.pending_max == 0)
        return Error(Errc::invalid_argument, "pending_max of a subscription is 0; at least 1");
    if (engine_->is_closed()) return Error(Errc::closed, "the store is closed");
    auto body = std::make_unique<SubscriptionBody>(engine_, space, std::move(segment),
                                                   std::move(handler), options);
    if (auto started = body->start(); !started) return started.error();
    return Subscription(std::move(body));
}

Result<std::optional<KeptEntry>> Store::peek(std::string_view space, std::string_view segment,
                                             Level level) const {
    return engine_->peek(space, segment, level);
}

Result<SegmentStatus> Store::status(std::string_view space, std::string_view segment) const {
    return engine_->status(space, segment);
}

Result<std::vector<std::string>> Store::spaces(const Page& page) const {
    return engine_->table().space_names(engine_->watermarks().committed(), page.after, page.limit);
}

Result<std::vector<std::string>> Store::segments(std::string_view space, const Page& page) const {
    return engine_->table().segment_names(space, engine_->watermarks().committed(), page.after,
                                          page.limit);
}

Result<std::optional<Consumer>> Store::consumer(std::string_view name, Level level) const {
    return engine_->consumer(name, level);
}

Result<std::vector<std::string>> Store::consumers(const Page& page) const {
    return engine_->consumer_names(page.after, limit_of(page.limit));
}

Result<Receipt> Store::set_consumer(std::string_view consumer, const Source& source,
                                    Position position, const MoveOptions& options) {
    return begin().set_consumer(consumer, source, position, options).commit();
}

Result<Epoch> Store::take_consumer(std::string_view consumer) {
    auto receipt = begin().take_consumer(consumer).commit();
    if (!receipt) return receipt.error();
    return Epoch(receipt->transaction.value);
}

Result<void> Store::delete_consumer(std::string_view consumer, const MoveOptions& options) {
    if (!engine_->consumer(consumer, Level::committed))
        return Error(Errc::not_found, fmt::format("there is no consumer '{}'", consumer));
    auto receipt = begin().delete_consumer(consumer, options).commit();
    if (!receipt) return receipt.error();
    return {};
}

Result<Lease> Store::acquire_lease(std::string_view key, std::string_view holder,
                                   std::chrono::nanoseconds ttl) {
    return engine_->acquire_lease(key, holder, ttl);
}

Result<void> Store::renew_lease(std::string_view key, LeaseToken token) {
    return engine_->renew_lease(key, token);
}

Result<void> Store::release_lease(std::string_view key, LeaseToken token) {
    TransactionBody body(engine_->options());
    body.release_lease(key, token);
    auto receipt = engine_->commit(body, Durability::durable);
    if (!receipt) return receipt.error();
    return {};
}

Result<std::optional<Lease>> Store::lease(std::string_view key, Level level) const {
    return engine_->lease(key, level);
}

Result<std::vector<Lease>> Store::leases(const Page& page) const {
    return engine_->leases(page.after, limit_of(page.limit));
}

Result<std::uint64_t> Store::lag(const Source& source, Position cursor) const {
    return engine_->lag(source, cursor);
}

Result<void> Store::sync() {
    return engine_->sync();
}

Result<void> Store::trim(std::string_view space, std::string_view segment, Sequence through,
                         const TrimOptions& options) {
    return engine_->trim(space, segment, through, options);
}

Result<void> Store::gather() {
    return engine_->gather();
}

Result<void> Store::drain() {
    return engine_->drain();
}

Result<void> Store::refresh() {
    auto fresh = engine_->reopened();
    if (!fresh) return fresh.error();
    engine_ = std::move(*fresh);
    return {};
}

Result<VerifyReport> Store::verify() const {
    return engine_->verify();
}
StoreStat Store::stat() const {
    return engine_->stat();
}
Metrics Store::metrics() const {
    return engine_->metrics();
}

Transaction::Transaction(std::shared_ptr<Engine> engine)
    : engine_(std::move(engine)),
      body_(std::make_unique<TransactionBody>(engine_->options(), &engine_->body_buffers())) {}
Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&&) noexcept = default;
Transaction::~Transaction() = default;

Transaction& Transaction::append(std::string_view space, std::string_view segment, Bytes payload,
                                 const AppendOptions& options) {
    body_->append(space, segment, payload, options);
    return *this;
}

Transaction& Transaction::append(std::string_view space, std::string_view segment,
                                 std::string_view payload, const AppendOptions& options) {
    return append(space, segment, as_bytes(payload), options);
}

Transaction& Transaction::require(std::string_view space, std::string_view segment,
                                  Expectation expectation) {
    body_->require(space, segment, expectation);
    return *this;
}

Transaction& Transaction::set_consumer(std::string_view consumer, const Source& source,
                                       Position position, const MoveOptions& options) {
    body_->set_consumer(consumer, source, position, options);
    return *this;
}

Transaction& Transaction::take_consumer(std::string_view consumer) {
    body_->take_consumer(consumer);
    return *this;
}

Transaction& Transaction::delete_consumer(std::string_view consumer, const MoveOptions& options) {
    body_->delete_consumer(consumer, options);
    return *this;
}

Transaction& Transaction::require_consumer(std::string_view consumer, const Source& source,
                                           Position position) {
    body_->require_consumer(consumer, source, position);
    return *this;
}

Transaction& Transaction::require_lease(std::string_view key, LeaseToken token) {
    body_->require_lease(key, token);
    return *this;
}

Transaction& Transaction::set_id(const TransactionId& id) {
    body_->set_id(id);
    return *this;
}

Result<Receipt> Transaction::commit(Durability durability) {
    auto receipt = engine_->commit(*body_, durability);
    body_->clear();
    return receipt;
}

void Transaction::commit_async(CommitCallback callback, Durability durability) {
    engine_->commit_async(*body_, std::move(callback), durability);
    body_->clear();
}

bool Transaction::try_commit_async(CommitCallback callback, Durability durability) {
    if (!engine_->try_commit_async(*body_, std::move(callback), durability)) return false;
    body_->clear();
    return true;
}

void Transaction::clear() {
    body_->clear();
}

}  // namespace braid
