#include "engine/space_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "segment/pack.h"

namespace braid {

using segment::Chunk;
using segment::FrameView;
using segment::TailNode;

SpaceSource::SpaceSource(Storage& storage, segment::Arena& arena, SegmentTable& table,
                         std::uint64_t store_seed, Choice choice, Position from, Position to,
                         bool backward)
    : storage_(storage),
      recent_(storage.files),
      arena_(arena),
      table_(table),
      store_seed_(store_seed),
      choice_(std::move(choice)),
      next_(backward ? to : std::max(from, Position(1))),
      last_(backward ? std::max(from, Position(1)) : to),
      backward_(backward) {}

void SpaceSource::find_spaces() {
    for (Wanted& one : choice_.spaces) {
        if (one.space != nullptr) continue;
        one.space = table_.find_space(one.name, end_);
        if (one.space != nullptr) order_pack_ = 0;  // was loaded without it
    }
}

const SpaceSource::Wanted* SpaceSource::wanted(const SpaceState* space) const {
    static const Wanted everything;
    if (choice_.all) return &everything;
    for (const Wanted& one : choice_.spaces)
        if (one.space == space) return &one;
    return nullptr;
}

Result<void> SpaceSource::fill(Window& window, std::size_t frames) {
    find_spaces();
    if (backward_) next_ = std::min(next_, end_);
    while (window.items().empty() && !is_past_end() && (backward_ || next_ <= end_)) {
        const std::shared_lock lock(storage_.publish);
        if (auto passed = pass_trimmed(); !passed) return passed;
        const Position drained = storage_.drained();
        if (next_ > drained) {
            const Position before = next_;
            fill_from_arena(window, frames, drained);
            if (next_ == before) break;
            continue;
        }
        const PackState* pack = storage_.pack_at(next_);
        if (pack == nullptr || pack->info.first_position > next_) {
            if (skip_gap(pack)) continue;
            return Error(Errc::corrupt, fmt::format("no pack holds position {}", next_.value));
        }
        auto filled = fill_from_pack(window, frames, *pack);
        if (!filled) return filled;
    }
    return {};
}

/// Backward, what is gone is passed over; forward it must be told.
Result<void> SpaceSource::pass_trimmed() {
    if (backward_) return {};
    const auto pass = [this](Position after, Position trimmed, Position& told) {
        return std::max(after, Position(next_ - 1)) >= trimmed ||
               std::exchange(told, trimmed) == trimmed;
    };
    const auto gone = [](Position through, const std::string& what) {
        return Error::trimmed(
            {through, 0}, fmt::format("{} is trimmed through position {}", what, through.value));
    };
    if (choice_.all && !pass(0, storage_.trimmed_through(), choice_.trimmed_told))
        return gone(storage_.trimmed_through(), "the store");
    for (Wanted& one : choice_.spaces)
        if (one.space != nullptr && !pass(one.after, one.space->trimmed_through, one.trimmed_told))
            return gone(one.space->trimmed_through, fmt::format("space '{}'", one.name));
    return {};
}

/// Where packs are retired, goes on at the next one; false if there is no reason for a gap.
bool SpaceSource::skip_gap(const PackState* pack) {
    if (next_ > storage_.trimmed_through()) return false;
    const auto& packs = storage_.packs();
    if (!backward_) {
        next_ = pack == nullptr ? storage_.drained() + 1 : pack->info.first_position;
        return true;
    }
    const PackState* end = pack == nullptr ? packs.data() + packs.size() : pack;
    next_ = end == packs.data() ? Position(0) : (end - 1)->info.last_position;
    return true;
}

void SpaceSource::take(Window& window, const TailNode& node, const std::shared_ptr<Chunk>& chunk) {
    auto* segment = static_cast<SegmentState*>(node.owner);
    if (const Wanted* one = wanted(segment->space))
        window.add(node.view(), segment, chunk, one->after);
}

void SpaceSource::fill_from_arena(Window& window, std::size_t frames, Position drained) {
    const std::shared_ptr<Chunk> chunk = arena_.find(next_);
    if (chunk == nullptr) return;
    const std::size_t count = chunk->nodes();
    std::size_t index = chunk->find(next_, count);
    if (!backward_) {
        for (; index < count && window.items().size() < frames; ++index) {
            const TailNode& node = chunk->node(index);
            if (node.first_position > std::min(end_, last_)) break;
            take(window, node, chunk);
            next_ = node.last_position() + 1;
        }
        return;
    }
    for (; window.items().size() < frames; --index) {
        const TailNode& node = chunk->node(index);
        take(window, node, chunk);
        next_ = node.first_position - 1;
        if (index == 0 || next_ <= drained || is_past_end()) break;
    }
}

Result<void> SpaceSource::load_order(const PackState& pack) {
    if (order_pack_ == pack.info.number) return {};
    order_.clear();
    std::size_t sections = 0;
    for (const index::OrderSection& section : pack.sections) {
        const SpaceState* space = table_.find(section.space);
        if (wanted(space) == nullptr) continue;
        auto entries = storage_.order(pack, section, [&](SegmentId id) {
            const SegmentState* segment = table_.find(id);
            return segment != nullptr && segment->space == space;
        });
        if (!entries) return Error(entries.error()).within(fmt::format("space '{}'", space->name));
        for (const index::OrderEntry& entry : *entries) order_.push_back({entry, space});
        ++sections;
    }
    if (sections > 1)
        std::sort(order_.begin(), order_.end(), [](const auto& left, const auto& right) {
            return left.entry.first_position < right.entry.first_position;
        });
    order_pack_ = pack.info.number;
    return {};
}

Result<void> SpaceSource::add_stored(Window& window, const PackState& pack, const Placed& placed) {
    const index::OrderEntry& entry = placed.entry;
    const bool in_piece = entry.source != 0;
    if (entry.source > pack.pieces.size())
        return Error(Errc::corrupt, fmt::format("{}: the space order speaks of piece {} of {}",
                                                segment::pack_name(pack.info.number), entry.source,
                                                pack.pieces.size()));
    const segment::Piece* piece = in_piece ? &pack.pieces[entry.source - 1] : nullptr;
    // Its file may be gone.
    if (in_piece && piece->frames_bytes == 0) return {};
    const std::uint64_t end =
        in_piece ? piece->offset + piece->frames_bytes : pack.info.extents_end;
    const auto file = in_piece ? recent_.get(piece->segment, piece->file, end)
                               : recent_.get(0, pack.info.number, end);
    if (!file) return file.error();
    const StoredBytes& stored = (*file)->stored;
    const auto damaged = [&](std::string_view reason) {
        return Error(Errc::corrupt, fmt::format("space '{}': {} at offset {}: {} (position {})",
                                                placed.space->name, (*file)->name, entry.offset,
                                                reason, entry.first_position.value));
    };
    const std::uint64_t offset = entry.offset + (in_piece ? 0 : segment::extent_header_bytes);
    if (offset >= end) return damaged("the space order leads beyond the frames");
    const Bytes left = stored.bytes.subspan(offset, end - offset);
    if (segment::look(left).found != segment::Found::item) return damaged("no frame is here");
    const FrameView frame(left.data());
    if (const char* reason = segment::verify_frame(frame, store_seed_)) return damaged(reason);
    if (frame.first_position() != entry.first_position || frame.count() != entry.records)
        return damaged("the frame isn't the one that the space order speaks of");
    if (recent_segment_ == nullptr || recent_segment_->id != frame.segment())
        recent_segment_ = table_.find(frame.segment());
    if (recent_segment_ == nullptr) return damaged("a frame of a segment that was never named");
    const Wanted* one = wanted(recent_segment_->space);
    if (one == nullptr) return damaged("the frame isn't of the space");
    if (frame.last_sequence() <= recent_segment_->trimmed) return {};
    window.add(frame, recent_segment_, stored.pin, one->after);
    return {};
}

Result<void> SpaceSource::fill_from_pack(Window& window, std::size_t frames,
                                         const PackState& pack) {
    if (auto loaded = load_order(pack); !loaded) return loaded;
    // The first entry that ends at or beyond `next_`.
    auto at = std::lower_bound(
        order_.begin(), order_.end(), next_, [](const Placed& placed, Position position) {
            return placed.entry.first_position + (placed.entry.records - 1) < position;
        });
    if (backward_ && (at == order_.end() || at->entry.first_position > next_)) {
        if (at == order_.begin())
            at = order_.end();
        else
            --at;
    }
    while (window.items().size() < frames && at != order_.end()) {
        auto added = add_stored(window, pack, *at);
        if (!added && window.items().empty()) return added;
        if (!added) return {};  // the good ones first; the error comes next time
        next_ =
            backward_ ? at->entry.first_position - 1 : at->entry.first_position + at->entry.records;
        if (is_past_end()) return {};
        if (!backward_)
            ++at;
        else if (at == order_.begin())
            at = order_.end();
        else
            --at;
    }
    if (at != order_.end()) return {};
    // Beyond the end there may be a space that isn't known yet.
    const Position looked_through = std::min(pack.info.last_position, end_);
    next_ =
        backward_ ? pack.info.first_position - 1 : std::max(next_, Position(looked_through + 1));
    return {};
}

}  // namespace braid
