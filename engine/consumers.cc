// Consumers and leases: what a store says of them, and what of leases isn't a transaction.
#include <fmt/format.h>

#include <algorithm>

#include "engine/engine.h"
#include "engine/transaction_body.h"

namespace braid {
namespace {

/// So many at a time are looked at under the lock, so that no commit waits long.
constexpr std::size_t turn = 256;

}  // namespace

std::unique_lock<std::mutex> Engine::lock_sequencer() const {
    if (group_ == nullptr) return {};
    return std::unique_lock(group_->mutex);
}

std::optional<Consumer> Engine::consumer(std::string_view name, Level level) const {
    const auto lock = lock_sequencer();
    return consumers_->find(name, watermarks_.transaction_at(level));
}

template <class Table>
std::vector<std::string> Engine::names_of(const Table& table, std::string after,
                                          std::uint64_t limit) const {
    std::vector<std::string> names;
    for (bool more = true; more;) {
        const auto lock = lock_sequencer();
        more = table.list(after, limit, turn, watermarks_.transaction_at(Level::committed), names);
    }
    return names;
}

std::vector<std::string> Engine::consumer_names(std::string after, std::uint64_t limit) const {
    return names_of(*consumers_, std::move(after), limit);
}

std::optional<Error> Engine::held_back(const Source& segment, Position position) const {
    std::optional<SlowestConsumer> slowest;
    std::string after;
    for (bool more = true; more;) {
        const auto lock = lock_sequencer();
        more = consumers_->find_slowest(segment, watermarks_.transaction_at(Level::durable), after,
                                        turn, slowest);
    }
    if (!slowest || slowest->cursor.position >= position) return std::nullopt;
    Conflict conflict;
    conflict.space = slowest->cursor.space;
    conflict.segment = slowest->cursor.segment;
    conflict.consumer = slowest->name;
    conflict.required = fmt::format("position {} or beyond", position.value);
    conflict.actual = fmt::format("it stands at position {}", slowest->cursor.position.value);
    return Error::conflict({std::move(conflict)});
}

Result<Lease> Engine::acquire_lease(std::string_view key, std::string_view holder,
                                    std::chrono::nanoseconds ttl) {
    if (ttl <= ttl.zero())
        return Error(Errc::invalid_argument, "a lease is granted for more than no time");
    TransactionBody body(options_);
    body.grant_lease(key, holder, static_cast<std::uint64_t>(ttl.count()), monotonic_ns());
    const auto receipt = commit(body, Durability::durable);
    if (!receipt) return receipt.error();
    return Lease{std::string(key), std::string(holder), LeaseToken(receipt->transaction.value), ttl,
                 ttl};
}

/// Nothing of it is stored: an opening gives each lease its full time anyway.
Result<void> Engine::renew_lease(std::string_view key, LeaseToken token) {
    TransactionBody body(options_);
    body.require_lease(key, token);
    const auto receipt = commit(body, Durability::durable);
    if (!receipt) return receipt.error();
    const auto lock = lock_sequencer();
    if (leases_->renew(key, token, monotonic_ns())) return {};
    return Error(Errc::conflict, "the lease was granted anew or released meanwhile");
}

std::optional<Lease> Engine::lease(std::string_view key, Level level) const {
    const auto lock = lock_sequencer();
    return leases_->find(key, watermarks_.transaction_at(level), monotonic_ns());
}

std::vector<Lease> Engine::leases(std::string after, std::uint64_t limit) const {
    std::vector<Lease> leases;
    for (const std::string& key : names_of(*leases_, std::move(after), limit))
        if (auto found = lease(key, Level::committed)) leases.push_back(*std::move(found));
    return leases;
}

}  // namespace braid
