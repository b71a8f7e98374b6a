#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/store_fixture.h"

namespace braid::test {

/// One record of a transaction, with what it expects of its segment.
struct ModelAppend {
    std::string space;
    std::string segment;
    std::string payload;
    std::vector<std::pair<std::string, std::string>> metadata;
    Expectation expect;
};

/// A demand on a segment as it stands before the transaction.
struct ModelCondition {
    std::string space;
    std::string segment;
    Expectation expect;
};

/// What a transaction does to a consumer.
struct ModelMove {
    enum class Kind : std::uint8_t { set, take, remove };
    Kind kind = Kind::set;
    std::string consumer;
    std::string space;
    std::string segment;
    std::uint64_t position = 0;
    std::uint64_t epoch = 0;
    std::optional<std::uint64_t> expect;
    bool backward = false;
};

/// A consumer: its owner's epoch, and its cursors by space and segment.
struct ModelConsumer {
    std::uint64_t epoch = 0;
    std::map<std::pair<std::string, std::string>, std::uint64_t> cursors;
};

/// Who holds a key.
struct ModelLease {
    std::string holder;
    std::uint64_t token = 0;
};

struct ModelTransaction {
    std::vector<ModelCondition> conditions;
    std::vector<std::pair<std::string, std::uint64_t>> tokens;  ///< required, of leases
    std::vector<ModelAppend> appends;
    std::vector<ModelMove> moves;
};

/// What a commit must answer.
struct ModelOutcome {
    bool conflict = false;
    /// With a conflict: the segments, and the sources of cursors, with a demand that is not met, in
    /// no order; a lease has no name here.
    std::vector<std::pair<std::string, std::string>> refused_by;
    /// The newest position that the answer was judged on.
    std::uint64_t judged_on = 0;
    /// Without one; all 0 if there was nothing to write, all but the first if there was no append.
    std::uint64_t transaction = 0;
    std::uint64_t first_position = 0;
    std::uint64_t last_position = 0;
    /// First and last sequence a segment, in the order of first appends.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
};

/// What a reader asks for. A missing space is one that isn't a key of `spaces`.
struct ModelSelection {
    bool all_spaces = false;
    std::map<std::string, std::uint64_t> spaces;  ///< with the cursor of each
    std::optional<std::string> segment;           ///< only this one; else all
    std::uint64_t from = 0;
    std::uint64_t to = no_limit;
    std::uint64_t from_time = 0;
    std::uint64_t to_time = no_limit;
    std::uint64_t after = 0;
    std::uint64_t limit = 0;
    std::uint64_t as_of = no_limit;
    bool backward = false;
    bool skip_trimmed = false;  ///< else a forward read of what is trimmed is refused
};

/// What a store must hold, as one list of entries in commit order. Everything else is computed from
/// the list by walking it, so that there is little that can be wrong.
class Model {
public:
    /// Judges a transaction and, if nothing speaks against it, takes it. Timestamps stay 0 until
    /// `learn_timestamp`: the clock is the store's.
    ModelOutcome commit(const ModelTransaction& transaction);

    /// Says which timestamp a transaction got. A sentence if that can't be.
    std::optional<std::string> learn_timestamp(std::uint64_t transaction, std::uint64_t timestamp);

    /// Gives up a segment's entries up to a sequence.
    void trim(const std::string& space, const std::string& segment, std::uint64_t through);
    /// Whether a consumer has yet to read some of a segment's entries up to a sequence.
    [[nodiscard]] bool is_held_back(const std::string& space, const std::string& segment,
                                    std::uint64_t through) const;
    [[nodiscard]] std::uint64_t trimmed(const std::string& space, const std::string& segment) const;
    /// The position through which what is selected is trimmed, if reading it must be refused for
    /// that; else 0.
    [[nodiscard]] std::uint64_t refused_through(const ModelSelection& selection) const;

    /// Where the last transaction ends that lies at or before a position.
    [[nodiscard]] std::uint64_t transaction_end(std::uint64_t position) const;
    /// The positions of the entries selected among those up to a position, in the order of
    /// delivery.
    [[nodiscard]] std::vector<std::uint64_t> read(const ModelSelection& selection,
                                                  std::uint64_t visible_through) const;
    /// The segment's newest entry, trimmed or not; without a position if it never had one.
    [[nodiscard]] Seen newest(const std::string& space, const std::string& segment) const;
    [[nodiscard]] const Seen& at(std::uint64_t position) const { return entries_[position - 1]; }
    [[nodiscard]] std::uint64_t last_position() const noexcept { return entries_.size(); }
    [[nodiscard]] std::uint64_t last_transaction() const noexcept { return last_transaction_; }
    /// Those that exist, by name.
    [[nodiscard]] const std::map<std::string, ModelConsumer>& consumers() const noexcept {
        return consumers_;
    }
    /// Those that somebody holds, by key.
    [[nodiscard]] const std::map<std::string, ModelLease>& leases() const noexcept {
        return leases_;
    }
    [[nodiscard]] bool holds(const std::string& key, std::uint64_t token) const;
    /// A transaction that does nothing else; returns the token.
    std::uint64_t grant_lease(const std::string& key, const std::string& holder);
    void release_lease(const std::string& key);
    [[nodiscard]] std::uint64_t segment_count() const noexcept { return segments_.size(); }
    /// 0 where it is missing.
    [[nodiscard]] std::uint64_t last_sequence(const std::string& space,
                                              const std::string& segment) const;
    /// The positions in [from, to] at which a transaction ends; 0 counts as one.
    [[nodiscard]] std::vector<std::uint64_t> ends(std::uint64_t from, std::uint64_t to) const;
    [[nodiscard]] std::vector<std::string> spaces(std::uint64_t visible_through) const;
    [[nodiscard]] std::vector<std::string> segments(const std::string& space,
                                                    std::uint64_t visible_through) const;

private:
    using Name = std::pair<std::string, std::string>;
    using Lengths = std::map<Name, std::uint64_t>;
    static std::uint64_t length(const Lengths& lengths, const Name& name);

    void judge(const ModelTransaction& transaction, ModelOutcome& outcome) const;
    void judge_moves(const ModelTransaction& transaction, std::set<Name>& refused) const;
    void take(const ModelTransaction& transaction, ModelOutcome& outcome);
    void move(const ModelTransaction& transaction);

    std::vector<Seen> entries_;
    Lengths segments_;
    Lengths trimmed_;
    std::map<std::string, ModelConsumer> consumers_;
    std::map<std::string, ModelLease> leases_;
    std::uint64_t last_transaction_ = 0;
};

/// Whether names ascend by unsigned bytes.
struct ByUnsignedBytes {
    bool operator()(const std::string& left, const std::string& right) const noexcept;
};

}  // namespace braid::test
