#include "segment/tail.h"

#include <algorithm>
#include <braid/check.hpp>
#include <new>

namespace braid::segment {
namespace {

constexpr std::align_val_t chunk_alignment{64};

}  // namespace

void Chunk::Free::operator()(std::byte* memory) const noexcept {
    ::operator delete(memory, chunk_alignment);
}

Chunk::Chunk(std::size_t bytes, Position first_position)
    : capacity_(bytes / alignof(TailNode) * alignof(TailNode)),
      first_position_(first_position),
      memory_(static_cast<std::byte*>(::operator new(capacity_, chunk_alignment))),
      nodes_end_(reinterpret_cast<TailNode*>(memory_.get() + capacity_)) {}

std::byte* Chunk::add_items(std::size_t bytes) noexcept {
    std::byte* at = memory_.get() + used_;
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

std::size_t Arena::chunk_size(std::size_t item_bytes, std::size_t frames) const noexcept {
    return std::max(chunk_bytes_, (Chunk::needed(item_bytes, frames) + 63) / 64 * 64);
}

std::size_t Arena::growth_for(std::size_t item_bytes, std::size_t frames) const {
    if (!chunks_.empty() && chunks_.back()->fits(item_bytes, frames)) return 0;
    return chunk_size(item_bytes, frames);
}

Chunk& Arena::chunk_for(std::size_t item_bytes, std::size_t frames, Position next_position) {
    if (!chunks_.empty() && chunks_.back()->fits(item_bytes, frames)) return *chunks_.back();
    auto chunk = std::make_shared<Chunk>(chunk_size(item_bytes, frames), next_position);
    const std::scoped_lock lock(mutex_);
    chunks_.push_back(chunk);
    bytes_ += chunk->capacity();
    return *chunk;
}

std::shared_ptr<Chunk> Arena::find(Position position) const {
    const std::scoped_lock lock(mutex_);
    const auto beyond = std::upper_bound(
        chunks_.begin(), chunks_.end(), position,
        [](Position wanted, const auto& chunk) { return wanted < chunk->first_position(); });
    return beyond == chunks_.begin() ? nullptr : *std::prev(beyond);
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
