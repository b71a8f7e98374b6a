#include "engine/recently_used.h"

#include <doctest/doctest.h>

#include <string>

namespace braid::test {
namespace {

std::string got(RecentlyUsed<int, std::string>& values, int key) {
    const auto found = values.find(key);
    return found == nullptr ? "" : *found;
}

void put(RecentlyUsed<int, std::string>& values, int key, std::size_t bytes,
         const std::string& value = "x") {
    values.add(key, std::make_shared<const std::string>(value), bytes);
}

TEST_CASE("what was used longest ago goes first, by bytes") {
    RecentlyUsed<int, std::string> values(100);
    put(values, 1, 40);
    put(values, 2, 40);
    CHECK(got(values, 1) == "x");
    put(values, 3, 40);  // 2 was used longest ago
    CHECK(got(values, 2).empty());
    CHECK(got(values, 1) == "x");
    CHECK(got(values, 3) == "x");
    CHECK(values.bytes() == 80);
    put(values, 4, 61);
    CHECK(got(values, 1).empty());
    CHECK(got(values, 3).empty());
    CHECK(got(values, 4) == "x");
    CHECK(values.bytes() == 61);
}

TEST_CASE("a value takes the place of the one of its key, and one that is too large is alone") {
    RecentlyUsed<int, std::string> values(100);
    put(values, 1, 40, "old");
    put(values, 2, 40);
    put(values, 1, 60, "new");
    CHECK(got(values, 1) == "new");
    CHECK(got(values, 2) == "x");
    CHECK(values.bytes() == 100);
    const auto kept = values.find(2);
    put(values, 3, 1000);
    CHECK(got(values, 1).empty());
    CHECK(got(values, 3) == "x");
    put(values, 1, 1);
    CHECK(got(values, 3).empty());
    CHECK(values.bytes() == 1);
    CHECK(*kept == "x");
}

}  // namespace
}  // namespace braid::test
