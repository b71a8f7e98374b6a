#pragma once

#include <algorithm>
#include <braid/options.hpp>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace braid {

/// Names of at most 255 bytes, each behind a byte with its length, that stay where they are until
/// the whole goes: a name takes one byte more than it has. One thread at a time adds.
class NameStore {
public:
    /// May throw std::bad_alloc.
    [[nodiscard]] const char* add(std::string_view name) {
        static_assert(name_bytes_max <= 255);
        if (left_ < name.size() + 1) add_block();
        char* stored = next_;
        *stored = static_cast<char>(static_cast<unsigned char>(name.size()));
        std::memcpy(stored + 1, name.data(), name.size());
        next_ += name.size() + 1;
        left_ -= name.size() + 1;
        return stored;
    }
    /// The name that `add` returned.
    [[nodiscard]] static std::string_view name(const char* stored) noexcept {
        return {stored + 1, static_cast<unsigned char>(*stored)};
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

private:
    static constexpr std::size_t first_block = 1 << 10;
    static constexpr std::size_t largest_block = 64 << 10;

    void add_block() {
        const std::size_t size = std::clamp(bytes_, first_block, largest_block);
        blocks_.push_back(std::make_unique_for_overwrite<char[]>(size));
        next_ = blocks_.back().get();
        left_ = size;
        bytes_ += size;
    }

    std::vector<std::unique_ptr<char[]>> blocks_;
    char* next_ = nullptr;
    std::size_t left_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace braid
