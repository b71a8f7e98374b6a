#include "tools/import_transaction.h"

#include <fmt/format.h>

#include <utility>

namespace braid::tools {

namespace {

bool is_refused(const ImportRecord& record, const Conflict& conflict) {
    return record.space == conflict.space && record.segment == conflict.segment &&
           record.sequence == conflict.required_sequence;
}

}  // namespace

std::string ImportTransaction::trx_word() const {
    const auto& trx = records.front().trx;
    if (!trx) return "-";
    std::string word;
    for (const char c : *trx) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= ' ' || byte == '\\' || byte == 0x7f) {
            word += fmt::format("\\u{:04x}", byte);
        } else {
            word += c;
        }
    }
    return word;
}

std::uint64_t ImportTransaction::line_of(const Error& error, const Options& options) const {
    for (const ImportRecord& record : records) {
        if (error.code() == Errc::too_large && record.bytes() > options.record_bytes_max) {
            return record.line;
        }
        for (const Conflict& conflict : error.conflicts()) {
            if (is_refused(record, conflict)) return record.line;
        }
    }
    return records.front().line;
}

std::optional<ImportTransaction> TransactionGrouper::add(ImportRecord record) {
    std::optional<ImportTransaction> before;
    if (!belongs(record)) before = finish();
    open_.bytes += record.bytes();
    open_.records.push_back(std::move(record));
    return before;
}

std::optional<ImportTransaction> TransactionGrouper::finish() {
    if (open_.records.empty()) return std::nullopt;
    return std::exchange(open_, {});
}

bool TransactionGrouper::belongs(const ImportRecord& record) const {
    return !open_.records.empty() && record.trx && record.trx == open_.records.front().trx;
}

}  // namespace braid::tools
