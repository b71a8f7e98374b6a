// A transaction that is built again after a commit finds the memory that it had before.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "engine/transaction_body.h"
#include "tests/faults/failing_allocation.h"
#include "tests/faults/sim_store.h"

namespace braid::faults {
namespace {

/// Names longer than what a string holds in itself.
std::vector<std::string> long_names(int count) {
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i)
        names.push_back(fmt::format("the segment of the customer {:06}", i));
    return names;
}

/// Several records of each segment, two of them in turn, conditions, a consumer, and an id.
void build(TransactionBody& body, const std::vector<std::string>& segments, std::uint8_t id) {
    constexpr std::string_view space = "a space with a rather long name";
    for (int turn = 0; turn < 3; ++turn)
        for (const std::string& segment : segments)
            body.append(space, segment, as_bytes("payload"),
                        {.metadata = {{"type", "of the event"}}});
    body.require(space, "another segment, which is only looked at", expect::none());
    body.set_consumer("a consumer with a rather long name", {space, segments[0]}, 0, {});
    body.require_consumer("another consumer, not to be moved", space, 0);
    body.set_id({id});
    body.finish();
}

}  // namespace

TEST_CASE("a transaction that is built like the one before allocates nothing") {
    for (const int count : {1, 3, 70}) {
        CAPTURE(count);
        SimStore store;
        const auto segments = long_names(count);
        TransactionBody body(store.engine().options());
        build(body, segments, 1);
        const auto first = store.engine().commit(body, Durability::buffered);
        if (!first) FAIL(first.error().message());
        REQUIRE(store.engine().drain());
        body.clear();
        spare_allocations();
        {
            const InEngine counted;
            build(body, segments, 2);
        }
        CHECK(allocations() == 0);
        CHECK(store.engine().commit(body, Durability::buffered));
    }
}

}  // namespace braid::faults
