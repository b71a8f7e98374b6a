#include "engine/segment_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <utility>

namespace braid {

using segment::FrameView;
using segment::TailNode;

SegmentSource::SegmentSource(const ReadParts& parts, SegmentState& segment, const Range& range)
    : storage_(parts.storage),
      arena_(parts.arena),
      recent_(storage_.files),
      store_seed_(parts.store_seed),
      segment_(segment),
      next_(range.backward ? range.to : std::max(range.from, Sequence(1))),
      last_(range.backward ? std::max(range.from, Sequence(1)) : range.to),
      after_(range.after),
      backward_(range.backward),
      from_what_is_left_(range.from == 0 && range.after == 0),
      chain_(storage_, recent_, store_seed_, segment, range.backward) {}

/// Backward, reading ends where what is left begins; forward it must be told.
Result<void> SegmentSource::pass_trimmed() {
    const Sequence trimmed = segment_.trimmed;
    if (tell_beyond_as_of(segment_.trimmed_position)) return gone();
    if (backward_) {
        last_ = std::max(last_, Sequence(trimmed + 1));
        return {};
    }
    const bool known = std::exchange(from_what_is_left_, false);
    if (next_ > trimmed) return {};
    next_ = trimmed + 1;
    before_next_ = nullptr;
    careful_.reset();
    if (known || after_ >= segment_.trimmed_position) return {};
    return gone();
}

bool SegmentSource::begins_in_trimmed() {
    const std::shared_lock lock(storage_.publish);
    if (is_beyond_as_of(segment_.trimmed_position)) return true;
    return !backward_ && !from_what_is_left_ && next_ <= segment_.trimmed &&
           after_ < segment_.trimmed_position;
}

Error SegmentSource::gone() const {
    return Error::trimmed(
        {segment_.trimmed_position, 0},
        fmt::format("segment '{}' of space '{}' is trimmed through sequence {}", segment_.name(),
                    segment_.space->name, segment_.trimmed.value));
}

void SegmentSource::go_to(Sequence sequence) {
    next_ = sequence;
    from_what_is_left_ = false;
    before_next_ = nullptr;
    chain_.restart();
    careful_.reset();
}

Result<void> SegmentSource::fill(Window& window, std::size_t frames) {
    window.clear_pins();
    const std::shared_lock lock(storage_.publish);
    recent_.expect(access_for(frames));
    alone_ = frames == 1 || next_ == last_;
    if (std::exchange(gatherings_, storage_.gatherings()) != storage_.gatherings())
        careful_.reset();
    if (auto passed = pass_trimmed(); !passed) return passed;
    if (is_past_end()) return {};
    const Sequence drained = segment_.drained_through();
    if (next_ > drained) {
        fill_from_tail(window, frames, drained);
        if (!window.items().empty() || !backward_) return {};
        next_ = drained;  // nothing visible is left in the tail
        if (is_past_end()) return {};
    }
    if (const segment::Piece* piece = piece_of(next_))
        return backward_ ? fill_backward_from_piece(window, frames, *piece)
                         : fill_from_piece(window, frames, *piece);
    return fill_from_packs(window, frames, drained);
}

void SegmentSource::fill_from_tail(Window& window, std::size_t frames, Sequence drained) {
    if (!backward_ && before_next_ != nullptr && next_ > drained + 1) {
        go_on_in_tail(window, frames);
        if (!window.items().empty()) return;
    }
    const TailNode* newest = segment_.tail.load(std::memory_order_acquire);
    const TailNode* visible = segment::find_position(newest, end_, drained);
    if (visible == nullptr || (!backward_ && visible->last_sequence() < next_)) return;
    if (!backward_ && (frames == 1 || next_ == last_) &&
        take_from_even_tail(window, *visible, drained))
        return;
    // Nodes lead backward: start at the newest one wanted.
    const Sequence top = backward_ ? next_ : std::min(last_, Sequence(next_ + (frames - 1)));
    const TailNode* node =
        top < visible->last_sequence()
            ? segment::guess_sequence(arena_, visible, before_tail(drained), top, drained)
            : visible;
    boost::container::small_vector<const TailNode*, 8> nodes;
    for (; node != nullptr && node->last_sequence() >= (backward_ ? last_ : next_);
         node = segment::before(node, drained)) {
        nodes.push_back(node);
        if (backward_ && nodes.size() == frames) break;
    }
    if (nodes.empty()) return;
    if (nodes.size() == 1) fetch_node(*nodes.front(), next_);
    next_ = backward_ ? nodes.back()->first_sequence - 1 : nodes.front()->last_sequence() + 1;
    if (!backward_) {
        before_next_ = nodes.front();
        std::reverse(nodes.begin(), nodes.end());
    }
    const segment::Chunk* pinned = nullptr;
    for (const TailNode* one : nodes) {
        if (one->chunk != pinned) window.pin(one->chunk->shared_from_this());
        pinned = one->chunk;
        window.add(one->view(), &segment_);
    }
}

/// A record before the tail's first.
segment::TailPlace SegmentSource::before_tail(Sequence drained) const noexcept {
    if (drained == 0) return {0, segment_.first_position - 1};
    return {drained, segment_.drained_position};
}

/// Adds the frame that holds `next_` if the tail is so even there that its place is known without a
/// look at nodes: each is a miss of the caches.
bool SegmentSource::take_from_even_tail(Window& window, const TailNode& visible, Sequence drained) {
    const Position expected = segment::expected_position(
        before_tail(drained), {visible.first_sequence, visible.first_position}, next_);
    const segment::Chunk* chunk = expected == 0 ? nullptr : arena_.look_up(expected);
    if (chunk == nullptr) return false;
    const auto [at, distance] = chunk->even_frame(expected);
    if (at == nullptr) return false;
    for (std::size_t line = 0; line < 4; ++line) __builtin_prefetch(at + 64 * line);
    const FrameView frame(at);
    if (!is_ours(frame)) return false;
    fetch_record({at, distance}, frame.count(), next_ - frame.first_sequence());
    window.add(frame, &segment_, chunk->shared_from_this(), 0);
    before_next_ = nullptr;
    next_ = frame.last_sequence() + 1;
    return true;
}

/// Asks the processor at once for a frame's header, and for the end of the record wanted and where
/// it should be if its neighbours are as long.
void SegmentSource::fetch_node(const TailNode& node, Sequence wanted) noexcept {
    __builtin_prefetch(node.frame);
    if (node.first_sequence >= wanted) return;
    const std::uint64_t record = std::min<std::uint64_t>(wanted - node.first_sequence, node.count);
    const TailNode* behind = node.chunk->after(node);
    if (behind == nullptr) return;
    fetch_record({node.frame, static_cast<std::size_t>(behind->frame - node.frame)}, node.count,
                 record);
}

/// The end of a record, and where it should be if all are as long: `frame` reaches to the next one.
void SegmentSource::fetch_record(Bytes frame, std::uint32_t count, std::uint64_t record) noexcept {
    __builtin_prefetch(frame.data() + segment::frame_header_bytes + sizeof(std::uint16_t) * record);
    const std::byte* expected = frame.data() + frame.size() * record / count;
    for (std::size_t line = 0; line < 4; ++line) __builtin_prefetch(expected + 64 * line);
}

/// Whether the frame begins with what comes next.
inline bool SegmentSource::is_next(FrameView frame) const noexcept {
    return frame.first_sequence() == next_ && frame.segment() == segment_.id;
}

/// Asks the processor for what stands a good way behind a frame in a row of small ones.
inline void SegmentSource::fetch_row(FrameView frame) noexcept {
    constexpr std::size_t ahead = 4096;
    for (std::size_t line = 0; line < 3; ++line)  // that is how many a small frame may lie in
        __builtin_prefetch(frame.data() + ahead + 64 * line);
}

/// A segment that is alone in being written to has its frames one behind the other, which spares
/// the search for the node to walk back from, and a look at the nodes, which stand so as well.
void SegmentSource::go_on_in_tail(Window& window, std::size_t frames) {
    const segment::Chunk& chunk = *before_next_->chunk;
    std::size_t left = chunk.nodes_behind(*before_next_);
    const TailNode* node = before_next_ - 1;
    if (left == 0 || node->owner != &segment_) return;
    window.pin(chunk.shared_from_this());
    for (const std::byte* at = node->frame;
         left != 0 && window.items().size() < frames && next_ <= last_; --left, --node) {
        // A published one comes, if not here then behind: so a frame's header can be read.
        const FrameView frame(at);
        fetch_row(frame);
        if (!is_next(frame) || !segment::is_frame(frame.type()) || frame.first_position() > end_)
            return;
        window.add(frame, &segment_);
        next_ = frame.last_sequence() + 1;
        before_next_ = node;
        at += frame.padded_length();
    }
}

const segment::Piece* SegmentSource::piece_of(Sequence sequence) const {
    const auto pieces = segment_.pieces();
    const auto found = std::lower_bound(
        pieces.begin(), pieces.end(), sequence,
        [](const segment::Piece& piece, Sequence wanted) { return piece.last_sequence < wanted; });
    return found == pieces.end() || found->first_sequence > sequence ? nullptr : &*found;
}

bool SegmentSource::is_ours(FrameView frame) const {
    return segment::is_frame(frame.type()) && frame.segment() == segment_.id &&
           frame.first_sequence() <= next_ && next_ <= frame.last_sequence();
}

/// How many records from the next one on are sound in a frame that isn't as a whole.
std::uint32_t SegmentSource::sound_records(FrameView frame) const {
    if (frame.data() == nullptr || !is_ours(frame)) return 0;
    const auto index = static_cast<std::uint32_t>(next_ - frame.first_sequence());
    return segment::sound_records(frame, index, backward_, store_seed_);
}

Error SegmentSource::missing(const std::string& where) const {
    return Error(Errc::corrupt,
                 fmt::format("{}: sequence {} of segment '{}' of space '{}' isn't there", where,
                             next_.value, segment_.name(), segment_.space->name));
}

namespace {

/// The frame that begins so far behind the piece's first byte, with bounds that lie within the
/// piece, not verified; a null view if there is none.
FrameView frame_in_piece(RecentFiles::Recent& file, const segment::Piece& piece, std::uint64_t at) {
    if (at >= piece.frames_bytes) return {};
    return file.frame(piece.offset + at, piece.offset + piece.frames_bytes);
}

}  // namespace

/// Why the frame can't be given, or nullptr.
const char* SegmentSource::verify_in_piece(RecentFiles::Recent& file, const segment::Piece& piece,
                                           std::uint64_t at) {
    const FrameView frame = frame_in_piece(file, piece, at);
    if (frame.data() == nullptr) return "a frame is missing";
    return file.walk.verify(frame, piece.offset + at, store_seed_);
}

Error SegmentSource::damaged(const RecentFiles::Recent& file, std::uint64_t offset,
                             std::string_view reason) const {
    if (file.failure) return *file.failure;
    return Error(Errc::corrupt,
                 fmt::format("{} at offset {}: {} (segment '{}' of space '{}')", file.id.name(),
                             offset, reason, segment_.name(), segment_.space->name));
}

const index::SparseIndex* SegmentSource::sparse_index(const segment::Piece& piece) {
    const PieceKey key({piece.segment, piece.file}, piece.offset);
    if (index_ != nullptr && index_of_ == key) return index_.get();
    auto found = storage_.sparse_index(piece);
    index_ = found ? *found : nullptr;
    index_of_ = key;
    return index_.get();
}

namespace {

/// More lies between two indexed frames only where it is a single one.
constexpr std::uint64_t several_frames = 2 * index::sparse_interval_bytes;

}  // namespace

/// Asks the processor at once for what a get is going to look at one after the other, as if all
/// records were of the same length: where it should be in a frame of its own, and in a single frame
/// that has them all its header, the record's index and, if that is a joined one, the record.
void SegmentSource::fetch_between(Bytes frames,
                                  const index::SparseIndex::Interval& between) const noexcept {
    if (between.end_sequence <= between.sequence || frames.empty()) return;
    const std::uint64_t records = between.end_sequence - between.sequence;
    const std::uint64_t before = next_ - between.sequence;
    const std::byte* own = frames.data() + frames.size() / records * before;
    for (std::size_t line = 0; line < 4; ++line) __builtin_prefetch(own + 64 * line);
    const std::byte* ends = frames.data() + segment::frame_header_bytes;
    __builtin_prefetch(frames.data());
    __builtin_prefetch(ends + sizeof(std::uint16_t) * before);
    if (frames.size() >= several_frames) return;
    const std::byte* numbers = ends + sizeof(std::uint16_t) * records;
    const std::byte* joined = numbers + sizeof(segment::JoinedNumbers) * records;
    if (joined >= frames.data() + frames.size()) return;
    const auto left = static_cast<std::uint64_t>(frames.data() + frames.size() - joined);
    __builtin_prefetch(numbers + sizeof(segment::JoinedNumbers) * before);
    __builtin_prefetch(joined - sizeof(segment::JoinedNumbers));
    for (std::size_t line = 0; line < 3; ++line)
        __builtin_prefetch(joined + left / records * before + 64 * line);
}

/// Where the frame that holds `next_` may begin: where it does if all frames between two indexed
/// ones are of the same length, else where the headers lead. The frame must prove itself.
std::uint64_t SegmentSource::guess_in_piece(RecentFiles::Recent& file, const segment::Piece& piece,
                                            const index::SparseIndex& index) const {
    const index::SparseIndex::Interval between = index.interval(next_);
    const std::uint64_t end = std::min(between.end, piece.frames_bytes);
    if (between.offset >= end) return between.offset;
    Bytes frames = file.at(piece.offset + between.offset, end - between.offset);
    if (frames.empty()) return between.offset;
    frames = frames.first(end - between.offset);
    fetch_between(frames, between);
    if (between.end_sequence > between.sequence && frames.size() < several_frames) {
        const std::uint64_t records = between.end_sequence - between.sequence;
        const std::uint64_t at = frames.size() / records * (next_ - between.sequence) / 8 * 8;
        if (at + segment::frame_header_bytes <= frames.size() &&
            is_ours(FrameView(frames.data() + at)))
            return between.offset + at;
    }
    std::uint64_t at = 0;
    while (at + segment::frame_header_bytes <= frames.size()) {
        const FrameView frame(frames.data() + at);
        __builtin_prefetch(frames.data() + at + 512);
        if (frame.last_sequence() >= next_ || frame.length() == 0) break;
        at += frame.padded_length();
    }
    return between.offset + at;
}

/// Offset, from the piece's first byte, of the frame that holds `next_`: by headers alone from an
/// indexed one on, since that frame proves itself. Where they lead astray, frames are verified one
/// by one from the piece's beginning, so that the damaged one is named.
Result<SegmentSource::Place> SegmentSource::find_in_piece(RecentFiles::Recent& file,
                                                          const segment::Piece& piece) {
    if (piece_sequence_ == next_ && next_ != piece.first_sequence) return Place{piece_offset_};
    const index::SparseIndex* index = sparse_index(piece);
    std::uint64_t at = index != nullptr ? guess_in_piece(file, piece, *index) : 0;
    FrameView frame = frame_in_piece(file, piece, at);
    if (frame.data() != nullptr && is_ours(frame)) {
        if (is_sound_alone(file, piece.offset + at, frame)) return Place{at, true};
        if (file.walk.verify(frame, piece.offset + at, store_seed_) == nullptr) return Place{at};
    }
    std::optional<Error> passed_over;  // damage that is before it, unless a header lies
    for (at = index != nullptr ? index->seek(next_) : 0; at < piece.frames_bytes;
         at += frame.padded_length()) {
        const char* reason = verify_in_piece(file, piece, at);
        frame = frame_in_piece(file, piece, at);
        if (reason != nullptr && sound_records(frame) == 0) {
            if (!passed_over) passed_over = damaged(file, piece.offset + at, reason);
            if (frame.data() == nullptr || is_ours(frame)) break;
        } else if (frame.last_sequence() >= next_) {
            if (is_ours(frame)) return Place{at};
            break;
        }
    }
    return passed_over ? *std::move(passed_over) : missing(file.id.name());
}

/// Who wants a single record of a joined frame, which was not verified yet, is spared that: the
/// record has a checksum of its own.
bool SegmentSource::is_sound_alone(const RecentFiles::Recent& file, std::uint64_t offset,
                                   FrameView frame) const {
    return alone_ && frame.is_joined() && !file.walk.remembers(offset) &&
           segment::is_record_sound(
               frame, static_cast<std::uint32_t>(next_ - frame.first_sequence()), store_seed_);
}

/// Adds frames that stand one behind the other in a file before `end`, as long as the next one is
/// sound and holds what comes next. Returns the offset of the first that wasn't added: what is
/// wrong with it, if anything, is told when it is looked for.
std::uint64_t SegmentSource::add_row(Window& window, std::size_t frames, RecentFiles::Recent& file,
                                     std::uint64_t offset, std::uint64_t end) {
    for (std::uint32_t loads = file.loads; window.items().size() < frames && next_ <= last_ &&
                                           offset + segment::frame_header_bytes <= end;) {
        const Bytes left = file.at(offset, segment::frame_header_bytes);
        if (left.empty()) break;
        FrameView frame(left.data());
        fetch_row(frame);
        if (!is_next(frame)) break;
        if (file.walk.knows(offset)) {
            if (!segment::fits(frame, end - offset)) break;
            file.walk.pass(frame, offset);
        } else {
            frame = file.frame(offset, end);
            if (frame.data() == nullptr || file.walk.verify(frame, offset, store_seed_) != nullptr)
                break;
        }
        if (std::exchange(loads, file.loads) != file.loads) window.pin(file.stored.pin);
        window.add(frame, &segment_);
        next_ = frame.last_sequence() + 1;
        offset += frame.padded_length() + file.walk.gap();
    }
    return offset;
}

Result<void> SegmentSource::fill_from_piece(Window& window, std::size_t frames,
                                            const segment::Piece& piece) {
    auto got = recent_.get({piece.segment, piece.file}, piece.offset + piece.frames_bytes);
    if (!got) return got.error();
    RecentFiles::Recent& file = **got;
    auto place = find_in_piece(file, piece);
    if (!place) return place.error();
    const std::uint64_t found = place->offset;
    const char* reason = place->is_alone ? nullptr : verify_in_piece(file, piece, found);
    const FrameView frame = frame_in_piece(file, piece, found);
    if (place->is_alone && is_ours(frame)) {
        window.add_next(frame, &segment_, file.stored.pin, next_, false, 1);
        return {};
    }
    if (reason != nullptr) {
        const std::uint32_t sound = sound_records(frame);
        if (sound == 0) return damaged(file, piece.offset + found, reason);
        window.add_next(frame, &segment_, file.stored.pin, next_, false, sound);
        return {};  // the good ones first; the error comes next time
    }
    if (!is_ours(frame)) return missing(file.id.name());
    window.add_next(frame, &segment_, file.stored.pin, next_, false);
    piece_offset_ = add_row(window, frames, file, piece.offset + found + frame.padded_length(),
                            piece.offset + piece.frames_bytes) -
                    piece.offset;
    piece_sequence_ = next_;
    return {};
}

/// From the frame that holds `next_` back to an indexed one, few as they are between.
Result<void> SegmentSource::fill_backward_from_piece(Window& window, std::size_t frames,
                                                     const segment::Piece& piece) {
    auto file = recent_.get({piece.segment, piece.file}, piece.offset + piece.frames_bytes);
    if (!file) return file.error();
    auto place = find_in_piece(**file, piece);
    if (!place) return place.error();
    const std::uint64_t found = place->offset;
    if (place->is_alone && is_ours(frame_in_piece(**file, piece, found))) {
        const FrameView frame = frame_in_piece(**file, piece, found);
        window.add_next(frame, &segment_, (*file)->stored.pin, next_, true, 1);
        return {};
    }
    boost::container::small_vector<std::uint64_t, 32> offsets;
    const index::SparseIndex* index = sparse_index(piece);
    std::uint64_t at = index != nullptr ? index->seek(next_) : found;
    for (; at < found; at += frame_in_piece(**file, piece, at).padded_length()) {
        if (frame_in_piece(**file, piece, at).data() == nullptr) break;
        offsets.push_back(at);
    }
    if (at != found) offsets.clear();
    offsets.push_back(found);
    while (!offsets.empty() && window.items().size() < frames && !is_past_end()) {
        const char* reason = verify_in_piece(**file, piece, offsets.back());
        const FrameView frame = frame_in_piece(**file, piece, offsets.back());
        if (reason == nullptr && !is_ours(frame)) reason = "the frame isn't what it just was";
        if (reason != nullptr) {
            const std::uint32_t sound = sound_records(frame);
            if (sound != 0)
                window.add_next(frame, &segment_, (*file)->stored.pin, next_, true, sound);
            if (!window.items().empty()) break;  // is told when it is looked for
            return damaged(**file, piece.offset + offsets.back(), reason);
        }
        window.add_next(frame, &segment_, (*file)->stored.pin, next_, true);
        offsets.pop_back();
    }
    return {};
}

/// Along the links, as long as they lead to sound frames; else by all of them.
Result<void> SegmentSource::fill_from_packs(Window& window, std::size_t frames, Sequence drained) {
    while (!careful_ && window.items().size() < frames && !is_past_end() && next_ <= drained) {
        const ExtentChain::Extent extent = chain_.find(next_, alone_);
        if (extent.file == nullptr) break;  // what comes next is in a piece, or it is damaged
        window.add_next(extent.frame, &segment_, extent.file->stored.pin, next_, backward_,
                        extent.is_alone ? 1 : extent.frame.count());
        if (!backward_ && extent.behind != 0)
            chain_.go_on_at(add_row(window, frames, *extent.file, extent.behind, extent.end));
    }
    if (!window.items().empty()) return {};
    if (!careful_) careful_.emplace(storage_, store_seed_, segment_, backward_);
    return careful_->fill(window, frames, next_, last_);
}

}  // namespace braid
