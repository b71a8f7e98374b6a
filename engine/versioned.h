#pragma once

#include <algorithm>
#include <braid/types.hpp>
#include <utility>
#include <vector>

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
    /// Makes sure that the next `set` has room; what nobody may ask about goes first. May throw
    /// std::bad_alloc.
    void reserve(const Marks& marks) {
        if (older_.size() < older_.capacity()) return;
        forget(marks);
        // Were there hardly any room, the next ones would look through all of it again.
        if (older_.capacity() == 0 || older_.size() > older_.capacity() / 2)
            older_.reserve(std::max<std::size_t>(2, 2 * older_.capacity()));
    }
    /// Transactions come in rising order. Room was made, unless it is the first.
    void set(TransactionNumber transaction, Value value) noexcept {
        if (newest_.since != transaction && newest_.since != 0)
            older_.push_back(std::move(newest_));
        newest_ = {transaction, std::move(value)};
    }
    /// After all transactions; the default before any `set`.
    [[nodiscard]] const Value& newest() const noexcept { return newest_.value; }
    /// After that transaction, which is at a mark or beyond all of them.
    [[nodiscard]] Value at(TransactionNumber transaction) const noexcept {
        if (newest_.since <= transaction) return newest_.value;
        for (auto version = older_.rbegin(); version != older_.rend(); ++version)
            if (version->since <= transaction) return version->value;
        return Value();
    }
    /// The transaction that set it last; 0 if none did.
    [[nodiscard]] TransactionNumber since() const noexcept { return newest_.since; }

private:
    struct Version {
        TransactionNumber since;
        Value value{};
    };

    /// Of the versions up to a mark only the newest is kept: so three at most are durable.
    void forget(const Marks& marks) noexcept {
        const auto is_seen = [&](auto version) {
            const auto next = version + 1;
            const auto replaced = next == older_.end() ? newest_.since : next->since;
            for (const TransactionNumber mark : {marks.drained, marks.draining})
                if (version->since <= mark && replaced > mark) return true;
            return replaced > marks.durable;
        };
        auto kept = older_.begin();
        for (auto version = older_.begin(); version != older_.end(); ++version)
            if (is_seen(version)) *kept++ = std::move(*version);
        older_.erase(kept, older_.end());
    }

    Version newest_;  // it alone is what most moves look at
    std::vector<Version> older_;
};

}  // namespace braid
