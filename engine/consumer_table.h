#pragma once

#include <boost/container/small_vector.hpp>
#include <braid/consumer.hpp>
#include <braid/error.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/named_table.h"
#include "index/catalog.h"

namespace braid {

/// A consumer as NamedTable keeps it.
struct ConsumerState {
    struct Cursor {
        Versioned<std::optional<Position>> position;  ///< none: not set, or deleted
        std::string space;
        std::string segment;
    };
    std::string_view name;
    std::uint64_t listed_for = 0;  ///< the drain that will take it as changed
    Versioned<Epoch> epoch;
    boost::container::small_vector<Cursor, 1> cursors;  ///< only grows

    [[nodiscard]] bool exists(TransactionNumber transaction) const noexcept;
    [[nodiscard]] TransactionNumber newest_change() const noexcept;
    [[nodiscard]] index::ConsumerUpdate update(TransactionNumber transaction) const;
};

/// What a transaction does to a consumer, or demands of it.
struct ConsumerChange {
    enum class Kind : std::uint8_t { move, take, remove, require };
    Kind kind = Kind::move;
    std::string consumer{};
    std::string space{};
    std::string segment{};
    Position position{};  ///< of a move
    MoveOptions options{};
    // Found by the commit; true as long as the table has forgotten no more than then. So a loop
    // that moves the same consumer looks for it once.
    ConsumerState* state = nullptr;
    std::size_t cursor = no_cursor;
    std::uint64_t forgotten = 0;
    static constexpr std::size_t no_cursor = ~std::size_t{0};
};

/// Who is furthest behind in a segment.
struct SlowestConsumer {
    std::string name;
    index::CursorUpdate cursor;
};

/// The store's consumers.
class ConsumerTable : public NamedTable<ConsumerState, index::ConsumerUpdate> {
public:
    /// Judges a change as things stand; what is not met is added to `conflicts`.
    void judge(ConsumerChange& change, std::vector<Conflict>& conflicts) const;
    /// Makes room for it, beside `reserve_changes`. May throw std::bad_alloc, and has then changed
    /// nothing that counts.
    void prepare(ConsumerChange& change);
    /// Does what was prepared.
    void apply(const ConsumerChange& change, TransactionNumber transaction) noexcept;

    /// From the catalog, and from the log behind it.
    void restore(const index::ConsumerUpdate& update, TransactionNumber transaction);
    void replay(ConsumerChange change, TransactionNumber transaction);

    /// As it is after a transaction at a mark or beyond all of them.
    [[nodiscard]] std::optional<Consumer> find(std::string_view name,
                                               TransactionNumber transaction) const;
    /// Of the `turn` consumers beyond `after`, after that transaction: adds to `slowest` the one
    /// that stands lowest among those with a cursor over the segment, unless it holds a lower one.
    /// `after` moves along. False when there are no more.
    bool find_slowest(const Source& segment, TransactionNumber transaction, std::string& after,
                      std::size_t turn, std::optional<SlowestConsumer>& slowest) const;

private:
    /// Finds what the change is about, as far as it is there.
    void resolve(ConsumerChange& change) const;
};

}  // namespace braid
