#include "engine/segment_names.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/segment_table.h"

namespace braid::test {
namespace {

TEST_CASE("segments of a space: found by name through every growth of the table") {
    SegmentTable table;
    const auto name = [](std::uint32_t i) { return fmt::format("segment-{}", i); };
    for (std::uint32_t i = 0; i < 3'000; ++i) {
        SegmentState& made = table.make("orders", name(i));
        CHECK(&table.make("orders", name(i)) == &made);
        if (i % 100 != 0) continue;
        const SegmentTable::Finder finder(table);
        std::vector<std::string> names;
        for (std::uint32_t j = 0; j < 2 * i + 2; ++j) names.push_back(name(j));
        std::vector<SegmentTable::Wanted> wanted;
        for (const std::string& one : names) wanted.push_back({finder.space("orders"), one});
        finder.find(wanted);
        for (std::uint32_t j = 0; j < wanted.size(); ++j) {
            if (j > i) REQUIRE(wanted[j].found == nullptr);
            if (j <= i) REQUIRE(wanted[j].found->name() == names[j]);
        }
    }
}

TEST_CASE(
    "segments of a space: names of one hash are told apart, also by those who look for many") {
    // Among some hundred thousand names two share the 32 bits of their hashes.
    std::unordered_map<std::uint32_t, std::string> seen;
    std::vector<std::pair<std::string, std::string>> alike;
    for (std::uint32_t i = 0; alike.empty() && i < 1'000'000; ++i) {
        std::string name = fmt::format("s{}", i);
        const auto [other, fresh] = seen.emplace(SegmentNames::hash(name), name);
        if (!fresh) alike.emplace_back(other->second, name);
    }
    REQUIRE_FALSE(alike.empty());
    const auto& [first, second] = alike.front();
    SegmentTable table;
    SegmentState& one = table.make("sp", first);
    {
        const SegmentTable::Finder finder(table);
        SegmentTable::Wanted wanted[]{{finder.space("sp"), second}, {finder.space("sp"), first}};
        finder.find(wanted);
        CHECK(wanted[0].found == nullptr);
        CHECK(wanted[1].found == &one);
    }
    SegmentState& other = table.make("sp", second);
    CHECK(&other != &one);
    const SegmentTable::Finder finder(table);
    SegmentTable::Wanted wanted[]{{finder.space("sp"), second}, {finder.space("sp"), first}};
    finder.find(wanted);
    CHECK(wanted[0].found == &other);
    CHECK(wanted[1].found == &one);
}

TEST_CASE("segments of a space: names of every length are kept, and found") {
    SegmentTable table;
    const auto name = [](std::size_t length) {
        return std::string(length, static_cast<char>('a' + length % 26));
    };
    std::vector<SegmentState*> made;
    for (std::size_t length = 1; length <= name_bytes_max; ++length)
        made.push_back(&table.make("sp", name(length)));
    for (std::size_t length = 1; length <= name_bytes_max; ++length) {
        SegmentState& state = *made[length - 1];
        CHECK(state.name() == name(length));
        CHECK(&table.make("sp", name(length)) == &state);
    }
}

TEST_CASE("states of a pool stay where they are, and are new, across its blocks") {
    SegmentPool pool;
    std::vector<SegmentState*> made;
    for (std::uint32_t i = 0; i < 40'000; ++i) {
        made.push_back(&pool.add());
        REQUIRE(made.back()->id == 0);
        made.back()->id = i + 1;
    }
    for (std::uint32_t i = 0; i < made.size(); ++i) {
        REQUIRE(&pool.at(i) == made[i]);
        REQUIRE(made[i]->id == i + 1);
    }
    CHECK(std::set<SegmentState*>(made.begin(), made.end()).size() == made.size());
}

}  // namespace
}  // namespace braid::test
