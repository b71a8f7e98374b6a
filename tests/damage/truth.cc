#include "tests/damage/truth.h"

#include <algorithm>
#include <braid/check.hpp>

#include "engine/transaction_body.h"

namespace braid::damage {

const char* difference(const Row& row, const Entry& entry) {
    if (entry.position != row.position) return "another position";
    if (entry.sequence != row.sequence) return "another sequence";
    if (entry.space != row.space || entry.segment != row.segment) return "another segment";
    if (entry.transaction != row.transaction) return "another transaction";
    if (entry.timestamp != row.timestamp) return "another timestamp";
    if (entry.text() != row.payload) return "another payload";
    if (entry.metadata.size() != (row.metadata.empty() ? 0 : 1)) return "other metadata";
    for (const KeyValue& pair : entry.metadata)
        if (pair.key != "key" || pair.value != row.metadata) return "other metadata";
    return nullptr;
}

void Truth::add_to(std::string_view space, std::string_view segment) {
    const auto found = std::find_if(strands_.begin(), strands_.end(), [&](const Strand& strand) {
        return strand.space == space && strand.segment == segment;
    });
    Strand& strand =
        found != strands_.end()
            ? *found
            : strands_.emplace_back(Strand{std::string(space), std::string(segment), {}});
    strand.rows.push_back(static_cast<std::uint32_t>(rows_.size() - 1));
}

void Truth::add(Row row) {
    rows_.push_back(std::move(row));
    const Row added = rows_.back();
    add_to({}, {});
    add_to(added.space, {});
    add_to(added.space, added.segment);
    rows_.back().sequence = std::find_if(strands_.begin(), strands_.end(), [&](const auto& one) {
                                return one.space == added.space && one.segment == added.segment;
                            })->rows.size();
}

void Truth::commit(Engine& engine, std::vector<Row> rows) {
    TransactionBody body(engine.options());
    for (const Row& row : rows) {
        const KeyValue pair{"key", row.metadata};
        AppendOptions options;
        if (!row.metadata.empty()) options.metadata = std::span(&pair, 1);
        body.append(row.space, row.segment, as_bytes(row.payload), options);
    }
    Kept kept = this->kept();
    kept.change(body, last());
    const auto receipt = engine.commit(body, Durability::durable);
    BRAID_CHECK(receipt.has_value(), "a commit failed: {}", receipt.error().message());
    BRAID_CHECK(receipt->first_position == last() + 1, "position {} follows {}",
                receipt->first_position.value, last().value);
    kept.note(body, *receipt, last());
    kept_.emplace_back(receipt->last_position, std::move(kept));
    for (Row& row : rows) {
        row.position = last() + 1;
        row.timestamp = receipt->timestamp;
        row.transaction = receipt->transaction;
        add(std::move(row));
    }
}

bool Truth::is_end(Position position) const {
    if (position == 0 || position == last()) return true;
    return position < last() &&
           rows_[position.value - 1].transaction != rows_[position.value].transaction;
}

Position Truth::end_of(TransactionNumber transaction) const {
    Position end = 0;
    for (const Row& row : rows_)
        if (row.transaction <= transaction) end = row.position;
    return end;
}

Truth Truth::up_to(Position end) const {
    Truth truth;
    for (const Row& row : rows_)
        if (row.position <= end) truth.add(row);
    for (const auto& kept : kept_)
        if (kept.first != 0 && kept.first <= end) truth.kept_.push_back(kept);
    return truth;
}

}  // namespace braid::damage
