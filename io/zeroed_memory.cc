#include "io/zeroed_memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <new>

namespace braid::io {
namespace {

constexpr std::align_val_t cache_line{64};

/// Maps whole huge pages: as many bytes more as it takes to begin on one, which are given back.
std::byte* map_aligned(std::size_t bytes) {
    constexpr std::size_t page = ZeroedMemory::huge_page_bytes;
    void* mapped =
        ::mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    auto* first = static_cast<std::byte*>(mapped);
    const std::size_t before = (page - reinterpret_cast<std::uintptr_t>(first) % page) % page;
    if (before != 0) ::munmap(first, before);
    if (before != page) ::munmap(first + before + bytes, page - before);
    return first + before;
}

}  // namespace

ZeroedMemory::ZeroedMemory(std::size_t bytes, Pages pages) {
    if (bytes < huge_page_bytes) {
        memory_.reset(static_cast<std::byte*>(::operator new(bytes, cache_line)));
        std::memset(memory_.get(), 0, bytes);
        return;
    }
    const std::size_t whole = (bytes + huge_page_bytes - 1) / huge_page_bytes * huge_page_bytes;
    memory_ = {map_aligned(whole), Free{whole}};
    // Where it can't be had, the memory is as good, and slower.
    if (pages == Pages::huge) static_cast<void>(::madvise(memory_.get(), whole, MADV_HUGEPAGE));
}

void ZeroedMemory::Free::operator()(std::byte* memory) const noexcept {
    if (mapped != 0)
        ::munmap(memory, mapped);
    else
        ::operator delete(memory, cache_line);
}

}  // namespace braid::io
