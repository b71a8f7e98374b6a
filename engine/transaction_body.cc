#include "engine/transaction_body.h"

#include <fmt/format.h>

#include "segment/checksum.h"

namespace braid {
namespace {

/// So many targets are looked through; beyond, a table is quicker.
constexpr std::size_t searched_targets_max = 8;
/// Memory of so many, and of so many changes of consumers, is kept for the next transaction.
constexpr std::size_t kept_targets_max = 1024;

const char* name_problem(std::string_view name) {
    if (name.empty()) return "is empty";
    if (name.size() > name_bytes_max) return "is longer than 255 bytes";
    return nullptr;
}

/// Where `step` throws, `incomplete` is true from then on.
template <class Step>
void complete(bool& incomplete, Step step) {
    const bool before = std::exchange(incomplete, true);
    step();
    incomplete = before;
}

}  // namespace

void TransactionBody::fail(Errc code, std::string message) {
    if (!error_) error_ = Error(code, std::move(message));
}

std::optional<std::uint32_t> TransactionBody::target(std::string_view space,
                                                     std::string_view segment) {
    if (last_target_ < used_targets_ && is(targets_[last_target_], space, segment))
        return last_target_;
    if (const char* problem = name_problem(space)) {
        fail(Errc::invalid_argument, fmt::format("the name of the space {}", problem));
        return std::nullopt;
    }
    if (const char* problem = name_problem(segment)) {
        fail(Errc::invalid_argument, fmt::format("the name of the segment {}", problem));
        return std::nullopt;
    }
    last_target_ = find_or_add(space, segment);
    return last_target_;
}

std::uint32_t TransactionBody::find_or_add(std::string_view space, std::string_view segment) {
    if (used_targets_ < searched_targets_max) {
        for (std::uint32_t i = 0; i < used_targets_; ++i)
            if (is(targets_[i], space, segment)) return i;
        return add_target(space, segment);
    }
    if (by_name_.empty())
        for (std::uint32_t i = 0; i < used_targets_; ++i) by_name_.insert(i);
    const auto found = by_name_.find(Names{space, segment});
    return found != by_name_.end() ? *found : *by_name_.insert(add_target(space, segment)).first;
}

std::size_t TransactionBody::ByName::hash(const Names& names) noexcept {
    return segment::checksum(as_bytes(names.segment), segment::checksum(as_bytes(names.space), 0));
}

std::uint32_t TransactionBody::add_target(std::string_view space, std::string_view segment) {
    if (used_targets_ == targets_.size()) targets_.emplace_back();
    Target& target = targets_[used_targets_];
    target.records = 0;
    if (target.space != space) {
        target.in_space = nullptr;
        target.state = nullptr;
        target.space = space;
    }
    if (target.segment != segment) {
        target.state = nullptr;
        target.segment = segment;
    }
    return static_cast<std::uint32_t>(used_targets_++);
}

void TransactionBody::demand(std::uint32_t target, Expectation expectation) {
    if (expectation.kind == Expectation::Kind::any) return;
    const std::uint64_t before = targets_[target].records;
    // A run of expected sequences says no more than its first one.
    if (!demands_.empty() && expectation.kind == Expectation::Kind::sequence) {
        const Demand& last = demands_.back();
        if (last.target == target && last.expectation.kind == Expectation::Kind::sequence &&
            expectation.next.value - before == last.expectation.next.value - last.before)
            return;
    }
    demands_.push_back({target, before, expectation});
}

void TransactionBody::append(std::string_view space, std::string_view segment, Bytes payload,
                             const AppendOptions& options) {
    if (error_) return;
    complete(incomplete_, [&] { add(space, segment, payload, options); });
}

void TransactionBody::add(std::string_view space, std::string_view segment, Bytes payload,
                          const AppendOptions& options) {
    const auto metadata = options.metadata.pairs();
    const std::uint64_t bytes = segment::record_bytes(payload, metadata, !metadata.empty());
    if (bytes > limits_.record_bytes_max)
        return fail(Errc::too_large,
                    fmt::format("a record of {} bytes is over record_bytes_max of {}", bytes,
                                limits_.record_bytes_max));
    if (bytes_ + bytes > limits_.transaction_bytes_max)
        return fail(Errc::too_large,
                    fmt::format("the transaction is over transaction_bytes_max of {}",
                                limits_.transaction_bytes_max));
    const auto index = target(space, segment);
    if (!index) return;
    Target& written = targets_[*index];
    if (written.records == 0 && written_.size() == limits_.transaction_segments_max)
        return fail(Errc::too_large,
                    fmt::format("the transaction is over transaction_segments_max of {}",
                                limits_.transaction_segments_max));
    if (written.records == 0) written_.push_back(*index);
    demand(*index, options.expect);
    if (limits_.large_body_bytes != 0 && bytes >= limits_.large_body_bytes)
        add_body(*index, bytes, payload, metadata);
    else
        frames_.add(*index, payload, metadata);
    ++written.records;
    bytes_ += bytes;
    ++records_;
}

void TransactionBody::add_body(std::uint32_t target, std::uint64_t bytes, Bytes payload,
                               std::span<const KeyValue> metadata) {
    LargeBody& body = bodies_.emplace_back();
    body.memory = buffers_ != nullptr ? buffers_->take(bytes) : io::AlignedBuffer(bytes);
    body.length = bytes;
    const auto blocks = body.memory.first(io::whole_blocks(bytes));
    std::byte* at = blocks.data();
    if (!metadata.empty()) at = segment::put_metadata(at, metadata);
    at = std::copy(payload.begin(), payload.end(), at);
    std::fill(at, blocks.data() + blocks.size(), std::byte{});
    body.hash = segment::checksum(blocks.first(bytes), 0);
    frames_.add_elsewhere(target, !metadata.empty());
    body.frame = frames_.frames().size() - 1;
}

void TransactionBody::note_written(const segment::BodyReference& reference,
                                   std::shared_ptr<const void> file) noexcept {
    LargeBody& body = bodies_[written_bodies_++];
    frames_.refer(body.frame, reference);
    body.file = std::move(file);
    release(body);
}

void TransactionBody::release(LargeBody& body) noexcept {
    if (buffers_ != nullptr && body.memory.capacity() != 0)
        buffers_->give_back(std::move(body.memory));
    else
        body.memory.release();
}

void TransactionBody::drop_bodies() noexcept {
    for (LargeBody& body : bodies_) release(body);
    bodies_.clear();
    written_bodies_ = 0;
}

void TransactionBody::require(std::string_view space, std::string_view segment,
                              Expectation expectation) {
    if (error_) return;
    complete(incomplete_, [&] { add_demand(space, segment, expectation); });
}

void TransactionBody::add_demand(std::string_view space, std::string_view segment,
                                 Expectation expectation) {
    const auto index = target(space, segment);
    if (index && expectation.kind != Expectation::Kind::any)
        demands_.push_back({*index, 0, expectation});
}

void TransactionBody::set_consumer(std::string_view consumer, const Source& source,
                                   Position position, const MoveOptions& options) {
    complete(incomplete_, [&] {
        add_consumer(ConsumerChange::Kind::move, consumer, source, position, options);
    });
}

void TransactionBody::take_consumer(std::string_view consumer) {
    complete(incomplete_, [&] { add_consumer(ConsumerChange::Kind::take, consumer, {}, {}, {}); });
}

void TransactionBody::delete_consumer(std::string_view consumer, const MoveOptions& options) {
    complete(incomplete_,
             [&] { add_consumer(ConsumerChange::Kind::remove, consumer, {}, {}, options); });
}

void TransactionBody::require_consumer(std::string_view consumer, const Source& source,
                                       Position position) {
    complete(incomplete_, [&] {
        add_consumer(ConsumerChange::Kind::require, consumer, source, {},
                     {.expect = position, .any_epoch = true});
    });
}

void TransactionBody::add_consumer(ConsumerChange::Kind kind, std::string_view consumer,
                                   const Source& source, Position position,
                                   const MoveOptions& options) {
    if (error_) return;
    if (const char* problem = name_problem(consumer))
        return fail(Errc::invalid_argument, fmt::format("the name of the consumer {}", problem));
    if (!segment::is_source(source.space, source.segment))
        return fail(Errc::invalid_argument,
                    "a consumer's source has a name longer than 255 bytes, or a segment without "
                    "its space");
    if (used_consumers_ == consumers_.size()) consumers_.emplace_back();
    ConsumerChange& change = consumers_[used_consumers_++];
    change.kind = kind;
    if (change.consumer != consumer) {
        change.state = nullptr;
        change.consumer = consumer;
    }
    if (change.space != source.space || change.segment != source.segment) {
        change.cursor = ConsumerChange::no_cursor;
        change.space = source.space;
        change.segment = source.segment;
    }
    change.position = position;
    change.options = options;
    if (kind == ConsumerChange::Kind::move)
        encode(segment::ConsumerMove{consumer, source.space, source.segment, position});
    if (kind == ConsumerChange::Kind::take)
        encode(segment::Change(segment::ConsumerTaken{change.consumer}));
    if (kind == ConsumerChange::Kind::remove)
        encode(segment::Change(segment::ConsumerDeleted{change.consumer}));
}

void TransactionBody::grant_lease(std::string_view key, std::string_view holder,
                                  std::uint64_t ttl_ns, std::uint64_t now_ns) {
    if (error_) return;
    complete(incomplete_, [&] {
        if (const char* problem = name_problem(holder))
            return fail(Errc::invalid_argument, fmt::format("the name of the holder {}", problem));
        add_lease({.kind = LeaseChange::Kind::grant,
                   .key = std::string(key),
                   .holder = std::make_shared<const std::string>(holder),
                   .ttl_ns = ttl_ns,
                   .now_ns = now_ns});
    });
}

void TransactionBody::release_lease(std::string_view key, LeaseToken token) {
    complete(incomplete_, [&] {
        add_lease({.kind = LeaseChange::Kind::release, .key = std::string(key), .token = token});
    });
}

void TransactionBody::require_lease(std::string_view key, LeaseToken token) {
    complete(incomplete_, [&] {
        add_lease({.kind = LeaseChange::Kind::require, .key = std::string(key), .token = token});
    });
}

void TransactionBody::add_lease(LeaseChange change) {
    if (error_) return;
    if (const char* problem = name_problem(change.key))
        return fail(Errc::invalid_argument, fmt::format("the key of the lease {}", problem));
    leases_.push_back(std::move(change));
    const LeaseChange& added = leases_.back();
    if (added.kind == LeaseChange::Kind::grant)
        encode(segment::Change(segment::LeaseGranted{added.key, *added.holder, added.ttl_ns}));
    if (added.kind == LeaseChange::Kind::release)
        encode(segment::Change(segment::LeaseReleased{added.key}));
}

template <class Change>
void TransactionBody::encode(const Change& change) {
    const std::size_t before = changes_.size();
    segment::encode_change_item(change, changes_);
    bytes_ += changes_.size() - before;
    if (bytes_ > limits_.transaction_bytes_max)
        fail(Errc::too_large, fmt::format("the transaction is over transaction_bytes_max of {}",
                                          limits_.transaction_bytes_max));
}

/// What counts is the records, and neither how they came to be framed nor where a body lies: who
/// repeats a transaction may have opened the store with other options.
void TransactionBody::note_id() {
    fingerprint_ = segment::checksum(changes_, 0);
    const auto mix = [this](std::uint64_t part) {
        fingerprint_ = segment::mix_seed(fingerprint_, part);
    };
    const auto mix_record = [&](bool has_metadata, std::uint64_t bytes, std::uint64_t hash) {
        mix(2 * bytes + (has_metadata ? 1 : 0));
        mix(hash);
    };
    std::optional<std::uint32_t> segment;
    auto body = bodies_.begin();
    const auto frames = frames_.frames();
    for (std::size_t i = 0; i < frames.size(); ++i) {
        if (std::exchange(segment, frames[i].segment) != frames[i].segment) {
            mix(segment::checksum(as_bytes(targets_[*segment].space), 0));
            mix(segment::checksum(as_bytes(targets_[*segment].segment), 1));
        }
        const segment::FrameView frame(frames_.bytes().data() + frames[i].offset);
        if (body != bodies_.end() && body->frame == i) {
            mix_record(frame.has_metadata(), body->length, body->hash);
            ++body;
            continue;
        }
        for (std::uint32_t record = 0; record < frame.count(); ++record)
            mix_record(frame.has_metadata(), frame.record(record).size(),
                       segment::checksum(frame.record(record), 0));
    }
    id_change_.clear();
    segment::encode_change_item(segment::TransactionNoted{*id_, fingerprint_}, id_change_);
}

void TransactionBody::clear() noexcept {
    if (used_targets_ > kept_targets_max) targets_.clear();
    used_targets_ = 0;
    if (!by_name_.empty()) by_name_.clear();  // which walks all its memory
    last_target_ = 0;
    demands_.clear();
    if (used_consumers_ > kept_targets_max) consumers_.clear();
    used_consumers_ = 0;
    leases_.clear();
    changes_.clear();
    id_.reset();
    id_change_.clear();
    frames_.clear();
    drop_bodies();
    bytes_ = 0;
    records_ = 0;
    written_.clear();
    error_.reset();
    incomplete_ = false;
}

}  // namespace braid
