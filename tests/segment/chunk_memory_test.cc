#include "segment/chunk_memory.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <optional>

using namespace braid;
using segment::ChunkMemory;
using segment::ChunkPool;

namespace {

constexpr std::size_t usual = io::ZeroedMemory::huge_page_bytes;

bool is_on_cache_line(const ChunkMemory& memory) {
    return reinterpret_cast<std::uintptr_t>(memory.data()) % 64 == 0;
}

}  // namespace

TEST_CASE("memory of the usual size comes back to the next chunk, as much as is to be kept") {
    const auto pool = std::make_shared<ChunkPool>(usual, 2 * usual);
    std::optional<ChunkMemory> first(pool->take(usual));
    std::optional<ChunkMemory> second(pool->take(usual));
    std::optional<ChunkMemory> third(pool->take(usual));
    CHECK(is_on_cache_line(*first));
    std::memset(third->data(), 1, usual);
    const std::byte* const first_at = first->data();
    const std::byte* const second_at = second->data();
    first.reset();
    second.reset();
    third.reset();  // one too many
    const ChunkMemory again = pool->take(usual);
    const ChunkMemory other = pool->take(usual);
    CHECK(again.data() == second_at);
    CHECK(other.data() == first_at);
    CHECK(pool->take(usual).data() != nullptr);
}

TEST_CASE("memory of another size than the usual one, or not of huge pages, is the heap's") {
    struct Sizes {
        std::size_t pool, bytes;
    };
    for (const auto& [usual_bytes, bytes] :
         {Sizes{4096, 4096}, Sizes{usual, usual + 64}, Sizes{usual + 4096, usual + 4096}}) {
        const auto pool = std::make_shared<ChunkPool>(usual_bytes, 8 * usual);
        std::optional<ChunkMemory> memory(pool->take(bytes));
        CHECK(is_on_cache_line(*memory));
        std::memset(memory->data(), 1, bytes);
        CHECK(pool.use_count() == 1);
        memory.reset();
    }
}

TEST_CASE("memory may outlive whoever has the pool") {
    auto pool = std::make_shared<ChunkPool>(usual, usual);
    const ChunkMemory memory = pool->take(usual);
    pool.reset();
    std::memset(memory.data(), 1, usual);
}
