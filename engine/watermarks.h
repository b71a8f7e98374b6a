#pragma once

#include <atomic>
#include <braid/options.hpp>
#include <braid/types.hpp>
#include <cstdint>

#include "io/futex.h"

namespace braid {

/// How far the store has come. All rise only; one store of one integer shows a whole batch to
/// every reader at once. Raised under the commit lock; read by anybody. Under that lock position
/// and transaction of a level belong together: a transaction may have no position.
class Watermarks {
public:
    /// Pairs with `raise`: what was written before it is visible to whoever sees the new value.
    [[nodiscard]] Position committed() const noexcept {
        return committed_.load(std::memory_order_acquire);
    }
    [[nodiscard]] Position durable() const noexcept {
        return durable_.load(std::memory_order_acquire);
    }
    [[nodiscard]] Position at(Level level) const noexcept {
        return level == Level::durable ? durable() : committed();
    }

    [[nodiscard]] TransactionNumber transaction_at(Level level) const noexcept {
        const auto& mark = level == Level::durable ? durable_transaction_ : committed_transaction_;
        return mark.load(std::memory_order_acquire);
    }

    void raise_committed(Position position, TransactionNumber transaction) noexcept {
        raise(committed_transaction_, transaction);
        raise(committed_, position);
    }
    /// Whoever has seen the new durable mark finds the committed one no lower.
    void raise_durable(Position position, TransactionNumber transaction) noexcept {
        raise_committed(position, transaction);
        raise(durable_transaction_, transaction);
        raise(durable_, position);
    }

    /// For followers: take `changes`, look at the marks, then sleep until `changes` has moved on.
    [[nodiscard]] std::uint32_t changes() const noexcept {
        return changes_.load(std::memory_order_acquire);
    }
    void wait(std::uint32_t seen, std::uint64_t timeout_ns) noexcept {
        sleepers_.fetch_add(1);
        io::futex_wait(changes_, seen, timeout_ns);
        sleepers_.fetch_sub(1);
    }
    /// How many sleep in `wait` now.
    [[nodiscard]] std::uint32_t sleepers() const noexcept {
        return sleepers_.load(std::memory_order_relaxed);
    }
    /// Wakes those who wait, without having raised anything: at close.
    void wake() noexcept {
        changes_.fetch_add(1);
        if (sleepers_.load() != 0) io::futex_wake(changes_);
    }

private:
    static void raise(std::atomic<std::uint64_t>& mark, TransactionNumber transaction) noexcept {
        if (transaction.value > mark.load(std::memory_order_relaxed))
            mark.store(transaction.value, std::memory_order_release);
    }
    void raise(std::atomic<std::uint64_t>& mark, Position position) noexcept {
        if (position.value <= mark.load(std::memory_order_relaxed)) return;
        mark.store(position.value, std::memory_order_release);
        wake();
    }

    std::atomic<std::uint64_t> committed_{0};
    std::atomic<std::uint64_t> durable_{0};
    std::atomic<std::uint64_t> committed_transaction_{0};
    std::atomic<std::uint64_t> durable_transaction_{0};
    std::atomic<std::uint32_t> changes_{0};  // futex word; seq_cst against sleepers_
    std::atomic<std::uint32_t> sleepers_{0};
};

}  // namespace braid
