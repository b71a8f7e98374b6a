#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace braid::damage {

/// What a store keeps beside its entries: consumers, leases, and the ids of transactions. What each
/// transaction does to them depends only on how many there were before.
class Kept {
public:
    /// Puts into a transaction what is its turn. `last`: the newest entry, which is durable.
    void change(TransactionBody& body, Position last);
    /// It was committed.
    void note(TransactionBody& body, const Receipt& receipt, Position last);

    /// What of it an opened store keeps otherwise; empty if nothing.
    [[nodiscard]] std::string difference(const Engine& engine) const;

private:
    struct Holding {
        LeaseToken token;
        std::uint64_t ttl_ns = 0;
    };
    [[nodiscard]] bool takes() const { return transactions_ % 3 == 0; }
    [[nodiscard]] bool sets_passing() const { return transactions_ % 4 == 1; }
    [[nodiscard]] bool deletes_passing() const { return transactions_ % 4 == 3; }
    [[nodiscard]] bool grants() const { return transactions_ % 4 != 3; }
    [[nodiscard]] std::string key() const { return transactions_ % 2 == 0 ? "even" : "odd"; }
    [[nodiscard]] std::uint64_t ttl_ns() const { return 1'000 + transactions_; }
    [[nodiscard]] TransactionId id() const;

    [[nodiscard]] std::string consumer_difference(const Engine& engine) const;
    [[nodiscard]] std::string lease_difference(const Engine& engine) const;
    [[nodiscard]] std::string id_difference(const Engine& engine) const;

    std::uint64_t transactions_ = 0;
    std::map<std::string, Consumer> consumers_;
    std::map<std::string, Holding> leases_;
    std::vector<index::NotedTransaction> ids_;
};

}  // namespace braid::damage
