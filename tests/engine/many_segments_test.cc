#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "engine/segment_table.h"
#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

TEST_CASE("memory: an idle segment with a name of 16 bytes takes at most 200 bytes") {
    for (const std::uint64_t segments : {50'000, 61'000, 80'000, 100'000, 122'000, 196'700}) {
        SegmentTable table;
        REQUIRE(table.restore(segment::SpaceNamed{1, "orders"}));
        table.expect(segments);
        for (std::uint64_t id = 1; id <= segments; ++id)
            REQUIRE(table.restore(segment::SegmentNamed{id, 1, fmt::format("segment-{:08}", id)}));
        MESSAGE(segments, " segments: ", table.segment_bytes() / segments, " bytes each");
        CHECK(table.segment_bytes() <= 200 * segments);
    }
}

TEST_CASE("segments are listed page by page, those that came between two pages in their places") {
    StoreFixture store;
    const auto name = [](std::uint64_t i) { return fmt::format("segment-{:04}", i * 7919 % 3000); };
    const auto fill = [&](std::uint64_t from, std::uint64_t to) {
        for (const std::string space : {"a", "b"}) {
            auto transaction = store->begin();
            for (std::uint64_t i = from; i < to; ++i)
                if (i % 2 == 0 || space == "a") transaction.append(space, name(i), "x");
            must(transaction.commit());
        }
    };
    const auto pages = [&](const std::string& space, std::uint64_t limit) {
        std::vector<std::string> all;
        for (std::string after;;) {
            const auto names = must(store->segments(space, page(after, limit)));
            all.insert(all.end(), names.begin(), names.end());
            CHECK(names.size() <= limit);
            if (names.size() < limit) return all;
            after = names.back();
        }
    };
    const auto expected = [&](std::uint64_t through, std::uint64_t step) {
        std::vector<std::string> names;
        for (std::uint64_t i = 0; i < through; i += step) names.push_back(name(i));
        std::sort(names.begin(), names.end());
        return names;
    };
    CHECK(must(store->segments("a", {})).empty());
    std::uint64_t from = 0;
    for (const std::uint64_t through : {1000, 1001, 2000, 3000}) {
        fill(std::exchange(from, through), through);
        CHECK(pages("a", 7) == expected(through, 1));
        CHECK(pages("b", 100) == expected(through, 2));
        CHECK(must(store->segments("a", {})) == expected(through, 1));
    }
    CHECK(must(store->segments("a", page("segment-2990", 0))).size() == 9);
    CHECK(must(store->segments("c", {})).empty());
    store.reopen();
    CHECK(pages("b", 99) == expected(3000, 2));
}

TEST_CASE("a close leaves a catalog that is short to read") {
    StoreFixture store(small_options());
    const auto bytes_of_catalog = [&] {
        std::uint64_t bytes = 0;
        for (const auto& file : std::filesystem::directory_iterator(store.directory()))
            if (file.path().filename().string().starts_with("catalog-")) bytes += file.file_size();
        return bytes;
    };
    std::uint64_t appended = 0;
    // An open store begins its catalog anew when it has got four times as long as a snapshot, a
    // close when twice: the last drains leave something in between.
    for (int round = 0; round < 30 || bytes_of_catalog() < 11'000; ++round) {
        REQUIRE(round < 60);
        auto transaction = store->begin();
        for (int i = 0; i < 100; ++i, ++appended)
            transaction.append("sp", fmt::format("segment-{}", i), "x");
        must(transaction.commit());
        must(store->drain());
    }
    const auto before = entries(store->read_space("sp", {}));
    REQUIRE(before.size() == appended);
    store.close();
    const std::uint64_t closed = bytes_of_catalog();
    store.open();
    CHECK(entries(store->read_space("sp", {})) == before);
    // A snapshot of 100 segments, and 30 packs: 4,360 bytes were measured.
    CHECK(closed < 6'000);
    CHECK(must(store->verify()).damages.empty());
}

}  // namespace
}  // namespace braid::test
