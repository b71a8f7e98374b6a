#pragma once

#include <atomic>
#include <braid/types.hpp>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/name_store.h"
#include "index/catalog.h"
#include "segment/tail.h"

namespace braid {

struct SpaceState;

/// All that memory holds of a segment. There may be many millions: each byte here counts.
struct SegmentState {
    // What every reader looks at stands together.
    StoredName stored_name;
    SpaceState* space = nullptr;
    Sequence trimmed;           ///< entries up to here are gone
    Position trimmed_position;  ///< of the last of them

    // Written once, under the table's lock, before a watermark shows its first entry: whoever has
    // seen that watermark may read them.
    SegmentId id;
    Position first_position;
    Timestamp first_timestamp;

    // The sequencer's, under its lock.
    Sequence last_sequence;
    Position last_position;

    // Written by the sequencer (tail) and by the drain; read by anybody.
    std::atomic<const segment::TailNode*> tail{
        nullptr};                                    ///< newest node; pairs with readers' acquire
    std::atomic<std::uint64_t> drained_sequence{0};  ///< all up to here are in packs and pieces

    std::uint32_t drain_work = 0;  ///< the drain's: 1 + index of its work on it; 0: none

    // What is drained: written by the drain under the publish lock, read by readers under it; as
    // is what is trimmed, above.
    std::uint32_t files = 0;  ///< own files ever begun
    std::uint32_t extents_since_anchor = 0;
    segment::Link head;    ///< the newest extent
    segment::Link anchor;  ///< the newest anchor
    Position drained_position;
    Timestamp drained_timestamp;
    std::unique_ptr<std::vector<segment::Piece>> own_pieces;  ///< none for most segments

    /// Asks the processor for all of it, for who goes through many.
    void fetch() const noexcept {
        const auto* at = reinterpret_cast<const char*>(this);
        for (std::size_t line = 0; line < sizeof *this; line += 64) __builtin_prefetch(at + line);
    }
    [[nodiscard]] std::string_view name() const noexcept { return stored_name.view(); }
    [[nodiscard]] Sequence drained_through() const noexcept {
        return drained_sequence.load(std::memory_order_acquire);
    }
    /// In sequence order, but for those trimmed wholly.
    [[nodiscard]] std::span<const segment::Piece> pieces() const noexcept {
        return own_pieces == nullptr ? std::span<const segment::Piece>() : *own_pieces;
    }
    void add_piece(const segment::Piece& piece) {
        if (own_pieces == nullptr) own_pieces = std::make_unique<std::vector<segment::Piece>>();
        own_pieces->push_back(piece);
    }

    /// All that is drained of it, as the catalog has it.
    [[nodiscard]] index::SegmentUpdate drained() const noexcept;
    void set_drained(const index::SegmentUpdate& update) noexcept;
};

}  // namespace braid
