#include "engine/transaction_ids.h"

#include <bit>

#include "segment/checksum.h"

namespace braid {
namespace {

constexpr std::size_t table_least = 64;

}  // namespace

std::size_t TransactionIds::home(const TransactionId& id) const noexcept {
    // Ids may be counters: they are spread first.
    return segment::checksum(std::as_bytes(std::span(id)), 0) & (table_.size() - 1);
}

std::size_t TransactionIds::place_of(const TransactionId& id) const noexcept {
    std::size_t place = home(id);
    while (table_[place] != nobody && ring_[table_[place]].id != id)
        place = (place + 1) & (table_.size() - 1);
    return place;
}

const index::NotedTransaction* TransactionIds::find(const TransactionId& id) const noexcept {
    if (table_.empty()) return nullptr;
    const std::uint32_t slot = table_[place_of(id)];
    return slot == nobody ? nullptr : &ring_[slot];
}

void TransactionIds::reserve(std::size_t more) {
    const std::size_t needed = std::min<std::uint64_t>(remembered_max_, ring_.size() + more);
    if (ring_.capacity() < needed)
        ring_.reserve(std::min<std::uint64_t>(remembered_max_, needed + ring_.size() + 16));
    if (!table_.empty() && 2 * needed <= table_.size()) return;
    std::vector<std::uint32_t> larger(std::max(table_least, 2 * std::bit_ceil(needed)), nobody);
    const std::vector<std::uint32_t> slots = std::exchange(table_, std::move(larger));
    for (const std::uint32_t slot : slots)
        if (slot != nobody) table_[place_of(ring_[slot].id)] = slot;
}

/// Closes the gap, so that no search ends too early.
void TransactionIds::forget(std::uint32_t slot) noexcept {
    const std::size_t mask = table_.size() - 1;
    std::size_t gap = place_of(ring_[slot].id);
    if (table_[gap] != slot) return;  // a newer transaction has the id
    for (std::size_t next = (gap + 1) & mask; table_[next] != nobody; next = (next + 1) & mask) {
        const std::size_t wanted = home(ring_[table_[next]].id);
        if (((next - wanted) & mask) < ((next - gap) & mask)) continue;
        table_[gap] = table_[next];
        gap = next;
    }
    table_[gap] = nobody;
}

void TransactionIds::add(const Noted& noted) noexcept {
    std::size_t slot = ring_.size();
    if (ring_.size() == remembered_max_) {
        slot = oldest_;
        forget(static_cast<std::uint32_t>(slot));
        oldest_ = (oldest_ + 1) % ring_.size();
        ring_[slot] = noted;
    } else {
        ring_.push_back(noted);
    }
    table_[place_of(noted.id)] = static_cast<std::uint32_t>(slot);
}

bool TransactionIds::collect(TransactionNumber& after, TransactionNumber through, std::size_t turn,
                             std::vector<Noted>& out) const {
    std::size_t age = 0;
    for (std::size_t end = ring_.size(); age < end;) {
        const std::size_t middle = (age + end) / 2;
        if (at(middle).transaction <= after)
            age = middle + 1;
        else
            end = middle;
    }
    for (; age < ring_.size() && at(age).transaction <= through; ++age, --turn) {
        if (turn == 0) return true;
        out.push_back(at(age));
        after = at(age).transaction;
    }
    return false;
}

}  // namespace braid
