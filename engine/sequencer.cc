#include "engine/sequencer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "segment/change.h"

namespace braid {
namespace {

std::string in_words(const Expectation& expectation) {
    switch (expectation.kind) {
        case Expectation::Kind::any:
            return "anything";
        case Expectation::Kind::none:
            return "no entry";
        case Expectation::Kind::exists:
            return "an entry";
        case Expectation::Kind::sequence:
            return fmt::format("sequence {}", expectation.next.value);
        case Expectation::Kind::untouched:
            return fmt::format("no entry beyond position {}", expectation.since.value);
    }
    return {};
}

std::string found_in_words(const Expectation& expectation, Sequence last, Position position) {
    if (expectation.kind == Expectation::Kind::untouched)
        return fmt::format("its last entry has position {}", position.value);
    return fmt::format("sequence {} comes next", last.value + 1);
}

bool is_met(const Expectation& expectation, Sequence last, Position position) {
    switch (expectation.kind) {
        case Expectation::Kind::any:
            return true;
        case Expectation::Kind::none:
            return last == 0;
        case Expectation::Kind::exists:
            return last != 0;
        case Expectation::Kind::sequence:
            return expectation.next == last + 1;
        case Expectation::Kind::untouched:
            return position <= expectation.since;
    }
    return false;
}

LeaseChange granted_lease(const segment::LeaseGranted& granted) {
    LeaseChange change;
    change.key = granted.key;
    change.holder = std::make_shared<const std::string>(granted.holder);
    change.ttl_ns = granted.ttl_ns;
    return change;
}

/// Of a change that is one of a consumer.
ConsumerChange consumer_change(const segment::Change& change) {
    using Kind = ConsumerChange::Kind;
    if (const auto* taken = std::get_if<segment::ConsumerTaken>(&change))
        return {.kind = Kind::take, .consumer = taken->consumer};
    if (const auto* deleted = std::get_if<segment::ConsumerDeleted>(&change))
        return {.kind = Kind::remove, .consumer = deleted->consumer};
    const auto& moved = std::get<segment::ConsumerMoved>(change);
    return {Kind::move, moved.consumer, moved.space, moved.segment, moved.position, {}};
}

}  // namespace

void Sequencer::resolve(TransactionBody& body) const {
    constexpr std::size_t at_a_time = 32;
    std::array<SegmentTable::Wanted, at_a_time> wanted;
    std::array<TransactionBody::Target*, at_a_time> of;
    std::size_t count = 0;
    std::optional<SegmentTable::Finder> finder;
    const auto find = [&] {
        finder->find(std::span(wanted).first(count));
        for (std::size_t i = 0; i < count; ++i) of[i]->state = wanted[i].found;
        count = 0;
    };
    for (TransactionBody::Target& target : body.targets()) {
        if (target.state != nullptr) continue;
        if (!finder) finder.emplace(table_);
        if (target.in_space == nullptr) target.in_space = finder->space(target.space);
        if (target.in_space == nullptr) continue;
        of[count] = &target;
        wanted[count++] = {target.in_space, target.segment};
        if (count == at_a_time) find();
    }
    if (count != 0) find();
}

void Sequencer::judge_segments(const TransactionBody& body,
                               std::vector<Conflict>& conflicts) const {
    for (const TransactionBody::Demand& demand : body.demands()) {
        const TransactionBody::Target& target = body.targets()[demand.target];
        const Sequence last =
            (target.state == nullptr ? Sequence(0) : target.state->last_sequence) + demand.before;
        const Position position =
            target.state == nullptr ? Position(0) : target.state->last_position;
        if (is_met(demand.expectation, last, position)) continue;
        conflicts.push_back({target.space, target.segment, in_words(demand.expectation),
                             demand.expectation.next, last + 1, "",
                             found_in_words(demand.expectation, last, position)});
    }
}

std::optional<Error> Sequencer::judge(TransactionBody& body, Position durable) const {
    resolve(body);
    std::vector<Conflict> conflicts;
    judge_segments(body, conflicts);
    for (ConsumerChange& change : body.consumers()) {
        if (change.position > durable)
            return Error(Errc::out_of_range,
                         fmt::format("consumer '{}' can't be set to position {}: the store is "
                                     "durable through {}",
                                     change.consumer, change.position.value, durable.value));
        consumers_.judge(change, conflicts);
    }
    for (LeaseChange& change : body.leases()) leases_.judge(change, conflicts);
    if (conflicts.empty()) return std::nullopt;
    return Error::conflict(std::move(conflicts));
}

SpaceId Sequencer::space_id(SpaceState& space) {
    if (space.id != 0) return space.id;
    const auto known = std::find(new_spaces_.begin(), new_spaces_.end(), &space);
    const SpaceId id = table_.next_space() + static_cast<std::size_t>(known - new_spaces_.begin());
    if (known == new_spaces_.end()) {
        new_spaces_.push_back(&space);
        new_names_.push_back({changes_.size(), &space, nullptr});
        encode_change_item(segment::SpaceNamed{id, space.name}, changes_);
    }
    return id;
}

void Sequencer::add_new_names(TransactionBody& body) {
    const auto is_new = [](const TransactionBody::Target& target) {
        return target.records != 0 && (target.state == nullptr || target.state->id == 0);
    };
    const std::span<TransactionBody::Target> targets = body.targets();
    if (std::none_of(targets.begin(), targets.end(), is_new)) return;
    const SegmentId first_segment = table_.next_segment();
    SegmentId next_segment = first_segment;
    for (TransactionBody::Target& target : targets) {
        if (!is_new(target)) continue;
        target.state = &table_.make(target.space, target.segment);
        const SpaceId space = space_id(*target.state->space);
        new_names_.push_back({changes_.size(), target.state->space, target.state});
        encode_change_item(segment::SegmentNamed{next_segment, space, target.segment}, changes_);
        ++next_segment;
    }
    table_.reserve_ids(new_spaces_.size(), next_segment - first_segment);
}

Sequencer::Need Sequencer::prepare(TransactionBody& body) {
    changes_.clear();
    new_names_.clear();
    new_spaces_.clear();
    add_new_names(body);
    consumers_.reserve_changes(body.consumers().size());
    for (ConsumerChange& change : body.consumers()) consumers_.prepare(change);
    leases_.reserve_changes(body.leases().size());
    for (LeaseChange& change : body.leases()) leases_.prepare(change);
    if (body.id()) ids_.reserve();
    return {changes_.size() + body.changes().size() + body.id_change().size() +
                body.frames().bytes().size(),
            body.frames().frames().size()};
}

std::byte* Sequencer::copy_names(std::byte* at) noexcept {
    std::copy(changes_.begin(), changes_.end(), at);
    for (const NewName& name : new_names_) {
        if (name.segment != nullptr)
            table_.number(*name.segment, position_ + 1, timestamp_);
        else
            table_.number(*name.space, position_ + 1);
        segment::number_change(at + name.offset, transaction_, false, store_seed_);
    }
    return at + changes_.size();
}

/// What the transaction does beside appending, done and written down.
std::byte* Sequencer::copy_changes(TransactionBody& body, std::byte* at) noexcept {
    for (const ConsumerChange& change : body.consumers()) consumers_.apply(change, transaction_);
    for (const LeaseChange& change : body.leases()) leases_.apply(change, transaction_);
    std::byte* end = std::copy(body.changes().begin(), body.changes().end(), at);
    end = std::copy(body.id_change().begin(), body.id_change().end(), end);
    while (at != end) {
        const std::uint64_t bytes = segment::padded(segment::FrameView(at).length());
        const bool last = at + bytes == end && !body.has_records();
        segment::number_change(at, transaction_, last, store_seed_);
        at += bytes;
    }
    return end;
}

void Sequencer::link(segment::Chunk& chunk, const std::byte* frame, SegmentState& state) noexcept {
    const segment::TailNode* node = chunk.add_node(
        frame, &state, state.tail.load(std::memory_order_relaxed), state.drained_through());
    state.last_sequence = node->last_sequence();
    state.last_position = node->last_position();
    state.tail.store(node, std::memory_order_release);
}

Sequencer::Sequenced Sequencer::reserve(const TransactionBody& body, const Need& need) {
    Sequenced done;
    for (const std::uint32_t index : body.written()) {
        const TransactionBody::Target& target = body.targets()[index];
        const Sequence last = target.state->last_sequence;
        done.receipt.segments.push_back({last + 1, last + target.records});
    }
    done.chunk = &arena_.chunk_for(need.item_bytes, need.frames, position_ + 1);
    return done;
}

void Sequencer::sequence(TransactionBody& body, const Need& need, Timestamp now,
                         Sequenced& done) noexcept {
    segment::Chunk& chunk = *done.chunk;
    ++transaction_;
    timestamp_ = std::max(now, timestamp_);
    chunk.note(transaction_);
    std::byte* const items = chunk.add_items(need.item_bytes);
    done.items = {items, need.item_bytes};
    done.receipt.transaction = transaction_;
    const std::uint64_t records = body.frames().record_count();
    if (body.id())
        ids_.add({*body.id(), body.fingerprint(), transaction_,
                  records == 0 ? Position(0) : position_ + 1, records});
    std::byte* const frames = copy_changes(body, copy_names(items));
    if (!body.has_records()) return;
    done.receipt.timestamp = timestamp_;
    done.receipt.first_position = position_ + 1;
    std::memcpy(frames, body.frames().bytes().data(), body.frames().bytes().size());
    const auto built = body.frames().frames();
    for (const segment::FrameBuilder::Frame& frame : built) {
        SegmentState& state = *body.targets()[frame.segment].state;
        segment::number_frame(frames + frame.offset,
                              {.segment = state.id,
                               .first_sequence = state.last_sequence + 1,
                               .first_position = position_ + 1,
                               .timestamp = timestamp_,
                               .transaction = transaction_,
                               .ends_transaction = &frame == &built.back()},
                              frame.body_hash, store_seed_);
        link(chunk, frames + frame.offset, state);
        position_ += frame.count;
    }
    chunk.publish();
    done.receipt.last_position = position_;
}

void Sequencer::restore(Position position, TransactionNumber transaction, Timestamp timestamp) {
    position_ = position;
    transaction_ = transaction;
    timestamp_ = timestamp;
}

bool Sequencer::follows(TransactionNumber transaction) {
    if (in_transaction_) return transaction == transaction_;
    if (transaction != transaction_ + 1) return false;
    ++transaction_;
    in_transaction_ = true;
    return true;
}

const char* Sequencer::replay_frame(segment::FrameView frame) {
    if (const char* reason = segment::verify_frame(frame, store_seed_)) return reason;
    if (frame.is_joined()) return "a frame of several transactions";
    SegmentState* state = table_.find(frame.segment());
    if (state == nullptr) return "a frame of a segment that was never named";
    if (frame.first_position() != position_ + 1) return "a position out of order";
    if (frame.first_sequence() != state->last_sequence + 1) return "a sequence out of order";
    if (frame.timestamp() < timestamp_) return "a timestamp that goes back";
    if (!follows(frame.transaction())) return "a transaction out of order";
    if (state->last_sequence == 0) {
        state->first_position = frame.first_position();
        state->first_timestamp = frame.timestamp();
        if (state->space->first_position == 0)
            state->space->first_position = frame.first_position();
    }
    segment::Chunk& chunk = arena_.chunk_for(frame.padded_length(), 1, position_ + 1);
    std::byte* at = chunk.add_items(frame.padded_length());
    std::memset(at + frame.length(), 0, frame.padded_length() - frame.length());
    std::memcpy(at, frame.data(), frame.length());
    link(chunk, at, *state);
    chunk.publish();
    position_ += frame.count();
    timestamp_ = frame.timestamp();
    return nullptr;
}

Result<void> Sequencer::replay_change(Bytes item) {
    auto change = segment::read_change_item(item, store_seed_);
    if (!change) return change.error();
    if (!follows(segment::change_transaction(item.data())))
        return Error(Errc::corrupt, "a transaction out of order");
    if (const char* problem = take_over(*change)) return Error(Errc::corrupt, problem);
    return {};
}

const char* Sequencer::take_over(const segment::Change& change) {
    constexpr const char* bad_name =
        "a name that is known already, isn't the next one, or has no space";
    if (std::holds_alternative<segment::SpaceNamed>(change) ||
        std::holds_alternative<segment::SegmentNamed>(change))
        return table_.restore(change) ? nullptr : bad_name;
    if (const auto* noted = std::get_if<segment::TransactionNoted>(&change)) {
        if (noted_) return "a second id of a transaction";
        noted_ = {noted->id, noted->fingerprint, transaction_, position_ + 1, 0};
        return nullptr;
    }
    if (const auto* granted = std::get_if<segment::LeaseGranted>(&change)) {
        leases_.replay(granted_lease(*granted), transaction_);
    } else if (const auto* released = std::get_if<segment::LeaseReleased>(&change)) {
        leases_.replay({.kind = LeaseChange::Kind::release, .key = released->key}, transaction_);
    } else {
        const auto* moved = std::get_if<segment::ConsumerMoved>(&change);
        if (moved != nullptr && moved->position > position_)
            return "a consumer beyond the entries before it";
        consumers_.replay(consumer_change(change), transaction_);
    }
    return nullptr;
}

void Sequencer::end_replayed() {
    in_transaction_ = false;
    if (!noted_) return;
    noted_->records = position_ + 1 - noted_->first_position;
    if (noted_->records == 0) noted_->first_position = 0;
    ids_.restore(*noted_);
    noted_.reset();
}

Result<void> Sequencer::replay(Bytes body, TransactionNumber drained, const std::string& file,
                               std::uint64_t offset) {
    const auto damaged = [&](std::size_t at, std::string_view why) {
        return Error(Errc::corrupt, fmt::format("{} at offset {}: {}", file, offset + at, why));
    };
    for (std::size_t at = 0; at < body.size();) {
        const Bytes left = body.subspan(at);
        const segment::Look look = segment::look(left);
        if (look.found != segment::Found::item)
            return damaged(
                at, look.found == segment::Found::nothing ? "an item is missing" : look.reason);
        const segment::FrameView frame(left.data());
        const bool change = segment::is_change(look.type);
        const TransactionNumber transaction =
            change ? segment::change_transaction(left.data()) : frame.transaction();
        if (transaction > drained) {
            if (change) {
                auto replayed = replay_change(left.first(look.length));
                if (!replayed)
                    return std::move(replayed.error())
                        .within(fmt::format("{} at offset {}", file, offset + at));
            } else if (const char* reason = replay_frame(frame)) {
                return damaged(at, reason);
            }
            if (frame.ends_transaction()) end_replayed();
        }
        at += segment::padded(look.length);
    }
    if (in_transaction_) return damaged(body.size(), "a transaction without an end");
    return {};
}

}  // namespace braid
