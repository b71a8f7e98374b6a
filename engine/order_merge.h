#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/segment_table.h"
#include "engine/storage.h"

namespace braid {

/// The order of several spaces in one pack, merged as far as it is asked for: of each space a block
/// is decoded when its turn comes. So who begins anywhere and reads a little pays for that, however
/// much is in the pack. One thread; calls want `Storage::publish` held shared.
class OrderMerge {
public:
    OrderMerge(Storage& storage, const SegmentTable& table) : storage_(storage), table_(table) {}

    /// What is taken next holds `from`, or lies beyond it in the direction of reading. `sections`:
    /// which of the pack's. Of a pack that it was in just before, what is decoded is used again.
    void begin(const PackState& pack, const std::vector<std::uint32_t>& sections, Position from,
               bool backward);
    /// The pack is another one, or may be.
    void forget() noexcept { cursors_.clear(); }
    /// Takes the next entries of the same pack, `most` of them or all that are left, and the space
    /// of each, in position order either way. An error stands in the place of what can't be had,
    /// and stands there again.
    [[nodiscard]] Result<void> take(const PackState& pack, std::size_t most,
                                    std::vector<index::OrderEntry>& entries,
                                    std::vector<const SpaceState*>& spaces);
    /// Up to here, or backward down to here, nothing is left to be taken.
    [[nodiscard]] Position reached() const noexcept { return reached_; }

private:
    /// One space's section. Of the block that its turn has come to, `entries` from `at` on are
    /// left, or backward those before it.
    struct Cursor {
        std::uint32_t section = 0;
        const SpaceState* space = nullptr;
        Storage::OrderPlace place;
        std::vector<index::OrderEntry> entries;
        std::size_t at = 0;
    };
    /// A cursor's turn: where its next entry begins, or backward ends; of a block that isn't
    /// decoded where that may be at the earliest.
    struct Turn {
        Position position;
        std::uint32_t cursor = 0;
        bool is_decoded = false;
    };

    void add(const Turn& turn);
    [[nodiscard]] Turn pop();
    /// Of turns at one position those come first that aren't decoded: what is there isn't known.
    [[nodiscard]] bool is_later(const Turn& left, const Turn& right) const noexcept {
        if (left.position == right.position) return left.is_decoded && !right.is_decoded;
        return backward_ ? left.position < right.position : left.position > right.position;
    }
    [[nodiscard]] Result<void> load(const PackState& pack, Cursor& cursor, Position position);
    [[nodiscard]] Result<void> load_all(const PackState& pack, Cursor& cursor);
    void take_turn(const PackState& pack, std::uint32_t number, Position from);
    void go_to(Cursor& cursor, Position position) const;
    void add_next(std::uint32_t cursor);
    void note_reached(const PackState& pack) noexcept;

    Storage& storage_;
    const SegmentTable& table_;
    bool backward_ = false;
    std::vector<Cursor> cursors_;
    std::vector<Turn> turns_;  // a heap, the next one first
    Position reached_;
};

}  // namespace braid
