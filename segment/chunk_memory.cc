#include "segment/chunk_memory.h"

#include <sanitizer/asan_interface.h>

#include <new>

namespace braid::segment {
namespace {

constexpr std::align_val_t alignment{64};

/// Other sizes would have pages that nobody counts.
bool is_of_huge_pages(std::size_t bytes) {
    return bytes != 0 && bytes % io::ZeroedMemory::huge_page_bytes == 0;
}

}  // namespace

void ChunkMemory::Free::operator()(std::byte* memory) const noexcept {
    ::operator delete(memory, alignment);
}

ChunkMemory::ChunkMemory(std::size_t bytes)
    : heap_(static_cast<std::byte*>(::operator new(bytes, alignment))) {}

ChunkMemory::~ChunkMemory() {
    if (pool_ != nullptr) pool_->give_back(std::move(pooled_));
}

ChunkPool::ChunkPool(std::size_t usual_bytes, std::size_t kept_max) : usual_bytes_(usual_bytes) {
    if (is_of_huge_pages(usual_bytes_)) kept_.reserve(kept_max / usual_bytes_);
}

ChunkPool::~ChunkPool() {
    for (const io::ZeroedMemory& memory : kept_)
        ASAN_UNPOISON_MEMORY_REGION(memory.data(), usual_bytes_);
}

ChunkMemory ChunkPool::take(std::size_t bytes) {
    if (bytes != usual_bytes_ || !is_of_huge_pages(bytes)) return ChunkMemory(bytes);
    const std::scoped_lock lock(mutex_);
    if (kept_.empty()) {
        using Pages = io::ZeroedMemory::Pages;
        // A store that holds little needn't have a huge page for it.
        io::ZeroedMemory memory(bytes, is_first_ ? Pages::usual : Pages::huge);
        is_first_ = false;
        return {std::move(memory), shared_from_this()};
    }
    ChunkMemory memory(std::move(kept_.back()), shared_from_this());
    kept_.pop_back();
    ASAN_UNPOISON_MEMORY_REGION(memory.data(), usual_bytes_);
    return memory;
}

void ChunkPool::give_back(io::ZeroedMemory memory) noexcept {
    const std::scoped_lock lock(mutex_);
    if (kept_.size() == kept_.capacity()) return;
    // Whoever looks at it still is noticed under AddressSanitizer, as with memory of the heap.
    ASAN_POISON_MEMORY_REGION(memory.data(), usual_bytes_);
    kept_.push_back(std::move(memory));
}

}  // namespace braid::segment
