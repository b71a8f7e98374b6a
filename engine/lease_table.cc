#include "engine/lease_table.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <limits>
#include <utility>

namespace braid {
namespace {

/// Times beyond the clock's range are as good as its end.
std::uint64_t after(std::uint64_t now_ns, std::uint64_t ttl_ns) {
    const std::uint64_t most = std::numeric_limits<std::uint64_t>::max() - now_ns;
    return now_ns + std::min(ttl_ns, most);
}

std::uint64_t left_ns(const LeaseState& state, std::uint64_t now_ns) {
    return state.deadline_ns > now_ns ? state.deadline_ns - now_ns : 0;
}

LeaseGrant newest_of(const LeaseState* state) {
    return state == nullptr ? LeaseGrant() : state->grant.newest();
}

std::string in_words(const LeaseGrant& grant) {
    if (grant.token == 0) return "nobody holds it";
    return fmt::format("'{}' holds it with token {}", *grant.holder, grant.token.value);
}

Conflict conflict_of(const LeaseChange& change, std::string required, std::string actual) {
    Conflict conflict;
    conflict.lease = change.key;
    conflict.required = std::move(required);
    conflict.actual = std::move(actual);
    return conflict;
}

}  // namespace

index::LeaseUpdate LeaseState::update(TransactionNumber transaction) const {
    const LeaseGrant then = grant.at(transaction);
    return {std::string(name), then.token, then.holder ? *then.holder : std::string(), then.ttl_ns};
}

void LeaseTable::judge(LeaseChange& change, std::vector<Conflict>& conflicts) const {
    change.state = look_up(change.key);
    const LeaseGrant grant = newest_of(change.state);
    if (change.kind != LeaseChange::Kind::grant) {
        if (grant.token != change.token || change.token == 0)
            conflicts.push_back(
                conflict_of(change, fmt::format("token {}", change.token.value), in_words(grant)));
        return;
    }
    if (grant.token == 0 || *grant.holder == *change.holder) return;
    const std::uint64_t left = left_ns(*change.state, change.now_ns);
    if (left == 0) return;
    conflicts.push_back(conflict_of(
        change, "no other holder",
        fmt::format("{} for another {} ms", in_words(grant), (left + 999'999) / 1'000'000)));
}

void LeaseTable::prepare(LeaseChange& change) {
    if (change.kind == LeaseChange::Kind::require) return;
    if (change.state == nullptr) change.state = &find_or_make(change.key);
    change.state->grant.reserve(marks());
}

void LeaseTable::apply(const LeaseChange& change, TransactionNumber transaction) noexcept {
    if (change.kind == LeaseChange::Kind::require) return;
    LeaseState& state = *change.state;
    LeaseGrant grant;
    if (change.kind == LeaseChange::Kind::grant) {
        grant = {LeaseToken(transaction.value), change.ttl_ns, change.holder};
        state.deadline_ns = after(change.now_ns, change.ttl_ns);
    }
    state.grant.set(transaction, std::move(grant));
    note_change(state);
}

bool LeaseTable::renew(std::string_view key, LeaseToken token, std::uint64_t now_ns) noexcept {
    LeaseState* state = look_up(key);
    const LeaseGrant grant = newest_of(state);
    if (token == 0 || grant.token != token) return false;
    state->deadline_ns = std::max(state->deadline_ns, after(now_ns, grant.ttl_ns));
    return true;
}

void LeaseTable::restore(const index::LeaseUpdate& update, TransactionNumber transaction) {
    restore_drained(transaction);
    LeaseState& state = find_or_make(update.key);
    state.grant = {};
    if (update.token != 0)
        state.grant.set(transaction, {update.token, update.ttl_ns,
                                      std::make_shared<const std::string>(update.holder)});
    if (!state.exists(transaction)) forget_if_gone(update.key);
}

void LeaseTable::replay(LeaseChange change, TransactionNumber transaction) {
    note_durable(transaction);
    reserve_changes(1);
    prepare(change);
    apply(change, transaction);
}

void LeaseTable::begin(std::uint64_t now_ns) noexcept {
    for (auto& [key, state] : states())
        state.deadline_ns = after(now_ns, state.grant.newest().ttl_ns);
}

std::optional<Lease> LeaseTable::find(std::string_view key, TransactionNumber transaction,
                                      std::uint64_t now_ns) const {
    const LeaseState* state = look_up(key);
    if (state == nullptr || !state->exists(transaction)) return std::nullopt;
    const LeaseGrant grant = state->grant.at(transaction);
    using std::chrono::nanoseconds;
    return Lease{std::string(key), *grant.holder, grant.token, nanoseconds(grant.ttl_ns),
                 nanoseconds(left_ns(*state, now_ns))};
}

}  // namespace braid
