#pragma once

#include <braid/result.hpp>
#include <optional>
#include <vector>

#include "engine/consumer_table.h"
#include "engine/lease_table.h"
#include "engine/segment_table.h"
#include "engine/transaction_body.h"
#include "engine/transaction_ids.h"
#include "segment/tail.h"

namespace braid {

/// Gives transactions their numbers and their place in memory. Everything here runs under the
/// commit lock, but for `resolve`.
class Sequencer {
public:
    Sequencer(SegmentTable& table, ConsumerTable& consumers, LeaseTable& leases,
              TransactionIds& ids, segment::Arena& arena, std::uint64_t store_seed)
        : table_(table),
          consumers_(consumers),
          leases_(leases),
          ids_(ids),
          arena_(arena),
          store_seed_(store_seed) {}

    /// Finds the states of the targets that exist and aren't found yet. Any thread; before the
    /// lock, so that little of it is left to do under it.
    void resolve(TransactionBody& body) const;

    /// Judges all demands against what is sequenced; an error names each that isn't met. A cursor
    /// beyond what is durable is `out_of_range`.
    [[nodiscard]] std::optional<Error> judge(TransactionBody& body, Position durable) const;

    /// What a transaction needs before it may be numbered.
    struct Need {
        std::size_t item_bytes = 0;  ///< of all its items, in log and memory
        std::size_t frames = 0;
    };
    /// Makes states, ids and change records for what is new. May throw std::bad_alloc, and has then
    /// changed nothing that counts.
    [[nodiscard]] Need prepare(TransactionBody& body);

    /// A prepared transaction, before and after it is in its place.
    struct Sequenced {
        segment::Chunk* chunk = nullptr;
        Receipt receipt;
        Bytes items;  ///< in the arena, as the log wants them
    };
    /// Gets the memory that the prepared transaction, which writes, will stand in. May throw
    /// std::bad_alloc, and has then changed nothing that counts.
    [[nodiscard]] Sequenced reserve(const TransactionBody& body, const Need& need);
    /// Numbers it and links it into the tails.
    void sequence(TransactionBody& body, const Need& need, Timestamp now, Sequenced& done) noexcept;

    /// Recovery: takes over the transactions of a log batch that lie beyond `drained`. `corrupt`
    /// where an item is damaged or doesn't follow what came before.
    [[nodiscard]] Result<void> replay(Bytes body, TransactionNumber drained,
                                      const std::string& file, std::uint64_t offset);
    /// Recovery: where the catalog stands.
    void restore(Position position, TransactionNumber transaction, Timestamp timestamp);

    [[nodiscard]] Position last_position() const noexcept { return position_; }
    [[nodiscard]] TransactionNumber last_transaction() const noexcept { return transaction_; }
    [[nodiscard]] Timestamp last_timestamp() const noexcept { return timestamp_; }

private:
    struct NewName {
        std::size_t offset = 0;  // in changes_
        SpaceState* space = nullptr;
        SegmentState* segment = nullptr;
    };
    void judge_segments(const TransactionBody& body, std::vector<Conflict>& conflicts) const;
    void add_new_names(TransactionBody& body);
    /// The id that the space has or will have; notes its name if it is new.
    SpaceId space_id(SpaceState& space);
    std::byte* copy_names(std::byte* at) noexcept;
    std::byte* copy_changes(TransactionBody& body, std::byte* at) noexcept;
    void link(segment::Chunk& chunk, const std::byte* frame, SegmentState& state) noexcept;
    [[nodiscard]] const char* replay_frame(segment::FrameView frame);
    [[nodiscard]] Result<void> replay_change(Bytes item);
    [[nodiscard]] const char* take_over(const segment::Change& change);
    void end_replayed();
    [[nodiscard]] bool follows(TransactionNumber transaction);

    SegmentTable& table_;
    ConsumerTable& consumers_;
    LeaseTable& leases_;
    TransactionIds& ids_;
    segment::Arena& arena_;
    std::uint64_t store_seed_;
    Position position_;
    TransactionNumber transaction_;
    Timestamp timestamp_;
    std::vector<std::byte> changes_;       // of the prepared transaction
    std::vector<NewName> new_names_;       // likewise
    std::vector<SpaceState*> new_spaces_;  // likewise
    bool in_transaction_ = false;          // of replay
    std::optional<index::NotedTransaction>
        noted_;  // the transaction being replayed, if it has an id
};

}  // namespace braid
