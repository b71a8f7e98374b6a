// Several spaces in the order of commits, from packs in which each has many blocks of its order.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "tests/engine/store_fixture.h"
#include "tests/segment/sample.h"

namespace braid::test {
namespace {

using Names = std::vector<std::string>;

constexpr std::uint64_t commits = 6000;

/// Commits of one to three records over five spaces: two with much, one with little, one that is
/// only at the beginning, one only at the end.
class Mixed {
public:
    Mixed(Store& store, std::uint64_t seed) {
        std::mt19937_64 random(seed);
        for (std::uint64_t commit = 0; commit < commits; ++commit) {
            const std::string space = space_of(commit, random());
            auto transaction = store.begin();
            const std::uint64_t records = 1 + random() % 3;
            for (std::uint64_t i = 0; i < records; ++i)
                transaction.append(space, fmt::format("segment {}", random() % 7), "x");
            const Receipt receipt = must(transaction.commit(Durability::buffered));
            for (Position at = receipt.first_position; at <= receipt.last_position; at = at + 1)
                spaces_.push_back(space);
            ends_.push_back(spaces_.size());
        }
    }

    [[nodiscard]] std::uint64_t last() const { return spaces_.size(); }
    /// Positions of these spaces beyond `after`, at most `limit`, in the order of reading.
    [[nodiscard]] std::vector<std::uint64_t> positions(const Names& names, std::uint64_t after,
                                                       std::uint64_t limit, bool backward) const {
        return between(names, after + 1, last(), limit, backward);
    }
    /// The same of those up to the end of the last transaction that ended at `as_of` or before.
    [[nodiscard]] std::vector<std::uint64_t> positions_as_of(const Names& names,
                                                             std::uint64_t as_of,
                                                             std::uint64_t limit,
                                                             bool backward) const {
        const auto beyond = std::ranges::upper_bound(ends_, as_of);
        return between(names, 1, beyond == ends_.begin() ? 0 : *(beyond - 1), limit, backward);
    }

private:
    static std::string space_of(std::uint64_t commit, std::uint64_t random) {
        if (random % 500 == 0) return "little";
        if (commit < 600 && random % 4 == 0) return "begins";
        if (commit > commits - 600 && random % 4 == 0) return "ends";
        return random % 2 == 0 ? "much" : "more";
    }

    [[nodiscard]] std::vector<std::uint64_t> between(const Names& names, std::uint64_t first,
                                                     std::uint64_t last, std::uint64_t limit,
                                                     bool backward) const {
        std::vector<std::uint64_t> found;
        for (std::uint64_t at = first; at <= last; ++at)
            if (std::ranges::find(names, spaces_[at - 1]) != names.end()) found.push_back(at);
        if (backward) std::ranges::reverse(found);
        if (found.size() > limit) found.resize(limit);
        return found;
    }

