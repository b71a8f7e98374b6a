#pragma once

#include <braid/types.hpp>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "io/file.h"

namespace braid::io {

/// Memory for direct writes: it begins on a block and has whole blocks. Grows, never copies.
class AlignedBuffer {
public:
    AlignedBuffer() = default;
    explicit AlignedBuffer(std::uint64_t bytes) { reserve(bytes); }
    AlignedBuffer(AlignedBuffer&& other) noexcept
        : memory_(std::move(other.memory_)), capacity_(std::exchange(other.capacity_, 0)) {}
    AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
        memory_ = std::move(other.memory_);
        capacity_ = std::exchange(other.capacity_, 0);
        return *this;
    }

    /// At least `bytes`; what it held is lost if it has to grow.
    void reserve(std::uint64_t bytes) {
        if (bytes <= capacity_) return;
        const std::uint64_t whole = whole_blocks(bytes);
        release();
        memory_.reset(static_cast<std::byte*>(::operator new(whole, alignment)));
        capacity_ = whole;
    }
    /// A copy of `bytes` at the start, which begins on a block. The view lives as long as the
    /// memory.
    std::span<std::byte> hold(Bytes bytes) {
        reserve(bytes.size());
        std::memcpy(memory_.get(), bytes.data(), bytes.size());
        return first(bytes.size());
    }
    void release() {
        memory_.reset();
        capacity_ = 0;
    }
    [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::span<std::byte> first(std::uint64_t bytes) noexcept {
        return {memory_.get(), static_cast<std::size_t>(bytes)};
    }

private:
    static constexpr std::align_val_t alignment{block_bytes};
    struct Free {
        void operator()(std::byte* memory) const noexcept { ::operator delete(memory, alignment); }
    };
    std::unique_ptr<std::byte, Free> memory_;
    std::uint64_t capacity_ = 0;
};

}  // namespace braid::io
