#include "segment/tail.h"

#include <algorithm>
#include <braid/check.hpp>
#include <utility>

namespace braid::segment {
namespace {

/// Frames further apart aren't looked for so.
constexpr std::size_t even_bytes_max = 1 << 20;

}  // namespace

Chunk::Chunk(ChunkMemory memory, std::size_t bytes, Position first_position) noexcept
    : capacity_(bytes / alignof(TailNode) * alignof(TailNode)),
      first_position_(first_position),
      memory_(std::move(memory)),
      nodes_end_(reinterpret_cast<TailNode*>(memory_.data() + capacity_)) {}

std::byte* Chunk::add_items(std::size_t bytes) noexcept {
    std::byte* at = memory_.data() + used_;
    used_ += bytes;
    return at;
}

const TailNode* Chunk::add_node(const std::byte* frame, void* owner, const TailNode* previous,
                                Sequence drained) noexcept {
    const FrameView view(frame);
    TailNode* node = new (nodes_end_ - 1 - filled_) TailNode;
    ++filled_;
    node->frame = frame;
    node->owner = owner;
    node->chunk = this;
    node->first_sequence = view.first_sequence();
    node->first_position = view.first_position();
    node->count = view.count();
    note_evenness(*node);
    if (previous == nullptr || previous->last_sequence() <= drained) {
        node->depth = 1;
        return node;
    }
    node->previous = previous;
    node->depth = previous->depth + 1;
    // Two jumps of equal length in a row become one over both. Nodes at or before `drained` may be
    // gone: they are only pointed to, and no walk follows a pointer to them. That a node knows its
    // jump's jump spares looking at nodes that have left the caches, all but one in two appends.
    if (previous->jump_last_sequence > drained && previous->jump_of_jump_last_sequence > drained &&
        previous->depth - previous->jump_depth ==
            previous->jump_depth - previous->jump_of_jump_depth) {
        const TailNode* far = previous->jump_of_jump;
        node->jump = far;
        node->jump_last_sequence = previous->jump_of_jump_last_sequence;
        node->jump_depth = previous->jump_of_jump_depth;
        node->jump_of_jump = far->jump;
        node->jump_of_jump_last_sequence = far->jump_last_sequence;
        node->jump_of_jump_depth = far->jump_depth;
    } else {
        node->jump = previous;
        node->jump_last_sequence = previous->last_sequence();
        node->jump_depth = previous->depth;
        node->jump_of_jump = previous->jump;
        node->jump_of_jump_last_sequence = previous->jump_last_sequence;
        node->jump_of_jump_depth = previous->jump_depth;
    }
    return node;
}

std::size_t Chunk::find(Position position, std::size_t count) const noexcept {
    std::size_t low = 0;
    std::size_t high = count;
    while (low < high) {
        const std::size_t middle = (low + high) / 2;
        if (node(middle).last_position() < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void Chunk::note_evenness(const TailNode& added) noexcept {
    const std::size_t index = filled_ - 1;
    if (index == 0) {
        first_frame_ = added.frame;
        frame_records_ = added.count;
        return;
    }
    const std::uint32_t distance = frame_distance_.load(std::memory_order_relaxed);
    const auto from_first = static_cast<std::size_t>(added.frame - first_frame_);
    const bool is_even = index == 1 ? from_first <= even_bytes_max : from_first == distance * index;
    if (!is_even || added.count != frame_records_ ||
        added.first_position != first_position_ + index * frame_records_)
        frame_distance_.store(0, std::memory_order_relaxed);
    else if (index == 1)
        frame_distance_.store(static_cast<std::uint32_t>(from_first), std::memory_order_relaxed);
}

Chunk::Even Chunk::even_frame(Position position) const noexcept {
    const std::size_t count = nodes();
    const std::uint32_t distance = frame_distance_.load(std::memory_order_relaxed);
    if (count < 2 || distance == 0) return {};
    const std::uint64_t index = (position - first_position_) / frame_records_;
    if (position < first_position_ || index >= count) return {};
    return {first_frame_ + distance * index, distance};
}

const TailNode* Chunk::near(Position position, const void* owner) const noexcept {
    const std::size_t count = nodes();
    if (count == 0 || position < first_position_) return nullptr;
    const TailNode& last = node(count - 1);
    if (position > last.last_position()) return nullptr;
    const std::uint64_t positions = last.last_position() - first_position_ + 1;
    const std::size_t expected = (position - first_position_) * count / positions;
    constexpr std::size_t reach = 8;
    const auto is_own = [&](std::size_t index) {
        return index < count && node(index).owner == owner;
    };
    for (std::size_t away = 0; away <= reach; ++away) {
        if (is_own(expected + away)) return &node(expected + away);
        if (away <= expected && is_own(expected - away)) return &node(expected - away);
    }
    return nullptr;
}

const TailNode* find_sequence(const TailNode* newest, Sequence sequence,
                              Sequence drained) noexcept {
    if (newest == nullptr || sequence <= drained || newest->last_sequence() < sequence)
        return nullptr;
    const TailNode* node = newest;
    while (node->first_sequence > sequence) {
        const auto leads_there = [&](Sequence last) { return last > drained && last >= sequence; };
        if (leads_there(node->jump_of_jump_last_sequence))
            node = node->jump_of_jump;  // without a look at the one between
        else
            node = leads_there(node->jump_last_sequence) ? node->jump : before(node, drained);
        if (node == nullptr) return nullptr;
    }
    return node;
}

const TailNode* find_position(const TailNode* newest, Position position,
                              Sequence drained) noexcept {
    const TailNode* node = newest;
    if (node == nullptr || node->last_sequence() <= drained) return nullptr;
    while (node->first_position > position) {
        const bool far =
            node->jump_last_sequence > drained && node->jump->first_position > position;
        node = far ? node->jump : before(node, drained);
        if (node == nullptr) return nullptr;
    }
    return node;
}

Position expected_position(TailPlace before, TailPlace beyond, Sequence sequence) noexcept {
    constexpr std::uint64_t sparse = 64;  // positions a record, at which no guess hits
    if (sequence <= before.sequence || sequence >= beyond.sequence) return 0;
    const std::uint64_t records = beyond.sequence - before.sequence;
    const std::uint64_t positions = beyond.position - before.position;
    if (positions > records * sparse) return 0;
    return before.position + (sequence - before.sequence) * positions / records;
}

const TailNode* guess_sequence(const Arena& arena, const TailNode* newest, TailPlace before,
                               Sequence sequence, Sequence drained) noexcept {
    constexpr int guesses = 3;
    if (newest == nullptr) return nullptr;
    const TailNode* beyond = newest;
    for (int guess = 0; guess < guesses; ++guess) {
        const Position expected =
            expected_position(before, {beyond->first_sequence, beyond->first_position}, sequence);
        const Chunk* chunk = expected == 0 ? nullptr : arena.look_up(expected);
        const TailNode* node = chunk == nullptr ? nullptr : chunk->near(expected, newest->owner);
        if (node == nullptr) break;
        const bool is_beyond = node->last_sequence() >= sequence;
        if (is_beyond ? node->first_sequence >= beyond->first_sequence
                      : node->last_sequence() <= before.sequence)
            break;
        if (!is_beyond)
            before = {node->last_sequence(), node->last_position()};
        else
            beyond = node;
    }
    return find_sequence(beyond, sequence, drained);
}

std::size_t Arena::chunk_size(std::size_t item_bytes, std::size_t frames) const noexcept {
    return std::max(chunk_bytes_, (Chunk::needed(item_bytes, frames) + 63) / 64 * 64);
}

std::size_t Arena::growth_for(std::size_t item_bytes, std::size_t frames) const {
    if (!chunks_.empty() && chunks_.back()->fits(item_bytes, frames)) return 0;
    return chunk_size(item_bytes, frames);
}

Chunk& Arena::chunk_for(std::size_t item_bytes, std::size_t frames, Position next_position) {
    if (!chunks_.empty() && chunks_.back()->fits(item_bytes, frames)) return *chunks_.back();
    const std::size_t bytes = chunk_size(item_bytes, frames);
    auto chunk = std::make_shared<Chunk>(pool_->take(bytes), bytes, next_position);
    const std::scoped_lock lock(mutex_);
    chunks_.push_back(chunk);
    bytes_ += chunk->capacity();
    return *chunk;
}

/// Chunks are filled at much the same pace, so that the first guess is close.
const std::shared_ptr<Chunk>* Arena::holder_of(Position position) const noexcept {
    if (chunks_.empty() || position < chunks_.front()->first_position()) return nullptr;
    const Position first = chunks_.front()->first_position();
    const Position last = chunks_.back()->first_position();
    if (position >= last) return &chunks_.back();
    const std::size_t guess = (position - first) * (chunks_.size() - 1) / (last - first);
    if (chunks_[guess]->first_position() <= position &&
        chunks_[guess + 1]->first_position() > position)
        return &chunks_[guess];
    const auto beyond = std::upper_bound(
        chunks_.begin(), chunks_.end(), position,
        [](Position wanted, const auto& chunk) { return wanted < chunk->first_position(); });
    return &*std::prev(beyond);
}

std::shared_ptr<Chunk> Arena::find(Position position) const {
    const std::scoped_lock lock(mutex_);
    const std::shared_ptr<Chunk>* chunk = holder_of(position);
    return chunk == nullptr ? nullptr : *chunk;
}

const Chunk* Arena::look_up(Position position) const noexcept {
    const std::scoped_lock lock(mutex_);
    const std::shared_ptr<Chunk>* chunk = holder_of(position);
    return chunk == nullptr ? nullptr : chunk->get();
}

std::vector<std::shared_ptr<Chunk>> Arena::take_through(Position position,
                                                        TransactionNumber transaction,
                                                        Position sequenced) {
    const std::scoped_lock lock(mutex_);
    std::vector<std::shared_ptr<Chunk>> taken;
    taken.reserve(chunks_.size());
    while (!chunks_.empty()) {
        // A chunk ends where the next one begins; the last one where the sequencer stands.
        const Position next =
            chunks_.size() > 1 ? chunks_[1]->first_position() : Position(sequenced + 1);
        if (next > position + 1 || chunks_.front()->last_transaction() > transaction) break;
        bytes_ -= chunks_.front()->capacity();
        chunks_.front()->let_go(pinned_);
        taken.push_back(std::move(chunks_.front()));
        chunks_.pop_front();
    }
    return taken;
}

std::vector<std::shared_ptr<Chunk>> Arena::chunks() const {
    const std::scoped_lock lock(mutex_);
    return {chunks_.begin(), chunks_.end()};
}

}  // namespace braid::segment
