#include "engine/consumer_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace braid {
namespace {

using Cursor = ConsumerState::Cursor;

const Cursor* find_cursor(const ConsumerState& state, std::string_view space,
                          std::string_view segment) {
    for (const Cursor& cursor : state.cursors)
        if (cursor.space == space && cursor.segment == segment) return &cursor;
    return nullptr;
}

/// Where the change finds the cursor.
Position position_of(const ConsumerChange& change) {
    if (change.state == nullptr) return 0;
    const Cursor* cursor = find_cursor(*change.state, change.space, change.segment);
    return cursor == nullptr ? Position(0) : cursor->position.newest().value_or(0);
}

Conflict conflict_of(const ConsumerChange& change, std::string required, std::string actual) {
    return {change.space, change.segment,  std::move(required), {},
            {},           change.consumer, std::move(actual)};
}

index::ConsumerUpdate update_of(const ConsumerState& state, TransactionNumber transaction) {
    index::ConsumerUpdate update{std::string(state.name), state.epoch.at(transaction), {}};
    for (const Cursor& cursor : state.cursors)
        if (const auto position = cursor.position.at(transaction))
            update.cursors.push_back({cursor.space, cursor.segment, *position});
    return update;
}

bool exists(const ConsumerState& state, TransactionNumber transaction) {
    return state.epoch.at(transaction) != 0 ||
           std::any_of(state.cursors.begin(), state.cursors.end(), [&](const Cursor& cursor) {
               return cursor.position.at(transaction).has_value();
           });
}

TransactionNumber newest_change(const ConsumerState& state) {
    TransactionNumber newest = state.epoch.since();
    for (const Cursor& cursor : state.cursors) newest = std::max(newest, cursor.position.since());
    return newest;
}

/// Makes room, so that what is added next can't fail.
template <class T>
void reserve_one(std::vector<T>& list) {
    if (list.size() == list.capacity()) list.reserve(2 * list.size() + 1);
}

}  // namespace

ConsumerState* ConsumerTable::look_up(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
}

ConsumerState& ConsumerTable::find_or_make(std::string_view name) {
    if (ConsumerState* known = look_up(name)) return *known;
    const auto made = consumers_.try_emplace(std::string(name)).first;
    made->second.name = made->first;
    by_name_.emplace(made->second.name, &made->second);
    return made->second;
}

void ConsumerTable::judge(ConsumerChange& change, std::vector<Conflict>& conflicts) const {
    using Kind = ConsumerChange::Kind;
    change.state = look_up(change.consumer);
    const MoveOptions& options = change.options;
    const Epoch epoch = change.state == nullptr ? Epoch() : change.state->epoch.newest();
    if (change.kind != Kind::take && !options.any_epoch && options.epoch != epoch)
        conflicts.push_back(conflict_of(change, fmt::format("epoch {}", options.epoch.value),
                                        fmt::format("it is owned by epoch {}", epoch.value)));
    if (change.kind == Kind::take || change.kind == Kind::remove) return;
    const Position position = position_of(change);
    const auto stands = [&] { return fmt::format("it stands at position {}", position.value); };
    if (options.expect && *options.expect != position)
        conflicts.push_back(
            conflict_of(change, fmt::format("position {}", options.expect->value), stands()));
    if (change.kind == Kind::move && change.position < position && !options.backward)
        conflicts.push_back(conflict_of(
            change, fmt::format("position {} or before", change.position.value), stands()));
}

void ConsumerTable::prepare(ConsumerChange& change) {
    using Kind = ConsumerChange::Kind;
    if (change.kind == Kind::require) return;
    if (change.state == nullptr) change.state = &find_or_make(change.consumer);
    ConsumerState& state = *change.state;
    if (!is_listed(state)) reserve_one(changed_);
    if (change.kind != Kind::move) state.epoch.reserve();
    if (change.kind == Kind::remove)
        for (Cursor& cursor : state.cursors) cursor.position.reserve();
    if (change.kind != Kind::move) return;
    const Cursor* known = find_cursor(state, change.space, change.segment);
    if (known == nullptr) {
        state.cursors.push_back({change.space, change.segment, {}});
        known = &state.cursors.back();
    }
    change.cursor = static_cast<std::size_t>(known - state.cursors.data());
    state.cursors[change.cursor].position.reserve();
}

void ConsumerTable::note_change(ConsumerState& state) noexcept {
    if (is_listed(state)) return;
    state.listed_for = next_drain_;
    changed_.push_back(&state);
}

