#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <braid/options.hpp>
#include <braid/types.hpp>
#include <deque>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/id_table.h"
#include "index/catalog.h"
#include "segment/tail.h"

namespace braid {

struct SpaceState;

/// All that memory holds of a segment.
struct SegmentState {
    // What every reader looks at stands together.
    SpaceState* space = nullptr;
    std::string name;
    Sequence trimmed;           ///< entries up to here are gone
    Position trimmed_position;  ///< of the last of them

    // Written once, under the table's lock, before a watermark shows its first entry: whoever has
    // seen that watermark may read them.
    SegmentId id;
    Position first_position;
    Timestamp first_timestamp;

    // The sequencer's, under its lock.
    Sequence last_sequence;
    Position last_position;

    // Written by the sequencer (tail) and by the drain; read by anybody.
    std::atomic<const segment::TailNode*> tail{
        nullptr};                                    ///< newest node; pairs with readers' acquire
    std::atomic<std::uint64_t> drained_sequence{0};  ///< all up to here are in packs and pieces

    std::uint32_t drain_work = 0;  ///< the drain's: 1 + index of its work on it; 0: none

    // What is drained: written by the drain under the publish lock, read by readers under it; as
    // is what is trimmed, above.
    index::SegmentUpdate drained;
    std::vector<segment::Piece> pieces;  ///< in sequence order, but for those trimmed wholly

    [[nodiscard]] Sequence drained_through() const noexcept {
        return drained_sequence.load(std::memory_order_acquire);
    }
};

/// All that memory holds of a space.
struct SpaceState {
    std::string name;
    SpaceId id;                ///< written once, as the segment's
    Position first_position;   ///< likewise
    bool in_catalog = false;   ///< the drain's
    index::OrderTotals order;  ///< the drain's: records in all its sections, last block's checksum
    Position trimmed_through;  ///< under the publish lock: the last position trimmed in it
    boost::unordered_flat_map<std::string_view, SegmentState*> segments;  // under the table's lock
};

/// Spaces and segments by name and by id. States are made once and stay where they are until the
/// table ends. A state without an id, or whose first position no watermark has reached, counts as
/// missing. Any thread.
class SegmentTable {
public:
    /// Finds one name after the other under one lock.
    class Finder {
    public:
        explicit Finder(const SegmentTable& table) : table_(table), lock_(table.mutex_) {}
        [[nodiscard]] SpaceState* space(std::string_view name) const;
        [[nodiscard]] SegmentState* segment(const SpaceState& space, std::string_view name) const;

    private:
        const SegmentTable& table_;
        std::shared_lock<std::shared_mutex> lock_;
    };
    /// nullptr unless its first entry is at or before `visible`.
    [[nodiscard]] SpaceState* find_space(std::string_view name, Position visible) const;
    [[nodiscard]] SegmentState* find(std::string_view space, std::string_view segment,
                                     Position visible) const;
    [[nodiscard]] SegmentState* find(SegmentId id) const;
    [[nodiscard]] SpaceState* find(SpaceId id) const;

    /// The segment's state, made if it is missing (without an id). May throw std::bad_alloc; the
    /// table is then as it was or holds states without an id.
    SegmentState& make(std::string_view space, std::string_view segment);
    /// Gives the next id. One thread (the sequencer's lock). Room was made by `reserve_ids`.
    void number(SpaceState& space, Position first) noexcept;
    void number(SegmentState& segment, Position first, Timestamp timestamp) noexcept;
    /// Makes room so that so many `number` calls can't fail.
    void reserve_ids(std::size_t spaces, std::size_t segments);
    /// From the catalog or the log, before the store is shared: a name with its id, in rising order
    /// of ids. False if the id or the name is taken or the space unknown.
    [[nodiscard]] bool restore(const segment::SpaceNamed& named);
    [[nodiscard]] bool restore(const segment::SegmentNamed& named);
    /// Ids beyond these were never given.
    void restore_next(SpaceId next_space, SegmentId next_segment);

    [[nodiscard]] SpaceId next_space() const;
    [[nodiscard]] SegmentId next_segment() const;

    /// Names whose first position is at or before `visible`, beyond `after`, sorted, at most
    /// `limit`.
    [[nodiscard]] std::vector<std::string> space_names(Position visible, std::string_view after,
                                                       std::uint64_t limit) const;
    [[nodiscard]] std::vector<std::string> segment_names(std::string_view space, Position visible,
                                                         std::string_view after,
                                                         std::uint64_t limit) const;
    /// The same segments themselves, all of them.
    [[nodiscard]] std::vector<const SegmentState*> segments_of(std::string_view space,
                                                               Position visible) const;
    [[nodiscard]] std::uint64_t visible_segments(Position visible) const;
    /// All segments with an id, in order of it; nullptr for ids never used.
    [[nodiscard]] std::vector<SegmentState*> all() const;
    [[nodiscard]] std::vector<SpaceState*> all_spaces() const;

private:
    SpaceState& make_space(std::string_view name);

    mutable std::shared_mutex mutex_;  // of everything below
    std::deque<SpaceState> space_states_;
    std::deque<SegmentState> segment_states_;
    boost::unordered_flat_map<std::string_view, SpaceState*> spaces_;
    std::vector<SpaceState*> spaces_by_id_;  // id − 1
    IdTable<SegmentState> segments_by_id_;   // found in without the lock
};

}  // namespace braid
