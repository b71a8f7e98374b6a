#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "index/catalog.h"

namespace braid {

/// The ids of the last transactions that had one, with what tells them again. A ring in order of
/// transactions, and beside it a table of slots, so that one costs some 60 bytes. Everything under
/// the sequencer's lock, but for what comes before the store is shared.
class TransactionIds {
public:
    using Noted = index::NotedTransaction;

    explicit TransactionIds(std::uint64_t remembered_max) : remembered_max_(remembered_max) {}

    /// The newest transaction with that id; nullptr if none is remembered.
    [[nodiscard]] const Noted* find(const TransactionId& id) const noexcept;
    /// Makes room for so many more. May throw std::bad_alloc, and has then changed nothing that
    /// counts.
    void reserve(std::size_t more = 1);
    /// Remembers it and, beyond the limit, forgets the oldest. Room was made; transactions rise.
    void add(const Noted& noted) noexcept;
    /// From catalog or log.
    void restore(const Noted& noted) {
        reserve();
        add(noted);
    }
    /// Adds those in (after, through] in order, at most `turn`; `after` moves along. False when
    /// that was all.
    bool collect(TransactionNumber& after, TransactionNumber through, std::size_t turn,
                 std::vector<Noted>& out) const;
    [[nodiscard]] std::size_t size() const noexcept { return ring_.size(); }

private:
    static constexpr std::uint32_t nobody = ~std::uint32_t{0};

    [[nodiscard]] const Noted& at(std::size_t age) const noexcept {
        return ring_[(oldest_ + age) % ring_.size()];
    }
    [[nodiscard]] std::size_t home(const TransactionId& id) const noexcept;
    /// Where in the table the id's slot stands, or the empty place where it would.
    [[nodiscard]] std::size_t place_of(const TransactionId& id) const noexcept;
    void forget(std::uint32_t slot) noexcept;

    std::uint64_t remembered_max_;
    std::vector<Noted> ring_;
    std::size_t oldest_ = 0;            // slot in ring_; 0 until it is full
    std::vector<std::uint32_t> table_;  // slots by id, open addressing; a power of two
};

}  // namespace braid
