#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace braid {

/// States by id, from 1 on. Finding one takes no lock: ids stand in blocks, each twice as large as
/// the one before, that never move. One thread at a time adds; any thread may find what was added.
template <class State>
class IdTable {
public:
    /// nullptr for an id that nobody has.
    [[nodiscard]] State* find(std::uint64_t id) const noexcept {
        if (id == 0) return nullptr;
        const Place place = place_of(id);
        if (place.block >= blocks_.size()) return nullptr;
        const auto* block = blocks_[place.block].load(std::memory_order_acquire);
        return block == nullptr ? nullptr : block[place.index].load(std::memory_order_acquire);
    }

    /// The ids given so far.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] std::uint64_t bytes() const noexcept {
        std::uint64_t bytes = 0;
        for (std::size_t block = 0; block < owned_.size(); ++block)
            if (owned_[block] != nullptr) bytes += (first_block << block) * sizeof(State*);
        return bytes;
    }
    /// Makes room for ids up to this one, so that `set` can't fail. May throw std::bad_alloc.
    void reserve(std::uint64_t id) {
        for (std::size_t block = 0; id != 0 && block <= place_of(id).block; ++block) {
            if (owned_[block] != nullptr) continue;
            owned_[block] = std::make_unique<std::atomic<State*>[]>(first_block << block);
            blocks_[block].store(owned_[block].get(), std::memory_order_release);
        }
    }
    /// Gives the next id. Room was made.
    void set(std::uint64_t id, State* state) noexcept {
        const Place place = place_of(id);
        owned_[place.block][place.index].store(state, std::memory_order_release);
        size_ = id;
    }

private:
    static constexpr std::uint64_t first_block = 256;
    struct Place {
        std::size_t block;
        std::uint64_t index;
    };
    /// Block n begins at id 1 + 256 × (2^n − 1).
    static constexpr Place place_of(std::uint64_t id) noexcept {
        // Ids come from disks, too: the largest mustn't wrap before its block is known.
        const auto block = static_cast<std::size_t>(std::bit_width((id - 1) / first_block + 1) - 1);
        return {block, id - 1 + first_block - (first_block << block)};
    }

    std::uint64_t size_ = 0;
    std::array<std::unique_ptr<std::atomic<State*>[]>, 48> owned_;
    std::array<std::atomic<std::atomic<State*>*>, 48> blocks_{};
};

}  // namespace braid
