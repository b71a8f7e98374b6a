#include "engine/drain.h"

#include <algorithm>
#include <braid/check.hpp>

#include "segment/pack.h"

namespace braid {
namespace {

constexpr std::size_t write_bytes_max = 1 << 20;
constexpr std::size_t writes_in_flight = 8;
/// A catalog file is begun anew when drains have added so much, or four times its snapshot.
constexpr std::uint64_t catalog_bytes_min = 1 << 20;

void pad_to_block(std::vector<std::byte>& bytes) {
    bytes.resize(io::whole_blocks(bytes.size()));
}

}  // namespace

Drain::Drain(const DrainTarget& target, const index::CatalogEnd& catalog, bool catalog_doubtful)
    : target_(target),
      catalog_(catalog),
      catalog_doubtful_(catalog_doubtful),
      next_space_(1),
      next_segment_(1) {
    for (const SpaceState* space : target.table.all_spaces())
        if (space != nullptr && space->in_catalog) next_space_ = space->id + 1;
    for (const SegmentState* segment : target.table.all())
        if (segment != nullptr && segment->drained_through() != 0) next_segment_ = segment->id + 1;
}

Result<bool> Drain::step(io::Queue& queue, bool block) {
    try {
        auto moved = take_completions(queue, block);
        auto next = moved ? next_phase(queue) : Result<bool>(moved.error());
        if (!next) fail(queue);
        return next;
    } catch (const std::bad_alloc&) {
        // What the catalog has is to be published: the next step goes on with that.
        const bool recorded = phase_ == Phase::publish && !catalog_doubtful_;
        if (!recorded) fail(queue);
        throw;
    }
}

/// What is still in flight uses our buffers: it must come back before they go.
void Drain::fail(io::Queue& queue) {
    while (queue.in_flight() != 0) static_cast<void>(queue.wait());
    give_up();
}

Result<void> Drain::take_completions(io::Queue& queue, bool block) {
    io::Completion completion;
    if (block && queue.in_flight() != 0) {
        completion = queue.wait();
        if (!completion.result) return completion.result;
    }
    while (queue.poll(completion))
        if (!completion.result) return completion.result.error();
    return {};
}

Result<bool> Drain::next_phase(io::Queue& queue) {
    if (phase_ == Phase::idle) return begin();
    if (phase_ == Phase::write) {
        submit_writes(queue);
        if (queue.in_flight() == 0) phase_ = Phase::sync;
        return true;
    }
    if (queue.in_flight() != 0) return true;
    switch (phase_) {
        case Phase::sync:
            // A frame that the catalog vouches for must be on the medium first.
            queue.reserve(outputs_.size());
            for (const Output& output : outputs_)
                queue.submit({.kind = io::Request::Kind::sync, .file = output.file.get()});
            phase_ = Phase::record;
            return true;
        case Phase::record: {
            // So must its file's name.
            if (auto synced = target_.disk.sync_directory(); !synced) return synced.error();
            catalog_doubtful_ = true;  // until the record is known to be durable
            const std::uint64_t offset = catalog_.offset;
            record_bytes_ = encode_catalog_record(record_, target_.store, catalog_);
            queue.submit({.mode = io::WriteMode::cached,
                          .file = catalog_file_.get(),
                          .bytes = record_bytes_,
                          .offset = offset});
            phase_ = Phase::sync_record;
            return true;
        }
        case Phase::sync_record:
            queue.reserve(1);
            queue.submit({.kind = io::Request::Kind::sync, .file = catalog_file_.get()});
            phase_ = Phase::publish;
            return true;
        case Phase::publish:
            catalog_doubtful_ = false;
            publish();
            return true;
        default:
            return true;
    }
}

Result<bool> Drain::begin() {
    if (!collect()) return false;
    const bool long_catalog =
        catalog_.offset > std::max(catalog_bytes_min, 4 * catalog_snapshot_bytes_);
    if (catalog_doubtful_ || long_catalog)
        if (auto rewritten = rewrite_catalog(); !rewritten) return rewritten.error();
    if (catalog_file_ == nullptr) {
        auto file = target_.disk.open(index::catalog_name(catalog_.file), {.write = true});
        if (!file) return file.error();
        catalog_file_ = std::move(*file);
    }
    collect_trim();
    record_.next_pack = target_.storage.next_pack();
    if (!nodes_.empty()) {
        assign();
        if (auto opened = open_outputs(); !opened) return opened.error();
        build();
    }
    finish_record();
    phase_ = Phase::write;
    return true;
}

bool Drain::collect() {
    const Position drained = target_.storage.drained();
    record_.cut = drained;
    record_.transaction = target_.storage.transaction();
    record_.timestamp = target_.storage.timestamp();
    if (trim_) return true;  // alone: a piece must not land in a file that it retires
    {
        const std::scoped_lock lock(target_.commit_mutex);
        const auto durable = target_.watermarks.transaction_at(Level::durable);
        if (durable <= record_.transaction) return false;
        record_.transaction = durable;
        record_.cut = target_.watermarks.durable();
        target_.consumers.begin_drain(durable);
    }
    if (record_.cut > drained) collect_frames(drained);
    collect_consumers();
    collect_ids(target_.storage.transaction(), record_);
    return true;
}

void Drain::collect_frames(Position drained) {
    const Position cut = record_.cut;
    chunks_ = target_.arena.chunks();
    for (const auto& chunk : chunks_) {
        const std::size_t count = chunk->nodes();
        for (std::size_t i = chunk->find(drained + 1, count); i < count; ++i) {
            const segment::TailNode& node = chunk->node(i);
            if (node.last_position() > cut) break;
            nodes_.push_back(&node);
        }
    }
    const segment::FrameView last = nodes_.back()->view();
    BRAID_CHECK(last.last_position() == cut && last.ends_transaction(),
                "the drain's cut {} isn't the end of a transaction", cut.value);
    record_.timestamp = last.timestamp();
}

/// In turns, so that no commit waits long.
void Drain::collect_consumers() {
    constexpr std::size_t turn = 256;
    for (bool more = true; more;) {
        const std::scoped_lock lock(target_.commit_mutex);
        more = target_.consumers.collect(turn, record_.consumers);
    }
}

/// Those that have come since, up to what the record is about.
void Drain::collect_ids(TransactionNumber after, index::CatalogRecord& record) {
    constexpr std::size_t turn = 1024;
    for (bool more = true; more;) {
        const std::scoped_lock lock(target_.commit_mutex);
        more = target_.ids.collect(after, record.transaction, turn, record.noted);
    }
}

void Drain::collect_trim() {
    if (!trim_) return;
    record_.trims.push_back(trim_->segment);
    record_.pack_trims = trim_->packs;
}

Drain::Work& Drain::work_of(const segment::TailNode& node) noexcept {
    return work_[static_cast<const SegmentState*>(node.owner)->drain_work - 1];
}

void Drain::assign() {
    for (const segment::TailNode* node : nodes_) {
        auto* segment = static_cast<SegmentState*>(node->owner);
        if (segment->drain_work == 0) {
            Work& work = work_.emplace_back();
            segment->drain_work = static_cast<std::uint32_t>(work_.size());
            work.segment = segment;
            work.update = segment->drained;
            work.update.segment = segment->id;
            work.update.first_timestamp = segment->first_timestamp;
        }
        work_of(*node).frames_bytes += node->view().padded_length();
    }
    for (Work& work : work_) {
        if (work.frames_bytes < target_.options.piece_bytes_min) continue;
        segment::Piece piece;
        piece.segment = work.segment->id;
        const auto& pieces = work.segment->pieces;
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
        if (work.segment->drained_through() != 0) continue;
        segments.push_back(work.segment);
        if (!work.segment->space->in_catalog) spaces.push_back(work.segment->space);
    }
    const auto by_id = [](const auto* left, const auto* right) { return left->id < right->id; };
    std::sort(segments.begin(), segments.end(), by_id);
    std::sort(spaces.begin(), spaces.end(), by_id);
    spaces.erase(std::unique(spaces.begin(), spaces.end()), spaces.end());
    for (const SpaceState* space : spaces)
        record_.names.push_back(segment::SpaceNamed{space->id, space->name});
    for (const SegmentState* segment : segments)
        record_.names.push_back(
            segment::SegmentNamed{segment->id, segment->space->id, segment->name});
    record_.next_space = spaces.empty() ? next_space_ : SpaceId(spaces.back()->id + 1);
    record_.next_segment = segments.empty() ? next_segment_ : SegmentId(segments.back()->id + 1);
}

Result<void> Drain::open_outputs() {
    const std::uint32_t number = record_.next_pack++;
    if (number > segment::pack_number_max)
        return Error(Errc::too_large, "the store has used all pack numbers");
    record_.packs.push_back({.number = number,
                             .first_position = target_.storage.drained() + 1,
                             .last_position = record_.cut,
                             .pieces = static_cast<std::uint32_t>(record_.pieces.size())});
    const auto open = [&](std::string name, std::uint64_t offset, bool truncate) -> Result<void> {
        auto file = target_.disk.open(name, {.write = true, .create = true, .truncate = truncate});
        if (!file) return file.error();
        outputs_.push_back({std::move(name), std::move(*file), {}, offset});
        return {};
    };
    // Only the pack of a drain that never finished can be in the way, and it is ours to overwrite.
    if (auto opened = open(segment::pack_name(number), 0, true); !opened) return opened;
    for (Work& work : work_) {
        if (work.piece == 0) continue;
        const segment::Piece& piece = record_.pieces[work.piece - 1];
        const bool fresh = piece.offset == io::block_bytes;
        work.piece_output = outputs_.size();
        auto opened = open(segment::segment_file_name(piece.segment, piece.file),
                           fresh ? 0 : piece.offset, false);
        if (!opened) return opened;
        if (!fresh) continue;
        const auto header =
            segment::make_segment_file_header(target_.store, piece.segment, piece.file);
        auto& bytes = outputs_.back().bytes;
        bytes.resize(io::block_bytes);
        std::memcpy(bytes.data(), &header, sizeof header);
    }
    return {};
}

/// So that nothing is copied while they grow. Indexes and order come on top, and seldom go beyond.
void Drain::reserve_outputs(std::size_t pack_header_bytes) {
    constexpr std::size_t order_bytes_a_frame = 6;
    std::size_t pack_bytes = pack_header_bytes + 2 * io::block_bytes +
                             nodes_.size() * (segment::extent_header_bytes + order_bytes_a_frame);
    for (const Work& work : work_) {
        if (work.piece == 0)
            pack_bytes += work.frames_bytes;
        else
            outputs_[work.piece_output].bytes.reserve(work.frames_bytes + work.frames_bytes / 64 +
                                                      4 * io::block_bytes);
    }
    outputs_.front().bytes.reserve(pack_bytes);
}

void Drain::build() {
    const auto header = segment::make_pack_header(target_.store, record_.packs.front().number);
    auto& pack = outputs_.front().bytes;
    reserve_outputs(sizeof header);
    pack.resize(sizeof header);
    std::memcpy(pack.data(), &header, sizeof header);
    for (const segment::TailNode* node : nodes_) build_frame(*node);
    index::PackInfo& info = record_.packs.front();
    info.extents_end = pack.size();
    pad_to_block(pack);
    info.order_offset = pack.size();
    record_.sections = order_.finish(pack, 0, info.number, target_.store_seed, [&](SpaceId space) {
        return target_.table.find(space)->order;
    });
    info.bytes = pack.size();
    for (Work& work : work_)
        if (work.piece != 0) finish_piece(work);
}

void Drain::build_frame(const segment::TailNode& node) {
    Work& work = work_of(node);
    const segment::FrameView frame = node.view();
    index::SegmentUpdate& update = work.update;
    index::OrderEntry entry{frame.first_position(), frame.count(), work.piece, 0};
    if (work.piece == 0) {
        auto& pack = outputs_.front().bytes;
        entry.offset = pack.size();
        segment::append_extent(pack, update.head, update.anchor, frame);
        update.head = segment::Link(record_.packs.front().number, entry.offset);
        if (++update.extents_since_anchor == segment::anchor_interval) {
            update.anchor = update.head;
            update.extents_since_anchor = 0;
        }
    } else {
        segment::Piece& piece = record_.pieces[work.piece - 1];
        auto& bytes = outputs_[work.piece_output].bytes;
        entry.offset = outputs_[work.piece_output].offset + bytes.size();
        const Bytes padded(frame.data(), frame.padded_length());
        bytes.insert(bytes.end(), padded.begin(), padded.end());
        if (piece.first_sequence == 0) {
            piece.first_sequence = frame.first_sequence();
            piece.first_position = frame.first_position();
            piece.first_timestamp = frame.timestamp();
        }
        piece.last_sequence = frame.last_sequence();
        piece.last_position = frame.last_position();
        piece.last_timestamp = frame.timestamp();
        piece.frames_bytes += padded.size();
    }
    update.last_sequence = frame.last_sequence();
    update.last_position = frame.last_position();
    update.last_timestamp = frame.timestamp();
    order_.add(work.segment->space->id, entry);
}

void Drain::finish_piece(Work& work) {
    segment::Piece& piece = record_.pieces[work.piece - 1];
    Output& output = outputs_[work.piece_output];
    const Bytes frames = Bytes(output.bytes).subspan(piece.offset - output.offset);
    auto index = index::SparseIndex::build(piece, frames, output.name);
    BRAID_CHECK(index.has_value(), "a piece just built has no index: {}", index.error().message());
    pad_to_block(output.bytes);
    piece.index_offset = output.offset + output.bytes.size();
    const auto encoded = index->encode(piece, target_.store_seed);
    piece.index_bytes = encoded.size();
    output.bytes.insert(output.bytes.end(), encoded.begin(), encoded.end());
    pad_to_block(output.bytes);  // over what a drain that never finished may have left here
}

void Drain::finish_record() {
    record_.kind = index::CatalogRecordKind::drain;
    note_names();
    for (const Work& work : work_) record_.segments.push_back(work.update);
    std::sort(record_.segments.begin(), record_.segments.end(),
              [](const auto& left, const auto& right) { return left.segment < right.segment; });
}

void Drain::submit_writes(io::Queue& queue) {
    for (Output& output : outputs_) {
        while (output.submitted < output.bytes.size()) {
            if (queue.in_flight() == writes_in_flight) return;
            const std::size_t bytes =
                std::min(write_bytes_max, output.bytes.size() - output.submitted);
            queue.submit({.mode = io::WriteMode::cached,
                          .file = output.file.get(),
                          .bytes = Bytes(output.bytes).subspan(output.submitted, bytes),
                          .offset = output.offset + output.submitted});
            output.submitted += bytes;
        }
    }
}

/// May throw std::bad_alloc, and is then carried on where it stood.
void Drain::publish() {
    if (!stored_shown_) show_stored();
    publish_segments();
    if (trim_)
        publish_trims();
    else
        let_go_of_tails();
    ++drains_;
    for (const Work& work : work_) drained_bytes_ += work.frames_bytes;
    next_space_ = record_.next_space;
    next_segment_ = record_.next_segment;
    give_up();
}

void Drain::show_stored() {
    const std::unique_lock lock(target_.storage.publish);
    target_.storage.add(record_);
    for (const index::SegmentTrim& trim : record_.trims)
        apply_trim(trim, target_.table, target_.storage);
    for (const index::OrderSection& section : record_.sections) {
        SpaceState& space = *target_.table.find(section.space);
        space.in_catalog = true;
        space.order = {section.records_before + section.records, section.last_checksum};
    }
    stored_shown_ = true;
}

void Drain::publish_segments() {
    constexpr std::size_t turn = 1024;  // so that no reader waits long
    while (segments_shown_ < work_.size()) {
        const std::unique_lock lock(target_.storage.publish);
        const std::size_t end = std::min(work_.size(), segments_shown_ + turn);
        for (; segments_shown_ < end; ++segments_shown_) {
            const Work& work = work_[segments_shown_];
            SegmentState& segment = *work.segment;
            if (work.piece != 0) segment.pieces.push_back(record_.pieces[work.piece - 1]);
            segment.drained = work.update;
            segment.drained_sequence.store(work.update.last_sequence.value,
                                           std::memory_order_release);
            const segment::TailNode* newest = segment.tail.load(std::memory_order_acquire);
            if (newest != nullptr && newest->last_sequence() <= work.update.last_sequence)
                segment.tail.compare_exchange_strong(newest, nullptr);
        }
    }
}

void Drain::let_go_of_tails() {
    std::vector<std::shared_ptr<segment::Chunk>> empty;
    {
        const std::scoped_lock lock(target_.commit_mutex);
        empty = target_.arena.take_through(record_.cut, record_.transaction,
                                           target_.sequencer.last_position());
        target_.consumers.finish_drain();
    }
    // Nobody who began to walk before this point is still walking after it: the chunks may go.
    { const std::unique_lock lock(target_.storage.publish); }
}

/// What can't be removed now is removed by the next opening.
void Drain::publish_trims() {
    for (const std::string& name : trim_->retired) {
        target_.storage.files.forget(name);
        static_cast<void>(target_.disk.remove(name));
    }
    trim_.reset();
}

/// Forgets the drain under way, whether it was published or not.
void Drain::give_up() {
    phase_ = Phase::idle;
    stored_shown_ = false;
    segments_shown_ = 0;
    if (catalog_doubtful_) catalog_file_.reset();
    outputs_.clear();
    for (const Work& work : work_) work.segment->drain_work = 0;
    work_.clear();
    nodes_.clear();
    chunks_.clear();
    order_ = {};
    record_ = {};
}

Result<void> Drain::rewrite_catalog() {
    catalog_file_.reset();
    auto snapshot = catalog_snapshot(target_.table, target_.storage, next_space_, next_segment_);
    constexpr std::size_t turn = 256;
    std::string after;
    for (bool more = true; more;) {
        const std::scoped_lock lock(target_.commit_mutex);
        more = target_.consumers.snapshot(after, turn, snapshot.consumers);
    }
    collect_ids(0, snapshot);
    if (auto written = write_catalog_file(target_.disk, snapshot, target_.store, catalog_);
        !written)
        return written;
    catalog_doubtful_ = false;
    catalog_snapshot_bytes_ = catalog_.offset;
    return {};
}

index::CatalogRecord catalog_snapshot(const SegmentTable& table, const Storage& storage,
                                      SpaceId next_space, SegmentId next_segment) {
    index::CatalogRecord record;
    record.kind = index::CatalogRecordKind::snapshot;
    record.cut = storage.drained();
    record.transaction = storage.transaction();
    record.timestamp = storage.timestamp();
    record.next_space = next_space;
    record.next_segment = next_segment;
    record.next_pack = storage.next_pack();
    for (const SpaceState* space : table.all_spaces())
        if (space != nullptr && space->in_catalog)
            record.names.push_back(segment::SpaceNamed{space->id, space->name});
    for (const SegmentState* segment : table.all()) {
        if (segment == nullptr || segment->drained_through() == 0) continue;
        record.names.push_back(
            segment::SegmentNamed{segment->id, segment->space->id, segment->name});
        record.segments.push_back(segment->drained);
        if (segment->trimmed != 0)
            record.trims.push_back({segment->id, segment->trimmed, segment->trimmed_position});
    }
    for (const PackState& pack : storage.packs()) {
        record.packs.push_back(pack.info);
        record.pieces.insert(record.pieces.end(), pack.pieces.begin(), pack.pieces.end());
        record.sections.insert(record.sections.end(), pack.sections.begin(), pack.sections.end());
        if (pack.trimmed_records != 0)
            record.pack_trims.push_back({pack.info.number, pack.trimmed_records});
    }
    return record;
}

}  // namespace braid
