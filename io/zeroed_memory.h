#pragma once

#include <cstddef>
#include <memory>

namespace braid::io {

/// Memory that is all zeros and begins on a cache line, for tables that are looked into at random
/// places. From 2 MiB on it begins on a huge page, and the system is asked for such: a look then
/// costs the processor one miss, where it otherwise looks up the page first.
class ZeroedMemory {
public:
    static constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;
    /// Whether huge pages are asked for. Those are there as a whole as soon as one byte of them is
    /// touched.
    enum class Pages : bool { usual, huge };

    ZeroedMemory() = default;
    /// May throw std::bad_alloc. `bytes` is not 0.
    explicit ZeroedMemory(std::size_t bytes, Pages pages = Pages::huge);

    [[nodiscard]] std::byte* data() const noexcept { return memory_.get(); }

private:
    struct Free {
        std::size_t mapped;  // 0: not mapped, but from the heap
        void operator()(std::byte* memory) const noexcept;
    };
    std::unique_ptr<std::byte, Free> memory_{nullptr, Free{0}};
};

}  // namespace braid::io
