#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <braid/consumer.hpp>
#include <braid/entry.hpp>
#include <braid/options.hpp>
#include <braid/result.hpp>

namespace braid {

/// What a transaction demands of a segment before it may commit.
struct Expectation {
    enum class Kind : std::uint8_t { any, none, exists, sequence, untouched };
    Kind kind = Kind::any;
    Sequence next{};   ///< with `sequence`: the number that the segment's next entry must get
    Position since{};  ///< with `untouched`: the segment has no entry beyond it

    bool operator==(const Expectation&) const = default;
};

namespace expect {
/// No demand.
constexpr Expectation any() {
    return {};
}
/// The segment never had an entry.
constexpr Expectation none() {
    return {Expectation::Kind::none};
}
/// The segment has had an entry.
constexpr Expectation exists() {
    return {Expectation::Kind::exists};
}
/// The next entry gets `sequence`. 0 is never met.
constexpr Expectation sequence(Sequence sequence) {
    return {Expectation::Kind::sequence, sequence};
}
/// The segment's last entry has `sequence` (0: there is none): the next one gets sequence + 1.
constexpr Expectation last(Sequence sequence) {
    return {Expectation::Kind::sequence, sequence + 1};
}
/// No other transaction has appended to the segment beyond this position: of what was read as the
/// store stood there, this much still holds. Judged before the transaction's own appends.
constexpr Expectation untouched(Position since) {
    return {Expectation::Kind::untouched, {}, since};
}
}  // namespace expect

/// Metadata as a caller gives it: a view of pairs, copied by the call it is given to.
class MetadataList {
public:
    MetadataList() = default;
    MetadataList(std::initializer_list<KeyValue> pairs) : pairs_(pairs.begin(), pairs.size()) {}
    MetadataList(std::span<const KeyValue> pairs) : pairs_(pairs) {}
    MetadataList(const std::vector<KeyValue>& pairs) : pairs_(pairs) {}

    [[nodiscard]] std::span<const KeyValue> pairs() const noexcept { return pairs_; }

private:
    std::span<const KeyValue> pairs_;
};

struct AppendOptions {
    MetadataList metadata{};
    Expectation expect{};  ///< judged against the segment as this append finds it
};

/// The sequences that one segment got.
struct SequenceRange {
    Sequence first;
    Sequence last;
};

/// What a commit was given.
struct Receipt {
    TransactionNumber transaction;  ///< 0 if there was nothing to write
    Position first_position;        ///< 0 if no entry was written, as the next two
    Position last_position;
    Timestamp timestamp;
    /// One range a segment, in the order in which the transaction first appended to them.
    boost::container::small_vector<SequenceRange, 2> segments;
    /// A transaction of the same id was committed before: this is what that one was given, and
    /// nothing was added. Timestamp and ranges are missing where its entries are trimmed.
    bool repeated = false;
};

/// Called once with the outcome, on whatever thread finds it out: one of the store's, one that
/// commits, or the caller's before `commit_async` returns. It must not block, throw, or close the
/// store.
using CommitCallback = std::function<void(Result<Receipt>)>;

class Engine;
class TransactionBody;

/// Appends that become visible and durable together, or not at all. Made by `Store::begin`; used by
/// one thread at a time. It holds no lock and no place in any order until it is committed: an open
/// transaction hinders nobody. Destroying it drops it.
///
/// Errors in building it (a name too long, a record too large) are kept: the first one is what
/// `commit` returns, and nothing is written.
class Transaction {
public:
    Transaction(Transaction&&) noexcept;
    Transaction& operator=(Transaction&&) noexcept;
    ~Transaction();

    /// Adds a record to a segment, which is created by the commit if it is new. Copies all that it
    /// is given. Never blocks.
    Transaction& append(std::string_view space, std::string_view segment, Bytes payload,
                        const AppendOptions& options = {});
    Transaction& append(std::string_view space, std::string_view segment, std::string_view payload,
                        const AppendOptions& options = {});
    /// Demands something of a segment as it stands before this transaction, written or not.
    Transaction& require(std::string_view space, std::string_view segment, Expectation expectation);

    /// Sets a consumer's cursor, creating the consumer if it is new. Judged against the consumer as
    /// it stands before this transaction: going back without `.backward`, another epoch than the
    /// owner's, or not standing where `.expect` says is a `conflict`; a position beyond what is
    /// durable is `out_of_range`. Of several for one source the last one counts.
    Transaction& set_consumer(std::string_view consumer, const Source& source, Position position,
                              const MoveOptions& options = {});
    /// Makes the caller the consumer's owner, creating the consumer if it is new: its epoch becomes
    /// the number of this transaction (`Receipt::transaction`), and whoever owned it before is
    /// refused from now on.
    Transaction& take_consumer(std::string_view consumer);
    /// Removes a consumer with all its cursors. Of `options` only the epoch counts.
    Transaction& delete_consumer(std::string_view consumer, const MoveOptions& options = {});
    /// Demands that a consumer's cursor stands there before this transaction; one that was never
    /// set stands at 0.
    Transaction& require_consumer(std::string_view consumer, const Source& source,
                                  Position position);

    /// Demands that this is the token of a lease's newest grant, and that it isn't released: so
    /// nobody else was granted it up to this commit. Not a question of time.
    Transaction& require_lease(std::string_view key, LeaseToken token);

    /// Gives the transaction an id, so that it can be committed again, after a crash or where the
    /// answer was lost, without being done twice: a commit of an id that was committed before adds
    /// nothing and returns the first one's receipt (`Receipt::repeated`) once that one has reached
    /// the level asked for. It is judged before the conditions; with another content (appends and
    /// what is done to consumers) it is a `conflict`. Remembered for the last
    /// `Options::transaction_ids_max` transactions with an id; one that writes nothing isn't.
    Transaction& set_id(const TransactionId& id);

    /// Commits at the level asked for; blocks until it is reached. Afterwards the transaction is
    /// empty and can be used again. An empty one succeeds and writes nothing.
    ///
    /// Errors: `conflict` (names each condition that was not met), `out_of_range` (a consumer's
    /// cursor beyond what is durable), `invalid_argument`, `too_large`, `no_space`, `failed`,
    /// `closed`, and `io` or `corrupt` where making room for it fails: nothing was written and no
    /// number used. `unknown_outcome`: reopening decides. std::bad_alloc: nothing was written, and
    /// the transaction is as it was; one whose building ran out of memory is refused so until it is
    /// cleared.
    Result<Receipt> commit(Durability durability = Durability::durable);
    /// The same without waiting. Blocks while the memory budget is full, and to write large bodies.
    void commit_async(CommitCallback callback, Durability durability = Durability::durable);

    /// The same, but never blocks: where it would have to wait for room in memory or log, or has a
    /// large body, it returns false, calls nobody, and the transaction is as it was; else true.
    /// It makes no room: a large transaction may find none until `commit_async` makes it.
    [[nodiscard]] bool try_commit_async(CommitCallback callback,
                                        Durability durability = Durability::durable);

    /// Drops everything added, and the first error. The transaction can be used again.
    void clear();

private:
    friend class Store;
    Transaction(std::shared_ptr<Engine> engine);

    std::shared_ptr<Engine> engine_;
    std::unique_ptr<TransactionBody> body_;
};

}  // namespace braid
