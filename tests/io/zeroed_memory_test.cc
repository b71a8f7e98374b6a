#include "io/zeroed_memory.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

namespace braid::test {
namespace {

using io::ZeroedMemory;

TEST_CASE("zeroed memory: small and large, it is zero, writable to its end, and begins on a line") {
    constexpr std::size_t huge = ZeroedMemory::huge_page_bytes;
    for (const std::size_t bytes :
         {std::size_t{1}, std::size_t{4096}, huge - 1, huge, 3 * huge + 5}) {
        CAPTURE(bytes);
        ZeroedMemory memory(bytes);
        const std::span all(memory.data(), bytes);
        CHECK(
            std::all_of(all.begin(), all.end(), [](std::byte one) { return one == std::byte{}; }));
        const std::size_t alignment = bytes < huge ? 64 : huge;
        CHECK(reinterpret_cast<std::uintptr_t>(memory.data()) % alignment == 0);
        std::fill(all.begin(), all.end(), std::byte{0xff});
        const ZeroedMemory moved = std::move(memory);
        CHECK(moved.data() == all.data());
        CHECK(moved.data()[bytes - 1] == std::byte{0xff});
    }
}

}  // namespace
}  // namespace braid::test
