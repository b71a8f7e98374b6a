#pragma once

#include <braid/transaction.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tests/damage/kept.h"

namespace braid::damage {

/// A record as it was appended, with the numbers that its commit got.
struct Row {
    std::string space;
    std::string segment;
    std::string payload;
    std::string metadata;  ///< the value of its one pair; empty: no metadata
    Sequence sequence = 0;
    Position position = 0;
    Timestamp timestamp = 0;
    TransactionNumber transaction = 0;
};

/// What is wrong with an entry that should be this row; nullptr if nothing is.
[[nodiscard]] const char* difference(const Row& row, const Entry& entry);

/// All that was acknowledged, in the order of positions.
class Truth {
public:
    /// Rows that readers see together: of the store, of a space or of a segment.
    struct Strand {
        std::string space;                ///< empty: the whole store
        std::string segment;              ///< empty: the whole space
        std::vector<std::uint32_t> rows;  ///< indexes, rising
    };

    /// Commits the rows, whose names and contents are set, as one transaction.
    void commit(Engine& engine, std::vector<Row> rows);

    [[nodiscard]] const Row& row(std::uint32_t index) const { return rows_[index]; }
    /// The first one is the whole store.
    [[nodiscard]] const std::vector<Strand>& strands() const noexcept { return strands_; }
    [[nodiscard]] Position last() const noexcept { return rows_.size(); }
    /// Whether a transaction ends at that position, or nothing does: 0.
    [[nodiscard]] bool is_end(Position position) const;
    /// The last position of a transaction and those before it.
    [[nodiscard]] Position end_of(TransactionNumber transaction) const;
    /// What it keeps beside entries.
    [[nodiscard]] const Kept& kept() const noexcept { return kept_.back().second; }
    /// The store if it had ended at a position.
    [[nodiscard]] Truth up_to(Position end) const;

private:
    void add(Row row);
    void add_to(std::string_view space, std::string_view segment);

    std::vector<Row> rows_;
    /// After the transaction that ends at a position.
    std::vector<std::pair<Position, Kept>> kept_{{}};
    std::vector<Strand> strands_{{}};
};

}  // namespace braid::damage
