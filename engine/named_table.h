#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/versioned.h"

namespace braid {

/// What transactions change by name, as it was after each transaction that matters, and what of it
/// the catalog has yet to learn. Everything under the sequencer's lock, but for what comes before
/// the store is shared.
///
/// `State` is all that memory holds of one, whether it exists or did until a transaction not long
/// ago. It has a `name` and a `listed_for`, which are the table's, and says of itself what it was
/// after a transaction (`exists`, `update`: what the catalog keeps of it), and which was the newest
/// to change it (`newest_change`).
template <class State, class Update>
class NamedTable {
public:
    /// Makes room for a transaction with so many changes. May throw std::bad_alloc.
    void reserve_changes(std::size_t count) {
        if (changed_.capacity() - changed_.size() < count)
            changed_.reserve(std::max(changed_.size() + count, 2 * changed_.size()));
    }
    /// What is durable now: older states needn't be kept.
    void note_durable(TransactionNumber transaction) noexcept { marks_.durable = transaction; }
    /// The catalog has everything through that transaction.
    void restore_drained(TransactionNumber transaction) noexcept {
        marks_ = {transaction, transaction, transaction};
    }

    /// Names beyond `after` in order, at most `limit`, looking at no more than `turn`; `after`
    /// moves along. False when there are no more.
    bool list(std::string& after, std::uint64_t limit, std::size_t turn,
              TransactionNumber transaction, std::vector<std::string>& names) const;

    /// A drain begins that takes everything through that transaction. What an earlier drain left
    /// unfinished is taken again.
    void begin_drain(TransactionNumber transaction);
    /// Adds what has changed, `turn` at a time. False when that was all.
    bool collect(std::size_t turn, std::vector<Update>& updates);
    /// All that `collect` gave is durable in the catalog.
    void finish_drain() noexcept;
    /// Adds `turn` beyond `after` as the catalog has them. False when that was all.
    bool snapshot(std::string& after, std::size_t turn, std::vector<Update>& updates) const;

protected:
    /// Calls `visit` with the `turn` states beyond `after`, in order; `after` moves along. False
    /// when there are no more.
    template <class Visit>
    bool visit(std::string& after, std::size_t turn, Visit visit) const;
    [[nodiscard]] const Marks& marks() const noexcept { return marks_; }
    [[nodiscard]] State* look_up(std::string_view name) const {
        const auto found = by_name_.find(name);
        return found == by_name_.end() ? nullptr : found->second;
    }
    State& find_or_make(std::string_view name);
    /// A drain must take it. There is room.
    void note_change(State& state) noexcept;
    /// Once the catalog knows that it is gone, and no later transaction has it.
    void forget_if_gone(std::string_view name) noexcept;
    /// States forgotten so far: as long as it stays, every state stays where it is.
    [[nodiscard]] std::uint64_t forgotten() const noexcept { return forgotten_; }
    [[nodiscard]] std::map<std::string, State, std::less<>>& states() noexcept { return states_; }

private:
    [[nodiscard]] bool is_listed(const State& state) const noexcept {
        return state.listed_for == next_drain_;
    }

    Marks marks_;
    std::map<std::string, State, std::less<>> states_;  // by unsigned bytes
    boost::unordered_flat_map<std::string_view, State*> by_name_;
    std::uint64_t forgotten_ = 0;
    std::uint64_t next_drain_ = 1;
    std::vector<State*> changed_;    // that the next drain will take
    std::vector<State*> draining_;   // that the drain under way takes, perhaps twice
    std::size_t collected_ = 0;      // of draining_
    std::vector<std::string> gone_;  // of draining_, by name
};

template <class State, class Update>
State& NamedTable<State, Update>::find_or_make(std::string_view name) {
    if (State* known = look_up(name)) return *known;
    // At the end by preference: the catalog has them in order.
    const auto made = states_.try_emplace(states_.end(), std::string(name));
    made->second.name = made->first;
    by_name_.emplace(made->second.name, &made->second);
    return made->second;
}

template <class State, class Update>
void NamedTable<State, Update>::note_change(State& state) noexcept {
    if (is_listed(state)) return;
    state.listed_for = next_drain_;
    changed_.push_back(&state);
}

template <class State, class Update>
bool NamedTable<State, Update>::list(std::string& after, std::uint64_t limit, std::size_t turn,
                                     TransactionNumber transaction,
                                     std::vector<std::string>& names) const {
    auto at = states_.upper_bound(after);
    for (; turn > 0 && at != states_.end(); ++at, --turn) {
        if (names.size() == limit) return false;
        after = at->first;
        if (at->second.exists(transaction)) names.push_back(at->first);
    }
    return at != states_.end();
}

template <class State, class Update>
template <class Visit>
bool NamedTable<State, Update>::visit(std::string& after, std::size_t turn, Visit visit) const {
    auto at = states_.upper_bound(after);
    for (; turn > 0 && at != states_.end(); ++at, --turn) {
        after = at->first;
        visit(at->second);
    }
    return at != states_.end();
}

template <class State, class Update>
void NamedTable<State, Update>::begin_drain(TransactionNumber transaction) {
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

template <class State, class Update>
bool NamedTable<State, Update>::collect(std::size_t turn, std::vector<Update>& updates) {
    for (; turn > 0 && collected_ < draining_.size(); --turn) {
        State& state = *draining_[collected_];
        const bool goes_on = state.newest_change() > marks_.draining;
        if (goes_on) reserve_changes(1);
        updates.push_back(state.update(marks_.draining));
        if (!state.exists(marks_.draining)) gone_.emplace_back(state.name);
        if (goes_on) note_change(state);
        ++collected_;
    }
    return collected_ < draining_.size();
}

template <class State, class Update>
void NamedTable<State, Update>::finish_drain() noexcept {
    marks_.drained = marks_.draining;
    draining_.clear();
    for (const std::string& name : gone_) forget_if_gone(name);
    gone_.clear();
}

template <class State, class Update>
void NamedTable<State, Update>::forget_if_gone(std::string_view name) noexcept {
    const auto found = states_.find(name);
    if (found == states_.end()) return;
    const TransactionNumber newest = found->second.newest_change();
    if (is_listed(found->second) || newest > marks_.drained || found->second.exists(newest)) return;
    by_name_.erase(name);
    states_.erase(found);
    ++forgotten_;
}

template <class State, class Update>
bool NamedTable<State, Update>::snapshot(std::string& after, std::size_t turn,
                                         std::vector<Update>& updates) const {
    return visit(after, turn, [&](const State& state) {
        if (state.exists(marks_.drained)) updates.push_back(state.update(marks_.drained));
    });
}

}  // namespace braid
