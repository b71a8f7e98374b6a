// What a transaction is answered whose id was committed before.
#include <fmt/format.h>

#include <algorithm>

#include "engine/engine.h"

namespace braid {

std::optional<index::NotedTransaction> Engine::noted(const TransactionId& id) const {
    const auto lock = lock_sequencer();
    const index::NotedTransaction* known = ids_->find(id);
    if (known == nullptr) return std::nullopt;
    return *known;
}

/// The first one may still be on its way: whoever repeats it waits for what it waits for.
Engine::Submitted Engine::repeat(index::NotedTransaction known, const TransactionBody& body,
                                 Durability durability, CommitCallback* callback,
                                 std::unique_lock<std::mutex>& lock) {
    if (known.fingerprint != body.fingerprint()) {
        ++conflicts_;
        return answer_after_cause(
            Error(Errc::conflict, fmt::format("the transaction's id was given before, to "
                                              "transaction {} with another content",
                                              known.transaction.value)),
            durability, callback);
    }
    lock.unlock();  // its entries may have to be read from the disk
    auto receipt = receipt_of(known);
    lock.lock();
    if (auto refused = refusal()) return {*refused, nullptr};
    return answer_after_cause(std::move(receipt), durability, callback);
}

Result<Receipt> Engine::receipt_of(const index::NotedTransaction& known) const {
    Receipt receipt;
    receipt.repeated = true;
    receipt.transaction = known.transaction;
    if (known.records == 0) return receipt;
    receipt.first_position = known.first_position;
    receipt.last_position = known.first_position + (known.records - 1);
    if (read_receipt_in_memory(receipt)) return receipt;
    if (auto read = read_stored_receipt(receipt); !read) return read.error();
    return receipt;
}

namespace {

/// The ranges of a transaction's segments, from its frames or entries in order.
class Ranges {
public:
    explicit Ranges(Receipt& receipt) : receipt_(receipt) {}

    void add(const void* segment, Sequence first, Sequence last) {
        const auto known = std::find(segments_.begin(), segments_.end(), segment);
        if (known != segments_.end()) {
            receipt_.segments[static_cast<std::size_t>(known - segments_.begin())].last = last;
            return;
        }
        segments_.push_back(segment);
        receipt_.segments.push_back({first, last});
    }

private:
    Receipt& receipt_;
    std::vector<const void*> segments_;
};

}  // namespace

/// False if it isn't in memory any more: then it is durable, and stored.
bool Engine::read_receipt_in_memory(Receipt& receipt) const {
    const std::shared_lock lock(storage_->publish);
    if (receipt.first_position <= storage_->drained()) return false;
    Ranges ranges(receipt);
    for (const auto& chunk : arena_->chunks()) {
        const std::size_t count = chunk->nodes();
        for (std::size_t i = chunk->find(receipt.first_position, count); i < count; ++i) {
            const segment::TailNode& node = chunk->node(i);
            if (node.first_position > receipt.last_position) break;
            receipt.timestamp = node.view().timestamp();
            ranges.add(node.owner, node.first_sequence, node.last_sequence());
        }
    }
    return true;
}

/// What is trimmed of it is missing in the receipt.
Result<void> Engine::read_stored_receipt(Receipt& receipt) const {
    EntryBounds bounds;
    bounds.after = receipt.first_position - 1;
    bounds.limit = receipt.last_position - receipt.first_position + 1;
    bounds.on_trimmed = OnTrimmed::skip;
    const auto reader = read_spaces(std::nullopt, bounds);
    reader->leave_bodies();
    Ranges ranges(receipt);
    while (const Result<Entry>* next = reader->next()) {
        if (!*next) return next->error();
        const Entry& entry = **next;
        if (entry.position > receipt.last_position) break;
        receipt.timestamp = entry.timestamp;
        ranges.add(table_->find(entry.space, entry.segment, entry.position), entry.sequence,
                   entry.sequence);
    }
    return {};
}

}  // namespace braid
