#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace braid {

/// States that stay where they are until the pool goes; made many at a time. One thread at a time.
template <class State>
class StatePool {
public:
    /// May throw std::bad_alloc.
    [[nodiscard]] State& add() {
        if (used_ == blocks_.size() * block) blocks_.push_back(std::make_unique<State[]>(block));
        State& state = blocks_.back()[used_ % block];
        ++used_;
        return state;
    }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return blocks_.size() * block * sizeof(State);
    }

private:
    static constexpr std::size_t block = 64;

    std::vector<std::unique_ptr<State[]>> blocks_;
    std::size_t used_ = 0;
};

}  // namespace braid
