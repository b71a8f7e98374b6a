#pragma once

#include <atomic>
#include <braid/types.hpp>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "segment/chunk_memory.h"
#include "segment/frame.h"
#include "segment/pinned.h"

namespace braid::segment {

class Chunk;

/// A frame in memory that no drain has moved yet, linked to the segment's older ones. Never changed
/// once it can be seen.
///
/// Besides the frame before it, each node knows one far behind it, chosen so that any older frame
/// of the chain is found in O(log n) steps (Myers, "An applicative random-access stack", 1983).
struct TailNode {
    const std::byte* frame = nullptr;
    const TailNode* previous = nullptr;  ///< may be drained: see `oldest` in the walks below
    const TailNode* jump = nullptr;
    const TailNode* jump_of_jump = nullptr;  ///< what the next node may jump to, unread
    Sequence first_sequence;
    Sequence jump_last_sequence;          ///< of `jump`; 0 if there is none
    Sequence jump_of_jump_last_sequence;  ///< likewise
    Position first_position;
    void* owner = nullptr;  ///< whatever the engine knows the segment by
    Chunk* chunk = nullptr;
    std::uint32_t count = 0;
    std::uint32_t depth = 0;
    std::uint32_t jump_depth = 0;          ///< of `jump`
    std::uint32_t jump_of_jump_depth = 0;  ///< likewise

    [[nodiscard]] Sequence last_sequence() const noexcept { return first_sequence + (count - 1); }
    [[nodiscard]] Position last_position() const noexcept { return first_position + (count - 1); }
    [[nodiscard]] FrameView view() const noexcept { return FrameView(frame); }
};

/// Memory for the items of consecutive transactions as the log has them, and behind them, growing
/// downwards, one node a frame: so both stand in position order. One thread fills it (under the
/// sequencer's lock); any thread may read what a watermark has made visible, while it holds the
/// chunk.
class Chunk : public std::enable_shared_from_this<Chunk> {
public:
    Chunk(ChunkMemory memory, std::size_t bytes, Position first_position) noexcept;

    /// Memory that so many items and frames need.
    [[nodiscard]] static std::size_t needed(std::size_t item_bytes, std::size_t frames) noexcept {
        return item_bytes + frames * sizeof(TailNode);
    }
    [[nodiscard]] bool fits(std::size_t item_bytes, std::size_t frames) const noexcept {
        return used_ + (filled_ + frames) * sizeof(TailNode) + item_bytes <= capacity_;
    }
    /// Space for items; `fits` was true. A multiple of 8 bytes.
    std::byte* add_items(std::size_t bytes) noexcept;
    /// Links a frame that stands in this chunk: `previous` is the segment's newest node that is not
    /// drained, or nullptr; `drained` the segment's last drained sequence.
    const TailNode* add_node(const std::byte* frame, void* owner, const TailNode* previous,
                             Sequence drained) noexcept;
    /// Items of the transaction stand in it: it is needed until they are drained, frames or not.
    void note(TransactionNumber transaction) noexcept { last_transaction_ = transaction; }
    [[nodiscard]] TransactionNumber last_transaction() const noexcept { return last_transaction_; }
    /// Only pins hold it from now on.
    void let_go(std::shared_ptr<Pinned> pinned) noexcept {
        pinned_share_.begin(std::move(pinned), capacity_);
    }
    /// Shows the nodes added so far to readers.
    void publish() noexcept { published_.store(filled_, std::memory_order_release); }

    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] Position first_position() const noexcept { return first_position_; }
    /// Nodes published; node 0 is the oldest. Pairs with `publish`.
    [[nodiscard]] std::size_t nodes() const noexcept {
        return published_.load(std::memory_order_acquire);
    }
    [[nodiscard]] const TailNode& node(std::size_t index) const noexcept {
        return *(nodes_end_ - 1 - index);
    }
    /// The node behind one of this chunk, of whatever segment; nullptr if it isn't published.
    [[nodiscard]] const TailNode* after(const TailNode& node) const noexcept {
        return nodes_behind(node) != 0 ? &node - 1 : nullptr;
    }
    /// Published nodes behind one of this chunk; node n behind it is `&node - n`.
    [[nodiscard]] std::size_t nodes_behind(const TailNode& node) const noexcept {
        return nodes() - static_cast<std::size_t>(nodes_end_ - &node);
    }
    /// Index of the first of `count` nodes whose last position is at or beyond `position`.
    [[nodiscard]] std::size_t find(Position position, std::size_t count) const noexcept;
    /// The published frame that holds a position, told without a look at nodes, where all frames of
    /// the chunk so far are alike and stand one behind the other; else, or if there is none,
    /// nullptr.
    struct Even {
        const std::byte* frame = nullptr;
        std::uint32_t bytes = 0;  ///< to the next one
    };
    [[nodiscard]] Even even_frame(Position position) const noexcept;
    /// A published node of the owner's near where one at a position is to be expected, or nullptr.
    [[nodiscard]] const TailNode* near(Position position, const void* owner) const noexcept;

private:
    void note_evenness(const TailNode& added) noexcept;
    std::size_t capacity_;
    Position first_position_;  // that an item in it can have
    ChunkMemory memory_;
    TailNode* nodes_end_;
    std::size_t used_ = 0;
    std::size_t filled_ = 0;
    TransactionNumber last_transaction_;
    std::atomic<std::size_t> published_{0};
    // Of frames that are all alike: the first, and the distance from each to the next, 0 as soon as
    // they aren't. Written before the nodes are published that it is true of, or no more.
    const std::byte* first_frame_ = nullptr;
    std::uint32_t frame_records_ = 0;
    std::atomic<std::uint32_t> frame_distance_{0};
    Pinned::Share pinned_share_;
};

