#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <vector>

#include "io/zeroed_memory.h"

namespace braid {

/// States that stay where they are until the pool goes, numbered from 0 on. One thread at a time
/// adds; who reads `at` keeps it away.
template <class State>
class StatePool {
public:
    StatePool() = default;
    StatePool(const StatePool&) = delete;
    StatePool& operator=(const StatePool&) = delete;
    ~StatePool() {
        for (std::uint32_t index = 0; index < used_; ++index) at(index).~State();
    }

    /// May throw std::bad_alloc.
    [[nodiscard]] State& add() {
        if (place_of(used_).block == blocks_.size()) add_block();
        State* state = new (address(used_)) State;
        ++used_;
        return *state;
    }
    [[nodiscard]] State& at(std::uint32_t index) const noexcept {
        return *std::launder(reinterpret_cast<State*>(address(index)));
    }
    /// The number that the next one gets.
    [[nodiscard]] std::uint32_t size() const noexcept { return used_; }
    /// What is touched: all of a huge page, and else what is used.
    [[nodiscard]] std::size_t bytes() const noexcept {
        return blocks_.size() > small_pages_blocks
                   ? in_first_block * sizeof(State) + (blocks_.size() - 1) * block_bytes
                   : std::size_t{used_} * sizeof(State);
    }

private:
    static_assert(std::is_nothrow_default_constructible_v<State>);
    static constexpr std::size_t block_bytes = io::ZeroedMemory::huge_page_bytes;
    static constexpr std::uint32_t in_block = block_bytes / sizeof(State);
    /// In a small store, or one that has few states, a huge page would be mostly empty.
    static constexpr std::uint32_t in_first_block = 64;
    static constexpr std::size_t small_pages_blocks = 16;
    struct Place {
        std::size_t block;
        std::uint32_t index;
    };
    static constexpr Place place_of(std::uint32_t index) noexcept {
        if (index < in_first_block) return {0, index};
        return {1 + (index - in_first_block) / in_block, (index - in_first_block) % in_block};
    }
    [[nodiscard]] std::byte* address(std::uint32_t index) const noexcept {
        const Place place = place_of(index);
        return blocks_[place.block].data() + std::size_t{place.index} * sizeof(State);
    }
    void add_block() {
        using Pages = io::ZeroedMemory::Pages;
        blocks_.reserve(blocks_.size() + 1);
        blocks_.emplace_back(blocks_.empty() ? in_first_block * sizeof(State) : block_bytes,
                             blocks_.size() < small_pages_blocks ? Pages::usual : Pages::huge);
    }

    std::vector<io::ZeroedMemory> blocks_;
    std::uint32_t used_ = 0;
};

}  // namespace braid
