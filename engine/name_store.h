#pragma once

#include <algorithm>
#include <braid/options.hpp>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace braid {

/// Bytes of long names, which stay where they are until the whole goes. One thread at a time adds.
class NameStore {
public:
    /// May throw std::bad_alloc.
    [[nodiscard]] const char* add(std::string_view name) {
        if (left_ < name.size()) add_block();
        char* stored = next_;
        std::memcpy(stored, name.data(), name.size());
        next_ += name.size();
        left_ -= name.size();
        return stored;
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

private:
    static constexpr std::size_t first_block = 1 << 10;
    static constexpr std::size_t largest_block = 64 << 10;
    static_assert(name_bytes_max <= first_block);

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

/// A name: a short one within itself, so that who has come to it needn't wait for memory elsewhere;
/// a long one in a NameStore, which outlives it.
class StoredName {
public:
    StoredName() = default;
    /// May throw std::bad_alloc.
    StoredName(std::string_view name, NameStore& store)
        : length_(static_cast<std::uint8_t>(name.size())) {
        static_assert(name_bytes_max <= UINT8_MAX);
        if (name.size() <= within_max) {
            std::memcpy(within_, name.data(), name.size());
        } else {
            const char* const stored = store.add(name);
            std::memcpy(within_, &stored, sizeof stored);
        }
    }
    [[nodiscard]] std::string_view view() const noexcept {
        if (length_ <= within_max) return {within_, length_};
        const char* stored = nullptr;
        std::memcpy(&stored, within_, sizeof stored);
        return {stored, length_};
    }

private:
    static constexpr std::size_t within_max = 23;

    char within_[within_max] = {};  // or where the bytes are
    std::uint8_t length_ = 0;
};

}  // namespace braid
