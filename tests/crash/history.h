// What a store was told and what it has promised of that: what must be found after a crash.
#pragma once

#include <braid/transaction.hpp>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "tests/crash/workload.h"

namespace braid::crash {

/// A promise that wasn't kept.
class Broken : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Transactions in commit order with what is known of each. A store that is found later must hold
/// the first n of them, and nothing else, where n is at least `durable`.
class History {
public:
    struct Stamp {
        TransactionNumber transaction;  ///< 0: not known yet
        Timestamp timestamp;
    };

    /// A commit begins: from now on it may be there. Returns its index.
    std::size_t submit(const PlannedTransaction& transaction, Position durable = {});
    /// What it was given.
    void sequenced(std::size_t index, const Receipt& receipt);
    /// It was refused, and is not to appear: nothing was given a number after it.
    void refused(std::size_t index);
    /// It was acknowledged durable, and so was all before it.
    void durable(std::size_t index) { durable_ = std::max(durable_, index + 1); }
    /// A watermark said so: readers that want durable entries only may have seen it.
    void durable_through(TransactionNumber transaction);
    void all_durable() { durable_ = transactions_.size(); }
    /// Entries of the segment up to that sequence may be gone from now on, and only if it was more
    /// than is gone already.
    void begin_trim(const std::string& space, const std::string& segment, std::uint64_t through);
    /// And now they must be.
    void end_trim(const std::string& space, const std::string& segment);
    /// Any of the records so far; nullptr if there is none.
    [[nodiscard]] const PlannedRecord* record(std::uint64_t pick) const;
    /// What the newest grant of a lease is known by, after so many transactions; 0 if nobody holds
    /// it.
    [[nodiscard]] LeaseToken lease_token(const std::string& key, std::size_t transactions) const;
    /// The store was acknowledged to be there at all.
    void created() noexcept { created_ = true; }
    [[nodiscard]] bool is_created() const noexcept { return created_; }
    [[nodiscard]] std::size_t size() const noexcept { return transactions_.size(); }

    /// Whether what is read may be cut short by an `io` or `no_space` error.
    enum class Reads : std::uint8_t { must_succeed, may_fail };
    /// Compares an opened store with this: everything by every way of reading. Afterwards what it
    /// served is promised and what it didn't have is gone. Throws Broken.
    void check_and_adopt(const Engine& engine, Reads reads = Reads::must_succeed);

private:
    friend class StoreCheck;
    struct Planned {
        const PlannedTransaction* transaction = nullptr;
        std::uint64_t last_position = 0;  ///< of this one and those before
        Position durable;                 ///< what its cursors were bounded by
        Stamp stamp;
    };

    struct Trim {
        std::uint64_t done = 0;
        std::uint64_t begun = 0;
    };

    std::vector<Planned> transactions_;
    std::map<std::pair<std::string, std::string>, Trim> trims_;  // by segment
    std::size_t durable_ = 0;
    bool created_ = false;
};

}  // namespace braid::crash
