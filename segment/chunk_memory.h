#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "io/zeroed_memory.h"

namespace braid::segment {

class ChunkPool;

/// Memory of one chunk, on a cache line's boundary, whatever it holds.
class ChunkMemory {
public:
    /// Of the heap. May throw std::bad_alloc.
    explicit ChunkMemory(std::size_t bytes);
    /// Of a pool, which gets it back.
    ChunkMemory(io::ZeroedMemory memory, std::shared_ptr<ChunkPool> pool) noexcept
        : pooled_(std::move(memory)), pool_(std::move(pool)) {}
    ~ChunkMemory();
    ChunkMemory(ChunkMemory&&) noexcept = default;
    ChunkMemory& operator=(ChunkMemory&&) = delete;

    [[nodiscard]] std::byte* data() const noexcept {
        return heap_ != nullptr ? heap_.get() : pooled_.data();
    }

private:
    struct Free {
        void operator()(std::byte* memory) const noexcept;
    };
    std::unique_ptr<std::byte, Free> heap_;
    io::ZeroedMemory pooled_;
    std::shared_ptr<ChunkPool> pool_;
};

/// Where chunks have their memory from. Chunks of the usual size, if that is huge pages,
/// are in such, where the system has them; and what comes back is kept for the next ones,
/// since to get memory from the system anew costs a commit far more than all else that it does. Any
/// thread; lives as long as any of its memory.
class ChunkPool : public std::enable_shared_from_this<ChunkPool> {
public:
    /// Keeps up to `kept_max` bytes that nobody uses. May throw std::bad_alloc.
    ChunkPool(std::size_t usual_bytes, std::size_t kept_max);
    ~ChunkPool();

    /// May throw std::bad_alloc.
    [[nodiscard]] ChunkMemory take(std::size_t bytes);

private:
    friend class ChunkMemory;
    void give_back(io::ZeroedMemory memory) noexcept;

    const std::size_t usual_bytes_;
    std::mutex mutex_;                    // of all below
    std::vector<io::ZeroedMemory> kept_;  // as much as fits without more memory
    bool is_first_ = true;
};

}  // namespace braid::segment
