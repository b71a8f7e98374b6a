#include <array>
#include <map>
#include <random>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

TEST_CASE("a commit that may not wait for room is given back whole") {
    FullStore full;
    Transaction large = full.large();
    bool called = false;
    const auto call = [&](const Result<Receipt>&) { called = true; };
    CHECK_FALSE(large.try_commit_async(call));
    must(full.store->sync());
    CHECK_FALSE(called);
    CHECK(full.store->metrics().drains == 0);
    CHECK(entries(full.store->read_all()).back().position == full.last_position);
    // Nothing but a drain helps, and the waiting commit makes one.
    CHECK(must(large.commit()).last_position == full.last_position + 1);
    CHECK(full.store->metrics().drains > 0);
    CHECK(entries(full.store->read_segment("sp", "large")).front().payload.size() == 900 << 10);
    // It is empty again, and so there is room for it.
    CHECK(large.try_commit_async(call));
    CHECK(called);
}

TEST_CASE("a transaction used again and again puts every record where it belongs") {
    with_every_size([](StoreFixture& fixture) {
        const auto seed = std::random_device{}();
        CAPTURE(seed);
        std::mt19937 random(seed);
        std::map<std::string, std::vector<std::string>> committed;
        Transaction transaction = fixture->begin();
        std::uint64_t records = 0;
        for (int round = 0; round < 60; ++round) {
            // Few segments, many, and numbers about which the look-up changes its ways.
            const std::size_t segments = std::array{1, 2, 7, 8, 9, 63, 64, 65, 100}[random() % 9];
            const std::size_t appends = 1 + random() % (2 * segments);
            auto written = committed;
            for (std::size_t i = 0; i < appends; ++i) {
                const std::string segment = segment_name(random() % segments);
                transaction.append("sp", segment, test_data(++records));
                written[segment].push_back(test_data(records));
            }
            const bool spoilt = random() % 8 == 0;
            if (spoilt) transaction.append("sp", "", "has no segment");
            const auto outcome = code(transaction.commit(Durability::buffered));
            CHECK(outcome == (spoilt ? std::optional(Errc::invalid_argument) : std::nullopt));
            if (!spoilt) committed = std::move(written);
        }
        for (const auto& [segment, payloads] : committed)
            CHECK(test::payloads(entries(fixture->read_segment("sp", segment))) == payloads);
    });
}

TEST_CASE("a clean close leaves nothing to replay, whatever was committed how") {
    for (const Sizes& sizes : all_sizes()) {
        CAPTURE(sizes.name);
        StoreFixture store(sizes.options);
        must_append(*store, "sp", "a", 1, 100, Durability::durable);
        must_append(*store, "sp", "b", 1, 100, Durability::buffered);
        must(store->set_consumer("billing", "sp", 50));
        store.reopen();
        CHECK(store->stat().recovered_transactions == 0);
        CHECK(store->stat().recovered_bytes == 0);
        CHECK(entries(store->read_all()).size() == 200);
    }
}

}  // namespace
}  // namespace braid::test
