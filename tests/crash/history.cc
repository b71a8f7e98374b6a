#include "tests/crash/history.h"

#include <fmt/format.h>

namespace braid::crash {

std::size_t History::submit(const PlannedTransaction& transaction, Position durable) {
    const std::uint64_t before = transactions_.empty() ? 0 : transactions_.back().last_position;
    transactions_.push_back({&transaction, before + transaction.records.size(), durable, {}});
    return transactions_.size() - 1;
}

void History::sequenced(std::size_t index, const Receipt& receipt) {
    Planned& planned = transactions_.at(index);
    if (receipt.transaction != index + 1)
        throw Broken(fmt::format("transaction {} was told that it is {}", index + 1,
                                 receipt.transaction.value));
    const std::uint64_t last = planned.transaction->records.empty() ? 0 : planned.last_position;
    if (receipt.last_position != last)
        throw Broken(fmt::format("transaction {} was told that it ends at position {}, not {}",
                                 index + 1, receipt.last_position.value, last));
    if (last != 0) planned.stamp = {receipt.transaction, receipt.timestamp};
}

void History::refused(std::size_t index) {
    if (index + 1 != transactions_.size())
        throw Broken(fmt::format("transaction {} was refused after it had got its numbers", index));
    transactions_.pop_back();
}

void History::durable_through(TransactionNumber transaction) {
    durable_ = std::max(durable_, static_cast<std::size_t>(transaction.value));
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

LeaseToken History::lease_token(const std::string& key, std::size_t transactions) const {
    LeaseToken token;
    for (std::size_t i = 0; i < transactions; ++i)
        for (const PlannedLease& one : transactions_[i].transaction->leases) {
            if (one.key != key) continue;
            const bool is_grant = one.kind == PlannedLease::Kind::grant || token == 0;
            token = is_grant ? i + 1 : 0;
        }
    return token;
}

const PlannedRecord* History::record(std::uint64_t pick) const {
    if (transactions_.empty()) return nullptr;
    const auto& records = transactions_[pick % transactions_.size()].transaction->records;
    return records.empty() ? nullptr : &records.front();
}

}  // namespace braid::crash
