#pragma once

#include <braid/options.hpp>
#include <braid/result.hpp>
#include <braid/types.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace braid::tools {

/// One line of `braid import`: a record and where it goes.
struct ImportRecord {
    std::string space;
    std::string segment;
    std::string payload;
    std::vector<std::pair<std::string, std::string>> metadata;
    std::optional<Sequence> sequence;  ///< the one that it must get
    std::optional<std::string> trx;    ///< a number as it is written
    /// A consumer whose cursor is set in the same transaction; empty: none.
    std::string consumer;
    std::string consumer_space;
    std::string consumer_segment;
    Position consumer_position;

    std::uint64_t line = 0;  ///< for messages

    /// Payload and metadata.
    [[nodiscard]] std::uint64_t bytes() const noexcept;
};

/// Reads a line of JSON into a record. The error says in one sentence what is wrong with it. Fields
/// that `braid read` prints and an import can't use are checked and left out; others are an error,
/// since a misspelt name would lose data silently.
[[nodiscard]] Result<ImportRecord> parse_import_record(std::string_view json);

}  // namespace braid::tools
