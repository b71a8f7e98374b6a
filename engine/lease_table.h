#pragma once

#include <braid/error.hpp>
#include <braid/lease.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/named_table.h"
#include "index/catalog.h"

namespace braid {

/// Who got a key. Without a token: nobody.
struct LeaseGrant {
    LeaseToken token;
    std::uint64_t ttl_ns = 0;
    std::shared_ptr<const std::string> holder;
};

/// A lease as NamedTable keeps it, by its key.
struct LeaseState {
    std::string_view name;
    std::uint64_t listed_for = 0;  ///< the drain that will take it as changed
    Versioned<LeaseGrant> grant;
    std::uint64_t deadline_ns = 0;  ///< by the monotonic clock; of the newest grant

    [[nodiscard]] bool exists(TransactionNumber transaction) const noexcept {
        return grant.at(transaction).token != 0;
    }
    [[nodiscard]] TransactionNumber newest_change() const noexcept { return grant.since(); }
    [[nodiscard]] index::LeaseUpdate update(TransactionNumber transaction) const;
};

/// What a transaction does to a lease, or demands of it.
struct LeaseChange {
    enum class Kind : std::uint8_t { grant, release, require };
    Kind kind = Kind::grant;
    std::string key;
    LeaseToken token{};                           ///< of what is released or required
    std::shared_ptr<const std::string> holder{};  ///< of a grant, as the next two
    std::uint64_t ttl_ns = 0;
    std::uint64_t now_ns = 0;  ///< by the monotonic clock
    // Found by the commit; true under the lock under which that was done.
    LeaseState* state = nullptr;
};

/// The store's leases.
class LeaseTable : public NamedTable<LeaseState, index::LeaseUpdate> {
public:
    /// Judges a change as things stand; what is not met is added to `conflicts`.
    void judge(LeaseChange& change, std::vector<Conflict>& conflicts) const;
    /// Makes room for it, beside `reserve_changes`. May throw std::bad_alloc, and has then changed
    /// nothing that counts.
    void prepare(LeaseChange& change);
    /// Does what was prepared.
    void apply(const LeaseChange& change, TransactionNumber transaction) noexcept;
    /// A lease that still has that token lasts its full time from now. False where it hasn't.
    bool renew(std::string_view key, LeaseToken token, std::uint64_t now_ns) noexcept;

    /// From the catalog, and from the log behind it.
    void restore(const index::LeaseUpdate& update, TransactionNumber transaction);
    void replay(LeaseChange change, TransactionNumber transaction);
    /// All that were found last their full time from now.
    void begin(std::uint64_t now_ns) noexcept;

    /// As it is after a transaction at a mark or beyond all of them.
    [[nodiscard]] std::optional<Lease> find(std::string_view key, TransactionNumber transaction,
                                            std::uint64_t now_ns) const;
};

}  // namespace braid
