#include "segment/chunk_memory.h"

#include <new>

namespace braid::segment {
namespace {

constexpr std::align_val_t alignment{64};

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
    if (usual_bytes_ >= io::ZeroedMemory::huge_page_bytes) kept_.reserve(kept_max / usual_bytes_);
}

ChunkMemory ChunkPool::take(std::size_t bytes) {
    if (bytes != usual_bytes_ || bytes < io::ZeroedMemory::huge_page_bytes)
        return ChunkMemory(bytes);
    using Pages = io::ZeroedMemory::Pages;
    const std::scoped_lock lock(mutex_);
    if (kept_.empty()) {
        // A store that holds little needn't have a huge page for it.
        const Pages pages = is_first_ ? Pages::usual : Pages::huge;
        is_first_ = false;
        return {io::ZeroedMemory(bytes, pages), shared_from_this()};
    }
    ChunkMemory memory(std::move(kept_.back()), shared_from_this());
    kept_.pop_back();
    return memory;
}

void ChunkPool::give_back(io::ZeroedMemory memory) noexcept {
    const std::scoped_lock lock(mutex_);
    if (kept_.size() < kept_.capacity()) kept_.push_back(std::move(memory));
}

}  // namespace braid::segment
