#pragma once

#include <braid/types.hpp>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/segment_state.h"
#include "engine/state_pool.h"
#include "io/zeroed_memory.h"

namespace braid {

using SegmentPool = StatePool<SegmentState>;

/// The segments of one space by their names. A slot has a name's hash and where its segment is in
/// the pool, and is searched for from the hash's own slot on: so most of what isn't there is told,
/// and a larger table made, without a look at any segment, each of which would be a miss of the
/// processor's cache. One thread at a time changes it.
class SegmentNames {
public:
    [[nodiscard]] static std::uint32_t hash(std::string_view name) noexcept;

    /// The segment of that name, whose hash it is, or nullptr.
    [[nodiscard]] SegmentState* find(const SegmentPool& pool, std::string_view name,
                                     std::uint32_t hash) const noexcept;
    /// The first segment that may be the one with this hash, judged by that alone, whose state the
    /// processor is asked for; or nullptr.
    [[nodiscard]] SegmentState* guess(const SegmentPool& pool, std::uint32_t hash) const noexcept;
    /// Asks the processor for where `guess` will look.
    void fetch(std::uint32_t hash) const noexcept {
        if (slots_ != 0) __builtin_prefetch(&slot(hash & (slots_ - 1)));
    }

    /// A segment that isn't in it, by its place in the pool. Room was made.
    void insert(std::uint32_t hash, std::uint32_t place) noexcept;
    /// Makes room for so many. May throw std::bad_alloc, and has then changed nothing.
    void reserve(std::size_t segments);

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return slots_ * sizeof(Slot); }
    template <class Visit>
    void for_each(const SegmentPool& pool, Visit&& visit) const {
        for (std::size_t at = 0; at < slots_; ++at)
            if (slot(at).place != 0) visit(pool.at(slot(at).place - 1));
    }

private:
    struct Slot {
        std::uint32_t hash;
        std::uint32_t place;  // in the pool, + 1; 0: free
    };
    static constexpr std::size_t slots_min = 8;

    [[nodiscard]] Slot& slot(std::size_t at) const noexcept {
        return reinterpret_cast<Slot*>(memory_.data())[at];
    }
    [[nodiscard]] std::size_t after(std::size_t at) const noexcept {
        return (at + 1) & (slots_ - 1);
    }
    /// The first segment at or behind a slot for which `is_it(state)`, the processor being
    /// asked for all of it.
    template <class IsIt>
    [[nodiscard]] SegmentState* walk(const SegmentPool& pool, std::uint32_t hash,
                                     IsIt&& is_it) const noexcept;

    io::ZeroedMemory memory_;
    std::size_t slots_ = 0;  // a power of two
    std::size_t size_ = 0;
};

}  // namespace braid
