#pragma once

#include <braid/error.hpp>
#include <braid/options.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/import_record.h"

namespace braid::tools {

/// Records that are committed as one.
struct ImportTransaction {
    std::vector<ImportRecord> records;  ///< never empty
    std::uint64_t bytes = 0;            ///< of all records

    /// The input's key as one word for the acknowledgements file, "-" where there is none; blanks
    /// and control characters are escaped as in JSON.
    [[nodiscard]] std::string trx_word() const;
    /// The line that an error of the commit speaks of: the record whose expectation or size was
    /// refused, or the first.
    [[nodiscard]] std::uint64_t line_of(const Error& error, const Options& options) const;
};

/// Puts consecutive records with the same `trx` together; a record without one is on its own.
class TransactionGrouper {
public:
    /// Adds a record. Returns the transaction before it, if this record begins another.
    std::optional<ImportTransaction> add(ImportRecord record);
    /// The last transaction, at the input's end.
    std::optional<ImportTransaction> finish();
    /// Bytes of the records held.
    [[nodiscard]] std::uint64_t bytes() const noexcept { return open_.bytes; }

private:
    [[nodiscard]] bool belongs(const ImportRecord& record) const;

    ImportTransaction open_;
};

}  // namespace braid::tools
