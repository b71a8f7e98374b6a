#pragma once

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <braid/types.hpp>

namespace braid {

/// The transactions that somebody may still ask about, beside all that aren't durable yet. None of
/// them is beyond the next one.
struct Marks {
    TransactionNumber drained;   ///< the catalog's
    TransactionNumber draining;  ///< the catalog's next one
    TransactionNumber durable;
};

/// A value that transactions set, as it was after each of those that matter: sequenced ones, and
/// whatever is seen at the marks. Under the sequencer's lock.
template <class Value>
class Versioned {
public:
    /// Makes sure that the next `set` has room. May throw std::bad_alloc.
    void reserve() {
        if (versions_.size() == versions_.capacity()) versions_.reserve(2 * versions_.size());
    }
    /// Transactions come in rising order.
    void set(TransactionNumber transaction, Value value, const Marks& marks) noexcept {
        if (!versions_.empty() && versions_.back().since == transaction) {
            versions_.back().value = value;
            return;
        }
        forget(marks);
        versions_.push_back({transaction, value});
    }
    /// After all transactions; the default before any `set`.
    [[nodiscard]] Value newest() const noexcept {
        return versions_.empty() ? Value() : versions_.back().value;
    }
    /// After that transaction, which is at a mark or beyond all of them.
    [[nodiscard]] Value at(TransactionNumber transaction) const noexcept {
        for (auto version = versions_.rbegin(); version != versions_.rend(); ++version)
            if (version->since <= transaction) return version->value;
        return Value();
    }
    /// The transaction that set it last; 0 if none did.
    [[nodiscard]] TransactionNumber since() const noexcept {
        return versions_.empty() ? TransactionNumber() : versions_.back().since;
    }

private:
    struct Version {
        TransactionNumber since;
        Value value;
    };

    /// Of the versions up to a mark only the newest is kept: so three at most are durable.
    void forget(const Marks& marks) noexcept {
        if (versions_.size() < 4 || versions_[3].since > marks.durable) return;
        const auto is_seen = [&](auto version) {
            const auto next = version + 1;
            const bool last = next == versions_.end();
            for (const TransactionNumber mark : {marks.drained, marks.draining, marks.durable})
                if (version->since <= mark && (last || next->since > mark)) return true;
            return version->since > marks.durable;
        };
        auto kept = versions_.begin();
        for (auto version = versions_.begin(); version != versions_.end(); ++version)
            if (is_seen(version)) *kept++ = *version;
        versions_.erase(kept, versions_.end());
    }

    boost::container::small_vector<Version, 2> versions_;
};

}  // namespace braid