/// The segment's node that holds `sequence`, walking back from `newest`; nullptr if it lies beyond
/// the newest or at or before `drained`. The caller keeps the chunks of everything beyond `drained`
/// alive.
[[nodiscard]] const TailNode* find_sequence(const TailNode* newest, Sequence sequence,
                                            Sequence drained) noexcept;
/// The segment's newest node whose first position is at or before `position`; nullptr if that is
/// drained.
[[nodiscard]] const TailNode* find_position(const TailNode* newest, Position position,
                                            Sequence drained) noexcept;
/// The node before, or nullptr if that is drained.
[[nodiscard]] inline const TailNode* before(const TailNode* node, Sequence drained) noexcept {
    return node->first_sequence.value - 1 > drained.value ? node->previous : nullptr;
}

class Arena;

/// A record's two numbers.
struct TailPlace {
    Sequence sequence;
    Position position;
};
/// Where a sequence between those of two records should stand if all between them are written
/// evenly; 0 if there are far more of others.
[[nodiscard]] Position expected_position(TailPlace before, TailPlace beyond,
                                         Sequence sequence) noexcept;
/// The same as `find_sequence`, in a few steps however long the tail is where the segment is
/// written to evenly: looks where the node should stand, and walks from the nearest one that it
/// comes by beyond it. `before`: no record of the tail's is before that place. The caller keeps the
/// arena's chunks.
[[nodiscard]] const TailNode* guess_sequence(const Arena& arena, const TailNode* newest,
                                             TailPlace before, Sequence sequence,
                                             Sequence drained) noexcept;

/// The chunks that are not drained, oldest first.
class Arena {
public:
    /// Of memory that chunks leave, so much is kept for later ones.
    Arena(std::size_t chunk_bytes, std::size_t kept_max, std::shared_ptr<Pinned> pinned)
        : chunk_bytes_(chunk_bytes),
          pool_(std::make_shared<ChunkPool>(chunk_bytes, kept_max)),
          pinned_(std::move(pinned)) {}

    /// The chunk for a transaction of this size: the last one, or a new one that becomes the last.
    /// May throw std::bad_alloc, and has then changed nothing. Under the sequencer's lock.
    Chunk& chunk_for(std::size_t item_bytes, std::size_t frames, Position next_position);
    /// What memory `chunk_for` would add. Under the sequencer's lock.
    [[nodiscard]] std::size_t growth_for(std::size_t item_bytes, std::size_t frames) const;
    /// The chunk that holds the position if it is beyond what is drained; nullptr otherwise. Any
    /// thread.
    [[nodiscard]] std::shared_ptr<Chunk> find(Position position) const;
    /// The same for who knows that the chunks stay where they are.
    [[nodiscard]] const Chunk* look_up(Position position) const noexcept;
    /// Takes out the chunks whose nodes all lie at or before `position`, and whose items are of
    /// transactions up to `transaction`; `sequenced` is the last position given out. They count as
    /// pinned from now on, and are to be let go once no reader can be walking in them. Under the
    /// sequencer's lock.
    [[nodiscard]] std::vector<std::shared_ptr<Chunk>> take_through(Position position,
                                                                   TransactionNumber transaction,
                                                                   Position sequenced);
    /// All chunks, oldest first. Any thread.
    [[nodiscard]] std::vector<std::shared_ptr<Chunk>> chunks() const;
    [[nodiscard]] std::size_t bytes() const noexcept {
        return bytes_.load(std::memory_order_relaxed);
    }

private:
    /// Under the mutex.
    [[nodiscard]] const std::shared_ptr<Chunk>* holder_of(Position position) const noexcept;
    [[nodiscard]] std::size_t chunk_size(std::size_t item_bytes, std::size_t frames) const noexcept;

    std::size_t chunk_bytes_;
    std::shared_ptr<ChunkPool> pool_;
    std::shared_ptr<Pinned> pinned_;
    // Of chunks_. Who changes them holds the sequencer's lock as well, so that looking at them
    // under that one alone is safe.
    mutable std::mutex mutex_;
    std::deque<std::shared_ptr<Chunk>> chunks_;
    std::atomic<std::size_t> bytes_{0};  // a figure; nothing is ordered by it
};

}  // namespace braid::segment
