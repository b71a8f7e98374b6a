#include "engine/space_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "segment/pack.h"

namespace braid {

using segment::Chunk;
using segment::FrameView;
using segment::TailNode;

SpaceSource::SpaceSource(const ReadParts& parts, Choice choice, Position from, Position to,
                         bool backward)
    : storage_(parts.storage),
      recent_(storage_.files),
      arena_(parts.arena),
      table_(parts.table),
      store_seed_(parts.store_seed),
      choice_(std::move(choice)),
      next_(backward ? to : std::max(from, Position(1))),
      last_(backward ? std::max(from, Position(1)) : to),
      backward_(backward),
      merge_(parts.storage, parts.table) {}

void SpaceSource::find_spaces() {
    for (Wanted& one : choice_.spaces) {
        if (one.space != nullptr) continue;
        one.space = table_.find_space(one.name, end_);
        if (one.space == nullptr) continue;
        order_pack_ = 0;  // was loaded without it
        last_space_ = nullptr;
    }
}

const SpaceSource::Wanted* SpaceSource::find_wanted(const SpaceState* space) const {
    static const Wanted everything;
    if (choice_.all) return &everything;
    for (const Wanted& one : choice_.spaces)
        if (one.space == space) return &one;
    return nullptr;
}

bool SpaceSource::is_wanted(SpaceId space) const {
    return choice_.all ||
           std::any_of(choice_.spaces.begin(), choice_.spaces.end(), [&](const Wanted& one) {
               return one.space != nullptr && one.space->id == space;
           });
}

bool SpaceSource::is_named(const SegmentState& segment) const {
    return std::binary_search(choice_.segments.begin(), choice_.segments.end(), segment.name());
}

Result<void> SpaceSource::fill(Window& window, std::size_t frames) {
    find_spaces();
    expect(access_for(frames));
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
    const auto pass = [this](Position after, Position trimmed, Position& told) {
        if (tell_beyond_as_of(trimmed)) return false;
        return backward_ || std::max(after, Position(next_ - 1)) >= trimmed ||
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

bool SpaceSource::begins_in_trimmed() {
    find_spaces();
    const std::shared_lock lock(storage_.publish);
    const auto is_told = [this](Position after, Position trimmed) {
        return is_beyond_as_of(trimmed) ||
               (!backward_ && std::max(after, Position(next_ - 1)) < trimmed);
    };
    if (choice_.all) return is_told(0, storage_.trimmed_through());
    return std::any_of(choice_.spaces.begin(), choice_.spaces.end(), [&](const Wanted& one) {
        return one.space != nullptr && is_told(one.after, one.space->trimmed_through);
    });
}

/// Where packs are retired, goes on at the next one; false if there is no reason for a gap.
bool SpaceSource::skip_gap(const PackState* pack) {
    if (next_ > storage_.trimmed_through()) return false;
    const auto& packs = storage_.packs();
    if (!backward_) {
        // Beyond the end a space may come to be of which something is trimmed: that is told.
        next_ =
            std::min(pack == nullptr ? Position(storage_.drained() + 1) : pack->info.first_position,
                     Position(end_ + 1));
        return true;
    }
    const PackState* end = pack == nullptr ? packs.data() + packs.size() : pack;
    next_ = end == packs.data() ? Position(0) : (end - 1)->info.last_position;
    return true;
}

/// Of a node in the chunk that the window has pinned last.
inline void SpaceSource::take(Window& window, const TailNode& node) {
    auto* segment = static_cast<SegmentState*>(node.owner);
    const Wanted* one = wanted(segment->space);
    if (one != nullptr && is_wanted(*segment)) window.add(node, segment, one->after);
}

/// Asks the processor for what stands a good way behind a node and its frame, if those are small.
/// (GCC leaves out calls of a function that it thinks has no effect.)
[[gnu::always_inline]] inline void SpaceSource::fetch_row(const TailNode& node) noexcept {
    constexpr std::size_t frames_ahead = 4096;
    constexpr std::size_t nodes_ahead = 32 * sizeof(TailNode);
    for (std::size_t line = 0; line < 3; ++line)  // that is how many a small frame may lie in
        __builtin_prefetch(node.frame + frames_ahead + 64 * line);
    const auto* node_ahead = reinterpret_cast<const std::byte*>(&node) - nodes_ahead;
    __builtin_prefetch(node_ahead);  // they grow downwards
    __builtin_prefetch(node_ahead + 64);
}

void SpaceSource::fill_from_arena(Window& window, std::size_t frames, Position drained) {
    window.clear_pins();
    pinned_ = 0;
    ++pinning_;
    const std::shared_ptr<Chunk> chunk = arena_.find(next_);
    if (chunk == nullptr) return;
    window.pin(chunk);
    const std::size_t count = chunk->nodes();
    std::size_t index = chunk->find(next_, count);
    if (!backward_) {
        for (; index < count && window.items().size() < frames; ++index) {
            const TailNode& node = chunk->node(index);
            if (node.first_position > std::min(end_, last_)) break;
            fetch_row(node);
            take(window, node);
            next_ = node.last_position() + 1;
        }
        return;
    }
    for (; window.items().size() < frames; --index) {
        const TailNode& node = chunk->node(index);
        take(window, node);
        next_ = node.first_position - 1;
        if (index == 0 || next_ <= drained || is_past_end()) break;
    }
}

Error SpaceSource::damaged(std::size_t index, const FileId& file, std::string_view reason) const {
    const index::OrderEntry& entry = order_[index];
    return Error(Errc::corrupt,
                 fmt::format("space '{}': {} at offset {}: {} (position {})", space_of(index).name,
                             file.name(), entry.offset, reason, entry.first_position.value));
}

/// One that a drain wrote; nullptr if the piece is gone. What it points to is valid until the next
/// call.
Result<SpaceSource::Source*> SpaceSource::source(const PackState& pack, std::uint32_t number) {
    if (number > pack.pieces.size())
        return Error(Errc::corrupt,
                     fmt::format("{}: the space order speaks of piece {} of {}",
                                 segment::pack_name(pack.info.number), number, pack.pieces.size()));
    if (is_gone(pack, number)) return nullptr;
    Source& source = sources_[number];
    if (source.file == nullptr || source.clears != recent_.clears() ||
        !recent_.serves(*source.file, source.end))
        if (auto opened = open(source, pack, number); !opened) return opened.error();
    return &source;
}

Result<void> SpaceSource::open(Source& source, const PackState& pack, std::uint32_t number) {
    source = {};
    if (number == 0) {
        source.id = {0, pack.info.number};
        source.end = pack.info.extents_end;
        source.skip = segment::extent_header_bytes;
    } else {
        const segment::Piece& piece = pack.pieces[number - 1];
        source.id = {piece.segment, piece.file};
        source.end = piece.offset + piece.frames_bytes;
    }
    auto file = recent_.get(source.id, source.end);
    if (!file) return file.error();
    ++pinning_;  // another piece of the same file may lie in other memory now
    source.file = *file;
    source.clears = recent_.clears();
    return {};
}

/// Sources are opened anew where they are to be read otherwise.
void SpaceSource::expect(Access access) noexcept {
    if (std::exchange(access_, access) != access) ++pinning_;
    recent_.expect(access);
}

void SpaceSource::pin(Window& window, Source& source) {
    source.pin = window.pin(source.file->stored.pin);
    source.pinning = pinning_;
    source.loads = source.file->loads;
    ++pinned_;
}

/// Keeps what the window has pinned if it is ours and not too much.
void SpaceSource::begin_window(Window& window) {
    if (window.pins() == pinned_ && pinned_ <= 2 * sources_.size()) return;
    window.clear_pins();
    pinned_ = 0;
    ++pinning_;
}

Result<void> SpaceSource::add_stored(Window& window, const PackState& pack, std::size_t index) {
    const index::OrderEntry& entry = order_[index];
    if (entry.source >= sources_.size() || sources_[entry.source].pinning != pinning_) {
        auto got = source(pack, entry.source);
        if (!got) return got.error();
        if (*got == nullptr) return {};
        pin(window, **got);
    }
    Source& source = sources_[entry.source];
    const char* problem = add_pinned(window, entry, source);
    if (problem == nullptr || is_gone(pack, entry.source)) return {};
    return source.file->failure ? *source.file->failure : damaged(index, source.id, problem);
}

/// The frame that an entry speaks of, verified; a null view where something is wrong with it.
inline FrameView SpaceSource::frame_of(const index::OrderEntry& entry, Source& source,
                                       const char*& problem) {
    const std::uint64_t offset = entry.offset + source.skip;
    RecentFiles::Recent& file = *source.file;
    const FrameView frame = file.frame(offset, source.end);
    problem =
        frame.data() == nullptr ? "no frame is here" : file.walk.verify(frame, offset, store_seed_);
    return frame;
}

namespace {

/// Whether the frame's records from `begin` on are those that an entry speaks of.
bool are_records(const index::OrderEntry& entry, FrameView frame, std::uint32_t begin) noexcept {
    const std::uint32_t count = frame.count();
    if (!frame.is_joined())
        return begin == 0 && frame.first_position() == entry.first_position &&
               count == entry.records;
    return begin < count && entry.records <= count - begin &&
           frame.position(begin) == entry.first_position &&
           frame.position(begin + entry.records - 1) == entry.first_position + (entry.records - 1);
}

/// The first of the frame's records that an entry speaks of; its count if they aren't the frame's.
std::uint32_t first_record(const index::OrderEntry& entry, FrameView frame) noexcept {
    const std::uint32_t count = frame.count();
    const std::uint32_t begin = frame.first_beyond(entry.first_position - 1, 0, count);
    return are_records(entry, frame, begin) ? begin : count;
}

}  // namespace

/// Adds the frame of an entry, if all that need be known of it is known: which is the rule in a
/// walk over small frames. False, and nothing done, otherwise.
inline bool SpaceSource::add_known(Window& window, const index::OrderEntry& entry) {
    if (entry.source >= sources_.size() || next_ > entry.first_position) return false;
    Source& source = sources_[entry.source];
    if (source.pinning != pinning_ || source.loads != source.file->loads) return false;
    RecentFiles::Recent& file = *source.file;
    const std::uint64_t offset = entry.offset + source.skip;
    if (!file.walk.knows(offset) || leads_beyond(entry, source)) return false;
    const FrameView frame(file.stored.bytes.data() + (offset - file.begin));
    if (frame.is_joined() || !segment::fits(frame, source.end - offset) ||
        !are_records(entry, frame, 0))
        return false;
    if (segment_ == nullptr || segment_->id != frame.segment())
        segment_ = table_.find(frame.segment());
    if (segment_ == nullptr) return false;
    const Wanted* one = wanted(segment_->space);
    if (one == nullptr || !is_wanted(*segment_) || frame.last_sequence() <= segment_->trimmed)
        return false;
    file.walk.pass(frame, offset);
    window.add_records(source.pin, frame, segment_, one->after, 0, entry.records);
    return true;
}

inline const char* SpaceSource::add_pinned(Window& window, const index::OrderEntry& entry,
                                           Source& source) {
    if (leads_beyond(entry, source)) return "the space order leads beyond the frames";
    if (const Visited* known = visited(entry, source))
        return add_entry(window, entry, source, known->frame, known->next);
    const char* problem = nullptr;
    const FrameView frame = frame_of(entry, source, problem);
    if (problem == nullptr) return add_entry(window, entry, source, frame, 0);
    if (frame.data() != nullptr && frame.is_joined()) add_sound(window, entry, source, frame);
    return problem;
}

/// Where it is kept that a joined frame was visited.
SpaceSource::Visited& SpaceSource::visited_at(const index::OrderEntry& entry) {
    if (visited_.empty()) visited_.resize(visited_max);
    const std::uint64_t place = entry.offset / 8 + (std::uint64_t{entry.source} << 40);
    return visited_[place * 0x9e3779b97f4a7c15 >> 56];
}

/// The entry's frame, if it was visited and is held in memory since.
inline const SpaceSource::Visited* SpaceSource::visited(const index::OrderEntry& entry,
                                                        const Source& source) {
    if (visited_.empty()) return nullptr;
    const Visited& known = visited_at(entry);
    const bool is_held = known.pinning == pinning_ && known.loads == source.loads &&
                         source.loads == source.file->loads;
    const bool is_same = is_held && known.source == entry.source && known.offset == entry.offset &&
                         segment::fits(known.frame, source.end - (entry.offset + source.skip));
    return is_same ? &known : nullptr;
}

/// Adds what comes next of an entry. `expected`: which record it may begin with.
inline const char* SpaceSource::add_entry(Window& window, const index::OrderEntry& entry,
                                          Source& source, FrameView frame, std::uint32_t expected) {
    std::uint32_t begin =
        are_records(entry, frame, expected) ? expected : first_record(entry, frame);
    if (begin == frame.count()) return "the frame isn't the one that the space order speaks of";
    std::uint32_t end = begin + entry.records;
    // Some may have been given when they were in frames of their own.
    if (backward_)
        end = begin + static_cast<std::uint32_t>(
                          std::min<std::uint64_t>(entry.records, next_ - entry.first_position + 1));
    else if (next_ > entry.first_position)
        begin += static_cast<std::uint32_t>(next_ - entry.first_position);
    const std::size_t before = window.items().size();
    const char* problem = add_records(window, source, frame, begin, end);
    if (!frame.is_joined() || window.items().size() == before) return problem;
    Visited& visited = visited_at(entry);
    visited.pinning = pinning_;
    visited.loads = source.loads;
    visited.source = entry.source;
    visited.offset = entry.offset;
    visited.frame = frame;
    visited.next = backward_ ? std::max(begin, 1U) - 1 : end;
    return problem;
}

/// Whatever of them is wanted.
inline const char* SpaceSource::add_records(Window& window, Source& source, FrameView frame,
                                            std::uint32_t begin, std::uint32_t end) {
    if (segment_ == nullptr || segment_->id != frame.segment())
        segment_ = table_.find(frame.segment());
    if (segment_ == nullptr) return "a frame of a segment that was never named";
    const Wanted* one = wanted(segment_->space);
    if (one == nullptr) return "the frame isn't of the space";
    if (frame.first_sequence() + (end - 1) <= segment_->trimmed || !is_wanted(*segment_))
        return nullptr;
    if (source.loads != source.file->loads) pin(window, source);
    window.add_records(source.pin, frame, segment_, one->after, begin, end);
    return nullptr;
}

/// Of a joined frame that isn't sound as a whole: what comes next, as far as its records prove
/// themselves. `next_` goes past them.
void SpaceSource::add_sound(Window& window, const index::OrderEntry& entry, Source& source,
                            FrameView frame) {
    const Position last = entry.first_position + (entry.records - 1);
    const Position next = backward_ ? std::min(next_, last) : std::max(next_, entry.first_position);
    const std::uint64_t most = (backward_ ? next - entry.first_position : last - next) + 1;
    std::uint32_t index = 0;
    while (index < frame.count() &&
           !(frame.position(index) == next && segment::is_record_sound(frame, index, store_seed_)))
        ++index;
    if (index == frame.count()) return;
    const auto sound = static_cast<std::uint32_t>(std::min<std::uint64_t>(
        most, segment::sound_records(frame, index, backward_, store_seed_)));
    const std::uint32_t begin = backward_ ? index + 1 - sound : index;
    if (frame.position(begin + sound - 1) - frame.position(begin) != sound - 1) return;
    if (add_records(window, source, frame, begin, begin + sound) == nullptr)
        next_ = backward_ ? next - sound : next + sound;
}

/// Asks the processor for a frame that is soon to be looked at.
void SpaceSource::fetch(const index::OrderEntry& entry) const noexcept {
    if (entry.source >= sources_.size()) return;
    const Source& source = sources_[entry.source];
    if (source.file == nullptr || source.clears != recent_.clears()) return;
    if (!source.file->holds(entry.offset, 0)) return;
    const std::byte* at = source.file->stored.bytes.data() + (entry.offset - source.file->begin);
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
    __builtin_prefetch(at + 128);
}

Result<void> SpaceSource::fill_from_pack(Window& window, std::size_t frames,
                                         const PackState& pack) {
    if (auto loaded = load_order(pack, frames); !loaded) return loaded;
    // The first entry that ends at or beyond `next_`.
    auto at = std::lower_bound(order_.begin(), order_.end(), next_,
                               [](const index::OrderEntry& entry, Position position) {
                                   return entry.first_position + (entry.records - 1) < position;
                               });
    if (backward_ && (at == order_.end() || at->first_position > next_)) {
        if (at == order_.begin())
            at = order_.end();
        else
            --at;
    }
    constexpr std::ptrdiff_t ahead = 12;
    begin_window(window);
    while (window.items().size() < frames && at != order_.end()) {
        // Beyond the end may be entries of a space that isn't known yet.
        if (!backward_ && at->first_position > end_) {
            next_ = std::max(next_, Position(end_ + 1));
            return {};
        }
        if (!backward_ && order_.end() - at > ahead) fetch(at[ahead]);
        if (backward_ || !add_known(window, *at)) {
            const Position before = next_;
            auto added = add_stored(window, pack, static_cast<std::size_t>(at - order_.begin()));
            // The good ones first, wanted or not; the error comes next time.
            if (!added && window.items().empty() && next_ == before) return added;
            if (!added) return {};
        }
        next_ = backward_ ? at->first_position - 1 : at->first_position + at->records;
        if (is_past_end()) return {};
        if (!backward_)
            ++at;
        else if (at == order_.begin())
            at = order_.end();
        else
            --at;
    }
    if (at != order_.end()) return {};
    const Position looked_through = std::min(order_last_, end_);
    next_ = backward_ ? std::min(next_, Position(order_first_ - 1))
                      : std::max(next_, Position(looked_through + 1));
    return {};
}

}  // namespace braid
