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

void History::begin_trim(const std::string& space, const std::string& segment,
                         std::uint64_t through) {
    Trim& trim = trims_[{space, segment}];
    trim.begun = std::max(trim.done, through);
}

void History::end_trim(const std::string& space, const std::string& segment) {
    Trim& trim = trims_[{space, segment}];
    trim.done = trim.begun;
}

const PlannedRecord* History::record(std::uint64_t pick) const {
    if (transactions_.empty()) return nullptr;
    return &transactions_[pick % transactions_.size()].transaction->records.front();
}

}  // namespace braid::crash
