// A transaction's id that is given again while the first one is on its way.
#include <doctest/doctest.h>

#include "engine/transaction_body.h"
#include "tests/faults/sim_store.h"

namespace braid::faults {
namespace {

using Answer = SimStore::Answer;

Answer commit_once(SimStore& store) {
    TransactionBody body(store.engine().options());
    body.append("space", "segment", as_bytes("once"), {});
    body.set_id({7});
    auto answer = std::make_shared<std::optional<Result<Receipt>>>();
    store.engine().commit_async(
        body, [answer](Result<Receipt> receipt) { *answer = std::move(receipt); },
        Durability::durable);
    return answer;
}

/// Until both are answered. The second one never is before the first.
void answer_both(SimStore& store, const Answer& first, const Answer& second) {
    for (int moves = 0; !first->has_value() || !second->has_value(); ++moves) {
        REQUIRE(moves < 1000);
        CHECK((first->has_value() || !second->has_value()));
        store.step_log();
    }
}

}  // namespace

TEST_CASE("a repeated id waits for the transaction that is on its way, and is told the same") {
    SimStore store;
    const Answer first = commit_once(store);
    const Answer second = commit_once(store);
    CHECK_FALSE(first->has_value());
    CHECK_FALSE(second->has_value());
    CHECK(store.texts(Level::durable).empty());
    answer_both(store, first, second);
    REQUIRE(first->value());
    REQUIRE(second->value());
    CHECK_FALSE((**first)->repeated);
    CHECK((**second)->repeated);
    CHECK((**second)->first_position == (**first)->first_position);
    CHECK((**second)->transaction == (**first)->transaction);
    CHECK(store.texts(Level::durable) == std::vector<std::string>{"once"});
}

TEST_CASE("a repeated id is in doubt where the transaction that is on its way is") {
    SimStore store;
    store.disk().fail({.call = sim::Call::write, .result = -EIO, .file = "log-0002"});
    const Answer first = commit_once(store);
    const Answer second = commit_once(store);
    answer_both(store, first, second);
    CHECK(code_of(**first) == Errc::unknown_outcome);
    CHECK(code_of(**second) == Errc::unknown_outcome);
}

}  // namespace braid::faults
