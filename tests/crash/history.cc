#include "tests/crash/history.h"

#include <fmt/format.h>

namespace braid::crash {

std::size_t History::submit(const PlannedTransaction& transaction) {
    const std::uint64_t before = transactions_.empty() ? 0 : transactions_.back().last_position;
    transactions_.push_back({&transaction, before + transaction.records.size(), {}});
    return transactions_.size() - 1;
}

void History::sequenced(std::size_t index, const Receipt& receipt) {
    Planned& planned = transactions_.at(index);
    if (receipt.last_position != planned.last_position)
        throw Broken(fmt::format("transaction {} was told that it ends at position {}, not {}",
                                 index + 1, receipt.last_position.value, planned.last_position));
    planned.stamp = {receipt.transaction, receipt.timestamp};
}

void History::refused(std::size_t index) {
    if (index + 1 != transactions_.size())
        throw Broken(fmt::format("transaction {} was refused after it had got its numbers", index));
    transactions_.pop_back();
}

void History::durable_through(Position position) {
    while (durable_ < transactions_.size() &&
           transactions_[durable_].last_position <= position.value)
        ++durable_;
}

}  // namespace braid::crash
