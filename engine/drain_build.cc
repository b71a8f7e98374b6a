// What a drain writes: the pack, the pieces, and the record that speaks of them.
#include <algorithm>
#include <braid/check.hpp>
#include <utility>

#include "engine/drain.h"
#include "segment/body_reference.h"
#include "segment/pack.h"

namespace braid {
namespace {

void pad_to_block(std::vector<std::byte>& bytes) {
    bytes.resize(io::whole_blocks(bytes.size()));
}

/// The count of a body file, of few.
std::uint64_t& bodies_of(std::uint64_t file, std::vector<index::BodyFileCount>& counts) {
    auto count = std::find_if(counts.rbegin(), counts.rend(),
                              [&](const auto& one) { return one.file == file; });
    if (count != counts.rend()) return count->bodies;
    return counts.emplace_back(index::BodyFileCount{file}).bodies;
}

}  // namespace

void Drain::assign() {
    frames_.reserve(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (i + segments_ahead < nodes_.size())
            static_cast<const SegmentState*>(nodes_[i + segments_ahead]->owner)->fetch();
        assign_frame(*nodes_[i]);
    }
    assign_pieces();
}

void Drain::assign_frame(const segment::TailNode& node) {
    auto* segment = static_cast<SegmentState*>(node.owner);
    if (segment->drain_work == 0) {
        Work& work = work_.emplace_back();
        segment->drain_work = static_cast<std::uint32_t>(work_.size());
        work.segment = segment;
        work.space = segment->space->id;
        work.update = segment->drained();
        work.is_new = work.update.last_sequence == 0;
    }
    const std::uint32_t index = segment->drain_work - 1;
    const auto own = static_cast<std::uint32_t>(frames_.size());
    frames_.push_back({index});
    const std::uint32_t before = std::exchange(work_[index].last_frame, own);
    if (work_[index].frames_bytes != 0) frames_[before].next = own;
    const segment::FrameView frame = node.view();
    if (frame.is_elsewhere()) ++bodies_of(segment::body_reference(frame).file, record_.body_files);
    const std::uint64_t bytes = frame.padded_length();
    const std::uint64_t bytes_before =
        std::exchange(work_[index].frames_bytes, work_[index].frames_bytes + bytes);
    const std::uint64_t enough = target_.options.piece_bytes_min;
    if (bytes_before < enough && bytes_before + bytes >= enough) large_.push_back(index);
    frames_bytes_ += bytes;
}

void Drain::assign_pieces() {
    std::sort(large_.begin(), large_.end());
    for (const std::uint32_t index : large_) {
        Work& work = work_[index];
        segment::Piece piece;
        piece.segment = work.segment->id;
        const auto pieces = work.segment->pieces();
        const bool fits =
            !pieces.empty() && pieces.back().file == work.update.files &&
            pieces.back().end() + work.frames_bytes <= target_.options.segment_file_bytes;
        piece.offset = fits ? pieces.back().end() : io::block_bytes;
        piece.file = fits ? work.update.files : ++work.update.files;
        record_.pieces.push_back(piece);
        work.piece = static_cast<std::uint32_t>(record_.pieces.size());
    }
}

void Drain::note_names() {
    std::vector<const SpaceState*> spaces;
    std::vector<const SegmentState*> segments;
    for (const Work& work : work_) {
        if (!work.is_new) continue;
        segments.push_back(work.segment);
        if (!work.segment->space->in_catalog) spaces.push_back(work.segment->space);
    }
    const auto by_id = [](const auto* left, const auto* right) { return left->id < right->id; };
    std::sort(segments.begin(), segments.end(), by_id);
    std::sort(spaces.begin(), spaces.end(), by_id);
    spaces.erase(std::unique(spaces.begin(), spaces.end()), spaces.end());
    record_.names.reserve(spaces.size() + segments.size());
    for (const SpaceState* space : spaces)
        record_.names.push_back(segment::SpaceNamed{space->id, space->name});
    for (const SegmentState* segment : segments)
        record_.names.push_back(
            segment::SegmentNamed{segment->id, segment->space->id, std::string(segment->name())});
    record_.next_space = spaces.empty() ? next_space_ : SpaceId(spaces.back()->id + 1);
    record_.next_segment = segments.empty() ? next_segment_ : SegmentId(segments.back()->id + 1);
}

Result<void> Drain::name_outputs() {
    const std::uint32_t number = target_.storage.free_pack();
    record_.next_pack = number + 1;
    if (number > segment::pack_number_max)
        return Error(Errc::too_large, "the store has used all pack numbers");
    record_.packs.push_back({.number = number,
                             .first_position = target_.storage.drained() + 1,
                             .last_position = record_.cut,
                             .pieces = static_cast<std::uint32_t>(record_.pieces.size())});
    // Only the pack of a drain that never finished can be in the way, and it is ours to overwrite.
    outputs_.push_back({.name = segment::pack_name(number),
                        .truncate = true,
                        .direct = mode_ == io::WriteMode::uncached});
    for (const std::uint32_t index : large_) {
        Work& work = work_[index];
        const segment::Piece& piece = record_.pieces[work.piece - 1];
        const bool fresh = piece.offset == io::block_bytes;
        work.piece_output = outputs_.size();
        Output& output = outputs_.emplace_back();
        output.name = segment::segment_file_name(piece.segment, piece.file);
        output.offset = fresh ? 0 : piece.offset;
        if (!fresh) continue;
        const auto header =
            segment::make_segment_file_header(target_.store, piece.segment, piece.file);
        output.bytes.resize(io::block_bytes);
        std::memcpy(output.bytes.data(), &header, sizeof header);
    }
    return {};
}

/// So that nothing is copied while they grow. Their indexes come on top, and seldom go beyond.
void Drain::reserve_pieces() {
    for (const std::uint32_t index : large_) {
        const Work& work = work_[index];
        outputs_[work.piece_output].bytes.reserve(work.frames_bytes + work.frames_bytes / 64 +
                                                  4 * io::block_bytes);
    }
}

void Drain::begin_build() {
    reserve_pieces();
    const auto header = segment::make_pack_header(target_.store, record_.packs.front().number);
    auto& pack = outputs_.front().bytes;
    pack.reserve(write_bytes_max + segment::frame_body_bytes_max);
    pack.resize(sizeof header);
    std::memcpy(pack.data(), &header, sizeof header);
}

/// Builds as long as its writes keep up. True when all is built.
bool Drain::build(io::Queue& queue) {
    for (; built_ < nodes_.size(); ++built_) {
        if (const std::size_t bytes = outputs_.front().bytes.size(); bytes >= write_bytes_max) {
            if (queue.in_flight() >= writes_in_flight) return false;
            hand_over(queue, bytes / write_bytes_max * write_bytes_max);
        }
        build_frame(built_);
    }
    finish_build(queue);
    return true;
}

Drain::Part& Drain::free_part() {
    for (Part& part : parts_)
        if (part.writes == 0) return part;
    return parts_.emplace_back();
}

/// Submits the first bytes of what is built of the pack, whole blocks of it, from memory that
/// direct writes can take.
void Drain::hand_over(io::Queue& queue, std::size_t bytes) {
    if (bytes == 0) return;
    Output& pack = outputs_.front();
    queue.reserve((bytes + write_bytes_max - 1) / write_bytes_max);
    Part& part = free_part();
    const Bytes held = part.bytes.hold(Bytes(pack.bytes).first(bytes));
    const auto token = static_cast<std::uint64_t>(&part - parts_.data()) + 1;
    for (std::size_t at = 0; at < bytes; at += write_bytes_max, ++part.writes)
        queue.submit({.mode = mode_,
                      .file = pack.file.get(),
                      .bytes = held.subspan(at, std::min(write_bytes_max, bytes - at)),
                      .offset = pack.offset + at,
                      .token = token});
    pack.bytes.erase(pack.bytes.begin(), pack.bytes.begin() + static_cast<std::ptrdiff_t>(bytes));
    pack.offset += bytes;
    pack.handed_over += bytes;
}

void Drain::finish_build(io::Queue& queue) {
    Output& pack = outputs_.front();
    index::PackInfo& info = record_.packs.front();
    info.extents_end = pack.end();
    pad_to_block(pack.bytes);  // they begin with one
    info.order_offset = pack.end();
    record_.sections =
        order_.finish(pack.bytes, pack.offset, info.number, target_.store_seed,
                      [&](SpaceId space) { return target_.table.find(space)->order; });
    info.bytes = pack.end();
    for (const std::uint32_t index : large_) finish_piece(work_[index]);
    const std::size_t rest = pack.direct ? pack.bytes.size() % io::block_bytes : 0;
    hand_over(queue, pack.bytes.size() - rest);
    if (rest != 0)  // is less than a block
        outputs_.push_back(
            {.name = pack.name, .offset = pack.offset, .bytes = std::exchange(pack.bytes, {})});
}

void Drain::build_frame(std::size_t index) {
    Work& work = work_[frames_[index].work];
    if (frames_[index].offset == 0) place_frame(index, work);
    const segment::FrameView frame = nodes_[index]->view();
    if (work.piece != 0) {
        segment::Piece& piece = record_.pieces[work.piece - 1];
        if (piece.first_sequence == 0) {
            piece.first_sequence = frame.first_sequence();
            piece.first_position = frame.first_position();
            piece.first_timestamp = frame.timestamp();
        }
        piece.last_sequence = frame.last_sequence();
        piece.last_position = frame.last_position();
        piece.last_timestamp = frame.timestamp();
    }
    index::SegmentUpdate& update = work.update;
    update.last_sequence = frame.last_sequence();
    update.last_position = frame.last_position();
    update.last_timestamp = frame.timestamp();
    order_.add(work.space,
               {frame.first_position(), frame.count(), work.piece, frames_[index].offset});
}

/// Up to which frame, exclusive, others may be joined with this one. Who reads the space, in the
/// order of commit, goes to and fro between joined frames: where too many are begun at a time that
/// costs him more than frames of their own would. So it must be worth it within a few pages.
std::size_t Drain::joined_end(std::size_t index) const noexcept {
    constexpr std::uint64_t nearby_bytes = 32 << 10;
    constexpr std::uint32_t least = 8;
    const std::size_t end = index + nearby_bytes * nodes_.size() / frames_bytes_;
    std::uint32_t last = static_cast<std::uint32_t>(index);
    for (std::uint32_t frames = 1; frames < least; ++frames) {
        last = frames_[last].next;
        if (last == 0 || last >= end) return index;
    }
    return end;
}

/// Writes the frame, and with it those of the segment's next ones that are joined.
void Drain::place_frame(std::size_t index, Work& work) {
    Output& output = outputs_[work.piece == 0 ? 0 : work.piece_output];
    const std::uint64_t offset = output.end();
    frames_[index].offset = offset;
    if (work.piece == 0) {
        index::SegmentUpdate& update = work.update;
        segment::append_extent_header(output.bytes, update.head, update.anchor);
        update.head = segment::Link(record_.packs.front().number, offset);
        if (++update.extents_since_anchor == segment::anchor_interval) {
            update.anchor = update.head;
            update.extents_since_anchor = 0;
        }
    }
    const segment::FrameView frame = nodes_[index]->view();
    const std::size_t end = joined_end(index);
    if (end == index || !is_joinable(frame)) return segment::append_padded(output.bytes, frame);
    joiner_.add(frame);
    for (std::uint32_t next = frames_[index].next; next != 0 && next < end;
         next = frames_[next].next) {
        const segment::FrameView other = nodes_[next]->view();
        if (!joiner_.takes(other) || !is_joinable(other)) break;
        joiner_.add(other);
        frames_[next].offset = offset;
    }
    joiner_.finish(output.bytes, target_.store_seed);
}

/// What was damaged in memory must not get a new checksum.
bool Drain::is_joinable(segment::FrameView frame) const noexcept {
    return segment::FrameJoiner::is_small(frame) &&
           segment::verify_frame(frame, target_.store_seed) == nullptr;
}

void Drain::finish_piece(Work& work) {
    segment::Piece& piece = record_.pieces[work.piece - 1];
    Output& output = outputs_[work.piece_output];
    piece.frames_bytes = output.end() - piece.offset;
    const Bytes frames = Bytes(output.bytes).subspan(piece.offset - output.offset);
    auto index = index::SparseIndex::build(piece, frames, output.name);
    BRAID_CHECK(index.has_value(), "a piece just built has no index: {}", index.error().message());
    pad_to_block(output.bytes);
    piece.index_offset = output.end();
    const auto encoded = index->encode(piece, target_.store_seed);
    piece.index_bytes = encoded.size();
    output.bytes.insert(output.bytes.end(), encoded.begin(), encoded.end());
    pad_to_block(output.bytes);  // over what a drain that never finished may have left here
}

/// What the catalog has to know of the body files that the drain's frames refer to, so that each
/// can go one day: `assign` has counted the drain's own.
void Drain::count_bodies() {
    if (trim_ || record_.body_files.empty()) return;
    const Storage& storage = target_.storage;
    record_.next_body_file = storage.next_body_file();
    for (index::BodyFileCount& count : record_.body_files) {
        const index::BodyFileCount known = storage.body_file(count.file);
        count.bodies += known.bodies;
        count.trimmed = known.trimmed;
        record_.next_body_file = std::max(record_.next_body_file, count.file + 1);
    }
}

void Drain::finish_record() {
    note_names();
    count_bodies();
    // In order of their ids, which are sorted apart from all that is to be written of them.
    std::vector<std::pair<SegmentId, std::uint32_t>> order;
    order.reserve(work_.size());
    for (std::uint32_t i = 0; i < work_.size(); ++i) order.emplace_back(work_[i].update.segment, i);
    std::sort(order.begin(), order.end());
    record_.segments.reserve(order.size());
    for (const auto& [segment, index] : order) record_.segments.push_back(work_[index].update);
}

}  // namespace braid
