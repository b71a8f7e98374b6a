// Which part of a pack's space order a reader of spaces goes through next.
#include <algorithm>
#include <utility>

#include "engine/space_source.h"

namespace braid {

/// What comes next of the order: of one space a block, of several what is merged of them. So going
/// on from a cursor costs no more than that.
Result<void> SpaceSource::load_order(const PackState& pack, std::size_t frames) {
    const bool is_moved =
        std::exchange(gatherings_, storage_.gatherings()) != storage_.gatherings();
    const bool is_same = order_pack_ == pack.info.number && !is_moved;
    if (is_same && order_first_ <= next_ && next_ <= order_last_) return {};
    const bool goes_on =
        is_same && can_go_on_ &&
        next_ == (backward_ ? Position(order_first_ - 1) : Position(order_last_ + 1));
    if (!is_same) {
        sources_.assign(pack.pieces.size() + 1, {});
        pinned_ = no_pins;
        merge_.forget();
    }
    // What a writer has gathered since a store was opened read-only may hold more.
    const Position end = std::min(pack.info.last_position, storage_.drained());
    order_.clear();
    order_first_ = pack.info.first_position;
    order_last_ = end;
    order_pack_ = 0;
    can_go_on_ = goes_on || begin_merge(pack);
    if (can_go_on_)
        if (auto loaded = load_merged(pack, frames); !loaded) return loaded;
    if (order_last_ > end || (!order_.empty() && order_.back().first_position > end))
        cut_order(end);
    order_pack_ = pack.info.number;
    return {};
}

void SpaceSource::cut_order(Position end) noexcept {
    while (!order_.empty() && order_.back().first_position > end) {
        order_.pop_back();
        if (order_spaces_.size() > 1) order_spaces_.pop_back();
    }
    order_last_ = end;
    can_go_on_ = false;
}

/// False if no more is to be done: of one space a block was loaded, or there is none.
bool SpaceSource::begin_merge(const PackState& pack) {
    std::vector<std::uint32_t> sections;
    for (std::uint32_t i = 0; i < pack.sections.size(); ++i)
        if (is_wanted(pack.sections[i].space) &&
            pack.sections[i].first_position <= storage_.drained())
            sections.push_back(i);
    if (sections.empty()) return false;
    if (sections.size() == 1 && load_block(pack, pack.sections[sections.front()])) return false;
    order_.clear();
    merge_.begin(pack, sections, next_, backward_);
    return true;
}

/// False where the section is damaged.
bool SpaceSource::load_block(const PackState& pack, const index::OrderSection& section) {
    Storage::OrderPlace place;
    if (!storage_.load_order_block(pack, section, next_, place, order_)) return false;
    if (!place.is_first()) order_first_ = place.first_position();
    if (!place.is_last()) order_last_ = std::min(order_last_, Position(place.end() - 1));
    order_spaces_.assign(1, table_.find(section.space));
    return true;
}

/// A little at first: who begins may want no more.
Result<void> SpaceSource::load_merged(const PackState& pack, std::size_t frames) {
    constexpr std::size_t least = 16;
    if (auto taken = merge_.take(pack, std::max(frames, least), order_, order_spaces_); !taken)
        return taken;
    // Whatever was taken lies within.
    order_first_ = backward_ ? merge_.reached() : next_;
    order_last_ = backward_ ? next_ : merge_.reached();
    if (order_.empty()) return {};
    const index::OrderEntry& last = order_.back();
    order_first_ = std::min(order_first_, order_.front().first_position);
    order_last_ = std::max(order_last_, Position(last.first_position + (last.records - 1)));
    return {};
}

}  // namespace braid
