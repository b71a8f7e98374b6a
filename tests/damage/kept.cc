#include "tests/damage/kept.h"

#include <fmt/format.h>

#include "engine/transaction_body.h"

namespace braid::damage {
namespace {

constexpr const char* owned = "owned";      // taken over now and then, moves each time
constexpr const char* passing = "passing";  // comes and goes
constexpr const char* holder = "holder";
const Source orders = "orders";

}  // namespace

TransactionId Kept::id() const {
    TransactionId id{};
    id[0] = static_cast<std::uint8_t>(transactions_ + 1);
    return id;
}

void Kept::change(TransactionBody& body, Position last) {
    const auto found = consumers_.find(owned);
    const Epoch epoch = found == consumers_.end() ? Epoch() : found->second.epoch;
    body.set_consumer(owned, orders, last, {.epoch = epoch});
    if (takes()) body.take_consumer(owned);
    if (sets_passing()) body.set_consumer(passing, {}, last, {});
    if (deletes_passing()) body.delete_consumer(passing, {});
    if (grants())
        body.grant_lease(key(), holder, ttl_ns(), 0);
    else
        body.release_lease(key(), leases_.at(key()).token);
    body.set_id(id());
}

void Kept::note(TransactionBody& body, const Receipt& receipt, Position last) {
    Consumer& moved = consumers_[owned];
    moved.name = owned;
    moved.cursors = {{"orders", "", last}};
    if (takes()) moved.epoch = Epoch(receipt.transaction.value);
    if (sets_passing()) consumers_[passing] = {passing, {}, {{"", "", last}}};
    if (deletes_passing()) consumers_.erase(passing);
    if (grants())
        leases_[key()] = {LeaseToken(receipt.transaction.value), ttl_ns()};
    else
        leases_.erase(key());
    ids_.push_back({id(), body.fingerprint(), receipt.transaction, receipt.first_position,
                    receipt.last_position - receipt.first_position + 1});
    ++transactions_;
}

std::string Kept::consumer_difference(const Engine& engine) const {
    std::vector<std::string> names;
    for (const auto& [name, consumer] : consumers_) {
        names.push_back(name);
        if (engine.consumer(name, Level::durable) != consumer)
            return fmt::format("consumer '{}' is another", name);
    }
    return engine.consumer_names({}, no_limit) == names ? "" : "other consumers";
}

std::string Kept::lease_difference(const Engine& engine) const {
    for (const auto& [key, holding] : leases_) {
        const auto lease = engine.lease(key, Level::durable);
        if (!lease || lease->holder != holder || lease->token != holding.token ||
            lease->ttl != std::chrono::nanoseconds(holding.ttl_ns))
            return fmt::format("lease '{}' is another", key);
    }
    return engine.leases({}, no_limit).size() == leases_.size() ? "" : "other leases";
}

std::string Kept::id_difference(const Engine& engine) const {
    for (const index::NotedTransaction& noted : ids_) {
        if (engine.noted(noted.id) != noted)
            return fmt::format("the id of transaction {} is known otherwise",
                               noted.transaction.value);
    }
    TransactionId next{};
    next[0] = static_cast<std::uint8_t>(ids_.size() + 1);
    return engine.noted(next) ? "an id that nothing was committed with is known" : "";
}

std::string Kept::difference(const Engine& engine) const {
    for (const std::string& what :
         {consumer_difference(engine), lease_difference(engine), id_difference(engine)})
        if (!what.empty()) return what;
    return {};
}

}  // namespace braid::damage