void ConsumerTable::apply(const ConsumerChange& change, TransactionNumber transaction) noexcept {
    using Kind = ConsumerChange::Kind;
    if (change.kind == Kind::require) return;
    ConsumerState& state = *change.state;
    if (change.kind == Kind::move)
        state.cursors[change.cursor].position.set(transaction, change.position, marks_);
    else
        state.epoch.set(transaction, change.kind == Kind::take ? Epoch(transaction.value) : Epoch(),
                        marks_);
    if (change.kind == Kind::remove)
        for (Cursor& cursor : state.cursors) cursor.position.set(transaction, {}, marks_);
    note_change(state);
}

void ConsumerTable::restore(const index::ConsumerUpdate& update, TransactionNumber transaction) {
    marks_ = {transaction, transaction, transaction};
    ConsumerState& state = find_or_make(update.name);
    state.epoch = {};
    state.cursors.clear();
    state.epoch.reserve();
    state.epoch.set(transaction, update.epoch, marks_);
    for (const index::CursorUpdate& cursor : update.cursors) {
        state.cursors.push_back({cursor.space, cursor.segment, {}});
        state.cursors.back().position.set(transaction, cursor.position, marks_);
    }
    forget_if_gone(update.name);
}

void ConsumerTable::replay(ConsumerChange change, TransactionNumber transaction) {
    note_durable(transaction);
    prepare(change);
    apply(change, transaction);
}

void ConsumerTable::restore_drained(TransactionNumber transaction) noexcept {
    marks_ = {transaction, transaction, transaction};
}

std::optional<Consumer> ConsumerTable::find(std::string_view name,
                                            TransactionNumber transaction) const {
    const ConsumerState* state = look_up(name);
    if (state == nullptr || !exists(*state, transaction)) return std::nullopt;
    Consumer consumer{std::string(name), state->epoch.at(transaction), {}};
    for (index::CursorUpdate& cursor : update_of(*state, transaction).cursors)
        consumer.cursors.push_back(
            {std::move(cursor.space), std::move(cursor.segment), cursor.position});
    std::sort(consumer.cursors.begin(), consumer.cursors.end(),
              [](const ConsumerCursor& left, const ConsumerCursor& right) {
                  return std::tie(left.space, left.segment) < std::tie(right.space, right.segment);
              });
    return consumer;
}

bool ConsumerTable::list(std::string& after, std::uint64_t limit, std::size_t turn,
                         TransactionNumber transaction, std::vector<std::string>& names) const {
    auto at = consumers_.upper_bound(after);
    for (; turn > 0 && at != consumers_.end(); ++at, --turn) {
        if (names.size() == limit) return false;
        after = at->first;
        if (exists(at->second, transaction)) names.push_back(at->first);
    }
    return at != consumers_.end();
}

void ConsumerTable::begin_drain(TransactionNumber transaction) {
    draining_.reserve(draining_.size() + changed_.size());
    marks_.draining = transaction;
    marks_.durable = std::max(marks_.durable, transaction);
    collected_ = 0;
    gone_.clear();
    if (draining_.empty())
        draining_.swap(changed_);
    else
        draining_.insert(draining_.end(), changed_.begin(), changed_.end());
    changed_.clear();
    ++next_drain_;  // whoever changes one from here on lists it anew
}

bool ConsumerTable::collect(std::size_t turn, std::vector<index::ConsumerUpdate>& updates) {
    for (; turn > 0 && collected_ < draining_.size(); --turn) {
        ConsumerState& state = *draining_[collected_];
        const bool goes_on = newest_change(state) > marks_.draining;
        if (goes_on) reserve_one(changed_);
        updates.push_back(update_of(state, marks_.draining));
        if (!exists(state, marks_.draining)) gone_.emplace_back(state.name);
        if (goes_on) note_change(state);
        ++collected_;
    }
    return collected_ < draining_.size();
}

void ConsumerTable::finish_drain() noexcept {
    marks_.drained = marks_.draining;
    draining_.clear();
    for (const std::string& name : gone_) forget_if_gone(name);
    gone_.clear();
}

/// Once the catalog knows that it is gone, and no later transaction has it.
void ConsumerTable::forget_if_gone(std::string_view name) noexcept {
    const auto found = consumers_.find(name);
    if (found == consumers_.end()) return;
    const TransactionNumber newest = newest_change(found->second);
    if (is_listed(found->second) || newest > marks_.drained || exists(found->second, newest))
        return;
    by_name_.erase(name);
    consumers_.erase(found);
}

bool ConsumerTable::snapshot(std::string& after, std::size_t turn,
                             std::vector<index::ConsumerUpdate>& updates) const {
    auto at = consumers_.upper_bound(after);
    for (; turn > 0 && at != consumers_.end(); ++at, --turn) {
        after = at->first;
        if (exists(at->second, marks_.drained))
            updates.push_back(update_of(at->second, marks_.drained));
    }
    return at != consumers_.end();
}

}  // namespace braid
