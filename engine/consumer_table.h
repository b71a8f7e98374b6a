#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <braid/consumer.hpp>
#include <braid/error.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/versioned.h"
#include "index/catalog.h"
#include "segment/change.h"

namespace braid {

/// All that memory holds of a consumer, whether it exists or did until a transaction not long ago.
struct ConsumerState {
    struct Cursor {
        std::string space;
        std::string segment;
        Versioned<std::optional<Position>> position;  ///< none: not set, or deleted
    };
    std::string_view name;
    Versioned<Epoch> epoch;
    std::vector<Cursor> cursors;  ///< only grows
    std::uint64_t listed_for =
        0;  ///< the drain that will take it as changed; past ones don't count
};

/// What a transaction does to a consumer, or demands of it.
struct ConsumerChange {
    enum class Kind : std::uint8_t { move, take, remove, require };
    Kind kind = Kind::move;
    std::string consumer;
    std::string space;
    std::string segment;
    Position position;  ///< of a move
    MoveOptions options;
    // Found by the commit; true under the lock under which that was done.
    ConsumerState* state = nullptr;
    std::size_t cursor = 0;
};

/// The store's consumers, as they were after each transaction that matters. Everything under the
/// sequencer's lock, but for what comes before the store is shared.
class ConsumerTable {
public:
    /// Judges a change as things stand; what is not met is added to `conflicts`.
    void judge(ConsumerChange& change, std::vector<Conflict>& conflicts) const;
    /// Makes room for it. May throw std::bad_alloc, and has then changed nothing that counts.
    void prepare(ConsumerChange& change);
    /// Does what was prepared.
    void apply(const ConsumerChange& change, TransactionNumber transaction) noexcept;
    /// What is durable now: older states needn't be kept.
    void note_durable(TransactionNumber transaction) noexcept { marks_.durable = transaction; }

    /// From the catalog, and from the log behind it.
    void restore(const index::ConsumerUpdate& update, TransactionNumber transaction);
    void replay(ConsumerChange change, TransactionNumber transaction);
    /// The catalog has everything through that transaction.
    void restore_drained(TransactionNumber transaction) noexcept;

    /// As it is after a transaction at a mark or beyond all of them.
    [[nodiscard]] std::optional<Consumer> find(std::string_view name,
                                               TransactionNumber transaction) const;
    /// Names beyond `after` in order, at most `limit`, looking at no more than `turn` consumers;
    /// `after` moves along. False when there are no more.
    bool list(std::string& after, std::uint64_t limit, std::size_t turn,
              TransactionNumber transaction, std::vector<std::string>& names) const;

    /// A drain begins that takes everything through that transaction. What an earlier drain left
    /// unfinished is taken again.
    void begin_drain(TransactionNumber transaction);
    /// Adds what has changed, `turn` consumers at a time. False when that was all.
    bool collect(std::size_t turn, std::vector<index::ConsumerUpdate>& updates);
    /// All that `collect` gave is durable in the catalog.
    void finish_drain() noexcept;
    /// Adds `turn` consumers beyond `after` as the catalog has them. False when that was all.
    bool snapshot(std::string& after, std::size_t turn,
                  std::vector<index::ConsumerUpdate>& updates) const;

private:
    [[nodiscard]] ConsumerState* look_up(std::string_view name) const;
    ConsumerState& find_or_make(std::string_view name);
    void note_change(ConsumerState& state) noexcept;
    [[nodiscard]] bool is_listed(const ConsumerState& state) const noexcept {
        return state.listed_for == next_drain_;
    }
    void forget_if_gone(std::string_view name) noexcept;

    Marks marks_;
    std::map<std::string, ConsumerState, std::less<>> consumers_;  // by unsigned bytes
    boost::unordered_flat_map<std::string_view, ConsumerState*> by_name_;
    std::uint64_t next_drain_ = 1;
    std::vector<ConsumerState*> changed_;   // that the next drain will take
    std::vector<ConsumerState*> draining_;  // that the drain under way takes, perhaps twice
    std::size_t collected_ = 0;             // of draining_
    std::vector<std::string> gone_;         // of draining_, by name
};

}  // namespace braid
