#include "engine/consumer_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "io/planted.h"

namespace braid {
namespace {

using Cursor = ConsumerState::Cursor;

/// Index of the cursor that the change is about, as its state has it.
std::size_t find_cursor(const ConsumerChange& change) {
    if (change.state == nullptr) return ConsumerChange::no_cursor;
    const auto& cursors = change.state->cursors;
    for (std::size_t i = 0; i < cursors.size(); ++i)
        if (cursors[i].space == change.space && cursors[i].segment == change.segment) return i;
    return ConsumerChange::no_cursor;
}

/// Where the change finds the cursor.
Position position_of(const ConsumerChange& change) {
    if (change.cursor == ConsumerChange::no_cursor) return 0;
    return change.state->cursors[change.cursor].position.newest().value_or(0);
}

/// Whether who stands there has yet to read what the segment gets.
bool runs_over(const Cursor& cursor, const Source& segment) {
    return cursor.space.empty() || (cursor.space == segment.space &&
                                    (cursor.segment.empty() || cursor.segment == segment.segment));
}

Conflict conflict_of(const ConsumerChange& change, std::string required, std::string actual) {
    return {change.space, change.segment,  std::move(required), {},
            {},           change.consumer, std::move(actual)};
}

}  // namespace

bool ConsumerState::exists(TransactionNumber transaction) const noexcept {
    return epoch.at(transaction) != 0 ||
           std::any_of(cursors.begin(), cursors.end(), [&](const Cursor& cursor) {
               return cursor.position.at(transaction).has_value();
           });
}

TransactionNumber ConsumerState::newest_change() const noexcept {
    TransactionNumber newest = epoch.since();
    for (const Cursor& cursor : cursors) newest = std::max(newest, cursor.position.since());
    return newest;
}

index::ConsumerUpdate ConsumerState::update(TransactionNumber transaction) const {
    index::ConsumerUpdate update{std::string(name), epoch.at(transaction), {}};
    if (is_planted(PlantedFault::epoch_not_drained)) update.epoch = 0;
    for (const Cursor& cursor : cursors)
        if (const auto position = cursor.position.at(transaction))
            update.cursors.push_back({cursor.space, cursor.segment, *position});
    return update;
}

void ConsumerTable::resolve(ConsumerChange& change) const {
    if (change.state == nullptr || change.forgotten != forgotten()) {
        change.state = look_up(change.consumer);
        change.cursor = ConsumerChange::no_cursor;
        change.forgotten = forgotten();
    }
    if (change.cursor == ConsumerChange::no_cursor) change.cursor = find_cursor(change);
}

void ConsumerTable::judge(ConsumerChange& change, std::vector<Conflict>& conflicts) const {
    using Kind = ConsumerChange::Kind;
    resolve(change);
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
    if (change.kind != Kind::move) state.epoch.reserve(marks());
    if (change.kind == Kind::remove)
        for (Cursor& cursor : state.cursors) cursor.position.reserve(marks());
    if (change.kind != Kind::move) return;
    // It may be new to the transaction's change before.
    if (change.cursor == ConsumerChange::no_cursor) change.cursor = find_cursor(change);
    if (change.cursor == ConsumerChange::no_cursor) {
        change.cursor = state.cursors.size();
        state.cursors.push_back({{}, change.space, change.segment});
    }
    state.cursors[change.cursor].position.reserve(marks());
}

void ConsumerTable::apply(const ConsumerChange& change, TransactionNumber transaction) noexcept {
    using Kind = ConsumerChange::Kind;
    if (change.kind == Kind::require) return;
    ConsumerState& state = *change.state;
    if (change.kind == Kind::move)
        state.cursors[change.cursor].position.set(transaction, change.position);
    else
        state.epoch.set(transaction,
                        change.kind == Kind::take ? Epoch(transaction.value) : Epoch());
    if (change.kind == Kind::remove)
        for (Cursor& cursor : state.cursors) cursor.position.set(transaction, {});
    note_change(state);
}

void ConsumerTable::restore(const index::ConsumerUpdate& update, TransactionNumber transaction) {
    restore_drained(transaction);
    ConsumerState& state = find_or_make(update.name);
    state.epoch = {};
    state.cursors.clear();
    state.epoch.set(transaction, update.epoch);
    for (const index::CursorUpdate& cursor : update.cursors) {
        state.cursors.push_back({{}, cursor.space, cursor.segment});
        state.cursors.back().position.set(transaction, cursor.position);
    }
    if (!state.exists(transaction)) forget_if_gone(update.name);
}

void ConsumerTable::replay(ConsumerChange change, TransactionNumber transaction) {
    note_durable(transaction);
    reserve_changes(1);
    prepare(change);
    apply(change, transaction);
}

std::optional<Consumer> ConsumerTable::find(std::string_view name,
                                            TransactionNumber transaction) const {
    const ConsumerState* state = look_up(name);
    if (state == nullptr || !state->exists(transaction)) return std::nullopt;
    Consumer consumer{std::string(name), state->epoch.at(transaction), {}};
    for (index::CursorUpdate& cursor : state->update(transaction).cursors)
        consumer.cursors.push_back(
            {std::move(cursor.space), std::move(cursor.segment), cursor.position});
    std::sort(consumer.cursors.begin(), consumer.cursors.end(),
              [](const ConsumerCursor& left, const ConsumerCursor& right) {
                  return std::tie(left.space, left.segment) < std::tie(right.space, right.segment);
              });
    return consumer;
}

bool ConsumerTable::find_slowest(const Source& segment, TransactionNumber transaction,
                                 std::string& after, std::size_t turn,
                                 std::optional<SlowestConsumer>& slowest) const {
    return visit(after, turn, [&](const ConsumerState& state) {
        for (const Cursor& cursor : state.cursors) {
            const auto position = cursor.position.at(transaction);
            if (!position || !runs_over(cursor, segment)) continue;
            if (slowest && slowest->cursor.position <= *position) continue;
            slowest = {std::string(state.name), {cursor.space, cursor.segment, *position}};
        }
    });
}

}  // namespace braid
