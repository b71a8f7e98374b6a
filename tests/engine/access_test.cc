// What the system is told of how mapped files are read: single records are not read ahead of.
#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

/// Whether there are mappings of the store's files that are read at random ("rr"), and others.
struct Mappings {
    bool random = false;
    bool sequential = false;
    bool operator==(const Mappings&) const = default;
};

Mappings mappings_of(const StoreFixture& store) {
    Mappings found;
    std::ifstream smaps("/proc/self/smaps");
    bool ours = false;
    for (std::string line; std::getline(smaps, line);) {
        if (line.find(" r--s ") != std::string::npos)
            ours = line.find(store.directory()) != std::string::npos;
        if (!ours || !line.starts_with("VmFlags:")) continue;
        (line.find(" rr") == std::string::npos ? found.sequential : found.random) = true;
        ours = false;
    }
    return found;
}

}  // namespace

TEST_CASE("a record alone is read without reading ahead, and a reader that goes on with it") {
    StoreFixture store;
    for (std::uint64_t i = 1; i <= 100; ++i)  // too large to be joined
        must(store->append("sp", "a", std::string(3000, 'x'), {}, Durability::buffered));
    must(store->drain());
    CHECK(mappings_of(store) == Mappings{});
    SUBCASE("of a segment") {
        Reader reader = store->read_segment("sp", "a", {.from = 50, .limit = 1});
        CHECK(sequences(entries(std::move(reader))) == numbers(50, 50));
        CHECK(mappings_of(store) == Mappings{true, false});
        CHECK(entries(store->read_segment("sp", "a")).size() == 100);
        CHECK(mappings_of(store) == Mappings{true, true});
    }
    SUBCASE("the newest one") {
        CHECK((*must(store->peek("sp", "a")))->sequence == 100);
        CHECK(mappings_of(store) == Mappings{true, false});
    }
}

}  // namespace braid::test
