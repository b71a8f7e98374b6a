// Values that transactions set: what may still be asked about is there, and hardly more is kept.
#include "engine/versioned.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>

#include "tests/engine/model_random.h"

namespace braid::test {
namespace {

using Value = std::shared_ptr<const std::uint64_t>;  // which counts how often it is kept

Value value_after(const std::map<std::uint64_t, Value>& all, TransactionNumber transaction) {
    const auto next = all.upper_bound(transaction.value);
    return next == all.begin() ? nullptr : std::prev(next)->second;
}

/// How many of them somebody else keeps.
std::size_t kept(const std::map<std::uint64_t, Value>& all) {
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [](const auto& entry) { return entry.second.use_count() > 1; }));
}

}  // namespace

TEST_CASE("a value is what it was at each mark and after each transaction that isn't durable") {
    const char* given = std::getenv("BRAID_SEED");
    const std::uint64_t seed = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
    CAPTURE(seed);
    Random random(seed);
    const auto one_in = [&](std::uint64_t n) { return random.below(n) == 0; };
    Versioned<Value> value;
    std::map<std::uint64_t, Value> all;
    Marks marks;
    for (std::uint64_t transaction = 1; transaction <= 20'000; ++transaction) {
        if (!one_in(3)) {
            all[transaction] = std::make_shared<const std::uint64_t>(transaction);
            value.reserve(marks);
            value.set(transaction, all[transaction]);
            CHECK(value.newest() == all[transaction]);
            CHECK(value.since() == transaction);
        }
        if (one_in(20)) marks.durable = random.between(marks.durable.value, transaction);
        if (one_in(50)) marks.drained = marks.draining;
        if (one_in(50)) marks.draining = marks.durable;
        CHECK(value.at(marks.drained) == value_after(all, marks.drained));
        CHECK(value.at(marks.draining) == value_after(all, marks.draining));
        for (TransactionNumber at = marks.durable; at <= transaction; ++at)
            CHECK(value.at(at) == value_after(all, at));
    }
    CHECK(kept(all) < 1000);
}

TEST_CASE("of what is durable no more is kept than can be asked about") {
    Versioned<Value> value;
    std::map<std::uint64_t, Value> all;
    for (std::uint64_t transaction = 1; transaction <= 1000; ++transaction) {
        const TransactionNumber before = transaction - 1;
        all[transaction] = std::make_shared<const std::uint64_t>(transaction);
        value.reserve({before, before, before});
        value.set(transaction, all[transaction]);
        CHECK(kept(all) <= 3);
    }
}

}  // namespace braid::test