    std::vector<std::string> spaces_;  // of each position, from 1 on
    std::vector<std::uint64_t> ends_;  // of transactions
};

const Names all_spaces{"much", "more", "little", "begins", "ends"};

std::vector<std::uint64_t> read(Store& store, const Names& names, const Bounds& bounds) {
    if (names == all_spaces) return positions(entries(store.read_all(bounds)));
    std::vector<SpaceCursor> cursors;
    for (const std::string& name : names) cursors.push_back({name, bounds.after});
    return positions(entries(store.read_spaces(cursors, bounds)));
}

void check(Store& store, const Mixed& mixed, std::uint64_t seed) {
    std::mt19937_64 random(seed + 1);
    for (const Names& names : {all_spaces, Names{"much", "more"}, Names{"little", "ends"},
                               Names{"begins", "much", "more"}}) {
        CAPTURE(names.size());
        for (const bool backward : {false, true}) {
            CAPTURE(backward);
            REQUIRE(read(store, names, {.backward = backward}) ==
                    mixed.positions(names, 0, UINT64_MAX, backward));
            for (int i = 0; i < 40; ++i) {
                const std::uint64_t after = random() % (mixed.last() + 1);
                const std::uint64_t limit = 1 + random() % 900;
                CAPTURE(after);
                CAPTURE(limit);
                REQUIRE(
                    read(store, names, {.after = after, .limit = limit, .backward = backward}) ==
                    mixed.positions(names, after, limit, backward));
                // Backward from the middle: what stood there once.
                REQUIRE(
                    read(store, names, {.limit = limit, .backward = backward, .as_of = after}) ==
                    mixed.positions_as_of(names, after, limit, backward));
            }
        }
    }
}

TEST_CASE("several spaces are read from one large pack, and from a gathered one") {
    Options options = default_options();
    options.gather_packs = 0;
    StoreFixture store(options);
    const std::uint64_t seed = fresh_seed();
    CAPTURE(seed);
    const Mixed mixed(*store, seed);
    must(store->drain());
    check(*store, mixed, seed);
    must(store->gather());
    check(*store, mixed, seed);
}

/// Takes so many entries more.
void take(Reader& reader, std::size_t count, std::vector<std::uint64_t>& found) {
    while (count-- != 0) {
        const Result<Entry>* next = reader.next();
        if (next == nullptr) return;
        REQUIRE(*next);
        found.push_back((**next).position.value);
    }
}

TEST_CASE("who reads several spaces goes on where he was when packs have been gathered") {
    Options options = default_options();
    options.gather_packs = 0;
    StoreFixture store(options);
    const std::uint64_t seed = fresh_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    constexpr std::uint64_t records = 8000;  // a block has some 900 entries
    std::array<std::uint64_t, 2> last{};
    for (std::uint64_t i = 1; i <= records; ++i) {
        const std::size_t space = random() % 2;
        const std::uint64_t next = ++last[space];
        must_append(*store, space == 0 ? "a" : "b", "segment", next, next, Durability::buffered);
    }
    must(store->drain());
    // What is merged at first is used up by then; wherever it ends, some reader stands there.
    constexpr std::size_t taken = 16;
    constexpr std::size_t more = 40;
    struct One {
        Reader reader;
        std::uint64_t end;
        bool backward;
        std::vector<std::uint64_t> found{};
    };
    std::vector<One> all;
    // Four blocks of both spaces end there.
    for (std::uint64_t end = 2000; end < 5600; ++end) {
        const std::vector<SpaceCursor> spaces{{"a", 0}, {"b", 0}};
        all.push_back({store->read_spaces(spaces, {.backward = true, .as_of = end}), end, true});
        if (end % 10 != 0) continue;
        const std::vector<SpaceCursor> behind{{"a", end}, {"b", end}};
        all.push_back({store->read_spaces(behind), end, false});
    }
    for (One& one : all) take(one.reader, taken, one.found);
    must(store->gather());
    for (One& one : all) {
        CAPTURE(one.end);
        CAPTURE(one.backward);
        take(one.reader, more, one.found);
        auto expected = one.backward
                            ? numbers(one.end - taken - more + 1, one.end)
                            : numbers(one.end + 1, std::min(records, one.end + taken + more));
        if (one.backward) std::ranges::reverse(expected);
        REQUIRE(one.found == expected);
    }
}

TEST_CASE("a follower of a space that comes to be while it reads misses none of its entries") {
    StoreFixture store;
    for (std::uint64_t i = 1; i <= 200; ++i)
        must_append(*store, "a", "segment", i, i, Durability::buffered);
    must(store->sync());
    const std::vector<SpaceCursor> spaces{{"a", 0}, {"x", 0}};
    auto follower = store->follow_spaces(spaces);
    std::vector<std::uint64_t> found;
    const auto take_some = [&](std::size_t count) {
        for (; count != 0; --count) {
            const Result<Entry>* next = follower.try_next();
            if (next == nullptr) return;
            REQUIRE(*next);
            found.push_back((**next).position.value);
        }
    };
    take_some(50);  // its end is 200
    for (std::uint64_t i = 0; i < 400; ++i) {
        must_append(*store, "a", "segment", 201 + i, 201 + i, Durability::buffered);
        if (i >= 50) must_append(*store, "x", "segment", i - 49, i - 49, Durability::buffered);
    }
    must(store->drain());
    take_some(2000);
    CHECK(found == numbers(1, 950));
}

}  // namespace
}  // namespace braid::test
