#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <braid/types.hpp>
#include <deque>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/id_table.h"
#include "engine/name_store.h"
#include "engine/segment_listing.h"
#include "engine/space_state.h"
#include "segment/change.h"

namespace braid {

/// Spaces and segments by name and by id. States are made once and stay where they are until the
/// table ends. A state without an id, or whose first position no watermark has reached, counts as
/// missing. Any thread.
class SegmentTable {
public:
    /// A segment that is looked for, and then the one that was found, or nullptr.
    struct Wanted {
        const SpaceState* space = nullptr;
        std::string_view name;
        std::uint32_t hash = 0;
        SegmentState* found = nullptr;
    };
    /// Finds names under one lock.
    class Finder {
    public:
        explicit Finder(const SegmentTable& table) : table_(table), lock_(table.mutex_) {}
        [[nodiscard]] SpaceState* space(std::string_view name) const;
        /// Many at a time, so that the processor fetches what belongs to one while it looks at
        /// another: of a million segments each is a miss of its caches, several times.
        void find(std::span<Wanted> segments) const;

    private:
        const SegmentTable& table_;
        std::shared_lock<std::shared_mutex> lock_;
    };
    /// nullptr unless its first entry is at or before `visible`.
    [[nodiscard]] SpaceState* find_space(std::string_view name, Position visible) const;
    [[nodiscard]] SegmentState* find(std::string_view space, std::string_view segment,
                                     Position visible) const;
    [[nodiscard]] SegmentState* find(SegmentId id) const { return segments_by_id_.find(id.value); }
    [[nodiscard]] SpaceState* find(SpaceId id) const;

    /// The segment's state, made if it is missing (without an id). May throw std::bad_alloc; the
    /// table is then as it was or holds states without an id.
    SegmentState& make(std::string_view space, std::string_view segment);
    /// Gives the next id. One thread (the sequencer's lock). Room was made by `reserve_ids`.
    void number(SpaceState& space, Position first) noexcept;
    void number(SegmentState& segment, Position first, Timestamp timestamp) noexcept;
    /// Makes room so that so many `number` calls can't fail.
    void reserve_ids(std::size_t spaces, std::size_t segments);
    /// From the catalog or the log, before the store is shared: a name with its id. False if the id
    /// isn't the next one, the name is taken or the space unknown.
    [[nodiscard]] bool restore(const segment::Change& named);
    /// The same of some at once.
    [[nodiscard]] bool restore(std::span<const segment::SegmentNameView> names);
    /// Makes room for so many segments more, of the space if there is just one, so that what is
    /// restored next isn't moved while it grows.
    void expect(std::size_t segments);

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
    /// Memory for segments: states, names, and what they are found by.
    [[nodiscard]] std::uint64_t segment_bytes() const;

private:
    // Under the lock.
    SpaceState& make_space(std::string_view name);
    SegmentState& make_segment(SpaceState& space, std::string_view name, std::uint32_t hash);
    [[nodiscard]] SegmentState* find_in(const SpaceState& space, std::string_view name) const {
        return space.segments.find(segment_states_, name, SegmentNames::hash(name));
    }
    [[nodiscard]] bool restore_space(const segment::SpaceNamed& named);
    [[nodiscard]] bool restore_segment(const segment::SegmentNameView& named, std::uint32_t hash);

    mutable SegmentListing listing_;
    mutable std::shared_mutex mutex_;  // of everything below
    std::deque<SpaceState> space_states_;
    SegmentPool segment_states_;
    NameStore long_names_;
    boost::unordered_flat_map<std::string_view, SpaceState*> spaces_;
    std::vector<SpaceState*> spaces_by_id_;  // id − 1
    IdTable<SegmentState> segments_by_id_;   // found in without the lock
};

}  // namespace braid
