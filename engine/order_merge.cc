#include "engine/order_merge.h"

#include <fmt/format.h>

#include <algorithm>

namespace braid {
namespace {

Position last_of(const index::OrderEntry& entry) {
    return entry.first_position + (entry.records - 1);
}

}  // namespace

void OrderMerge::begin(const PackState& pack, const std::vector<std::uint32_t>& sections,
                       Position from, bool backward) {
    backward_ = backward;
    turns_.clear();
    if (!std::ranges::equal(cursors_, sections, {}, &Cursor::section)) {
        cursors_.clear();
        for (const std::uint32_t number : sections)
            cursors_.push_back({number, table_.find(pack.sections[number].space), {}, {}});
    }
    for (std::uint32_t number = 0; number < cursors_.size(); ++number)
        take_turn(pack, number, from);
    note_reached(pack);
}

void OrderMerge::take_turn(const PackState& pack, std::uint32_t number, Position from) {
    Cursor& cursor = cursors_[number];
    const index::OrderSection& section = pack.sections[cursor.section];
    if (cursor.space == nullptr) return;  // never heard of, in a store open read-only
    if (backward_ ? section.first_position > from : section.last_position < from) return;
    const Storage::OrderPlace& place = cursor.place;
    const bool is_decoded = !cursor.entries.empty() &&
                            (place.is_first() || place.first_position() <= from) &&
                            (place.is_last() || from < place.end());
    if (!is_decoded) {
        add({backward_ ? std::min(from, section.last_position)
                       : std::max(from, section.first_position),
             number});
        return;
    }
    go_to(cursor, from);
    add_next(number);
}

Result<void> OrderMerge::take(const PackState& pack, std::size_t most,
                              std::vector<index::OrderEntry>& entries,
                              std::vector<const SpaceState*>& spaces) {
    entries.clear();
    spaces.clear();
    while (entries.size() < most && !turns_.empty()) {
        const Turn turn = pop();
        Cursor& cursor = cursors_[turn.cursor];
        if (turn.is_decoded) {
            entries.push_back(cursor.entries[backward_ ? --cursor.at : cursor.at++]);
            spaces.push_back(cursor.space);
        } else if (auto loaded = load(pack, cursor, turn.position); !loaded) {
            add(turn);
            if (entries.empty())
                return Error(loaded.error()).within(fmt::format("space '{}'", cursor.space->name));
            break;  // the good ones first
        }
        add_next(turn.cursor);
    }
    note_reached(pack);
    if (backward_) {
        std::reverse(entries.begin(), entries.end());
        std::reverse(spaces.begin(), spaces.end());
    }
    return {};
}

void OrderMerge::add(const Turn& turn) {
    turns_.push_back(turn);
    std::push_heap(turns_.begin(), turns_.end(),
                   [this](const Turn& left, const Turn& right) { return is_later(left, right); });
}

OrderMerge::Turn OrderMerge::pop() {
    std::pop_heap(turns_.begin(), turns_.end(),
                  [this](const Turn& left, const Turn& right) { return is_later(left, right); });
    const Turn turn = turns_.back();
    turns_.pop_back();
    return turn;
}

/// The block that holds the position, or, where the section is damaged, all of it, from the frames.
Result<void> OrderMerge::load(const PackState& pack, Cursor& cursor, Position position) {
    const index::OrderSection& section = pack.sections[cursor.section];
    if (!storage_.load_order_block(pack, section, position, cursor.place, cursor.entries))
        if (auto loaded = load_all(pack, cursor); !loaded) {
            cursor.entries.clear();  // aren't those of its place
            return loaded;
        }
    go_to(cursor, position);
    return {};
}

Result<void> OrderMerge::load_all(const PackState& pack, Cursor& cursor) {
    auto entries = storage_.order(pack, pack.sections[cursor.section], [&](SegmentId id) {
        const SegmentState* segment = table_.find(id);
        return segment != nullptr && segment->space == cursor.space;
    });
    if (!entries) return entries.error();
    // As if it were the only block.
    cursor.entries = *std::move(entries);
    cursor.place = {std::make_shared<const Storage::OrderBlocks>(1), 0};
    return {};
}

void OrderMerge::go_to(Cursor& cursor, Position position) const {
    const auto at = backward_ ? std::partition_point(cursor.entries.begin(), cursor.entries.end(),
                                                     [&](const index::OrderEntry& entry) {
                                                         return entry.first_position <= position;
                                                     })
                              : std::partition_point(cursor.entries.begin(), cursor.entries.end(),
                                                     [&](const index::OrderEntry& entry) {
                                                         return last_of(entry) < position;
                                                     });
    cursor.at = static_cast<std::size_t>(at - cursor.entries.begin());
}

/// The turn of what is left of the block, or else of the next one.
void OrderMerge::add_next(std::uint32_t number) {
    const Cursor& cursor = cursors_[number];
    if (!backward_ && cursor.at < cursor.entries.size())
        add({cursor.entries[cursor.at].first_position, number, true});
    else if (!backward_ && !cursor.place.is_last())
        add({cursor.place.end(), number});
    else if (backward_ && cursor.at > 0)
        add({last_of(cursor.entries[cursor.at - 1]), number, true});
    else if (backward_ && !cursor.place.is_first())
        add({cursor.place.first_position() - 1, number});
}

void OrderMerge::note_reached(const PackState& pack) noexcept {
    if (turns_.empty())
        reached_ = backward_ ? pack.info.first_position : pack.info.last_position;
    else
        reached_ = backward_ ? turns_.front().position + 1 : turns_.front().position - 1;
}

}  // namespace braid
