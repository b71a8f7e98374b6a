// Leases beside the model. They last longer than a run: no answer depends on a clock.
#include "tests/engine/model_run.h"

namespace braid::test {
namespace {

constexpr std::chrono::hours lasting{1};

}  // namespace

/// The newest token of a random key, or, now and then, another one.
std::pair<std::string, std::uint64_t> ModelRun::random_token(Random& random) const {
    const std::string key = fmt::format("k{}", random.below(3));
    const auto known = model_.leases().find(key);
    const std::uint64_t token = known == model_.leases().end() ? 0 : known->second.token;
    return {key, random.percent(85) ? token : random.below(model_.last_transaction() + 2)};
}

void ModelRun::change_lease(Random& random) {
    const std::uint64_t kind = random.below(3);
    if (kind == 0) return acquire_lease(random);
    const auto [key, token] = random_token(random);
    const bool holds = model_.holds(key, token);
    tell("{} {} with token {}", kind == 1 ? "renew" : "release", key, token);
    const Result<void> result =
        kind == 1 ? store_->renew_lease(key, token) : store_->release_lease(key, token);
    if (!holds) return check(code(result) == Errc::conflict, "an old token is good");
    if (!result) throw Mismatch("the newest token got: " + result.error().message());
    if (kind == 2) model_.release_lease(key);
}

void ModelRun::acquire_lease(Random& random) {
    const std::string key = fmt::format("k{}", random.below(3));
    const std::string holder = random.percent(50) ? "ann" : "bob";
    tell("acquire {} for {}", key, holder);
    const auto lease = store_->acquire_lease(key, holder, lasting);
    const auto known = model_.leases().find(key);
    if (known != model_.leases().end() && known->second.holder != holder)
        return check(code(lease) == Errc::conflict, "a lease that somebody else holds");
    if (!lease) throw Mismatch("a free lease got: " + lease.error().message());
    check(lease->token.value == model_.grant_lease(key, holder), "the token of a new lease");
}

void ModelRun::compare_leases() {
    const auto leases = store_->leases();
    check(leases && leases->size() == model_.leases().size(), "the number of leases");
    auto expected = model_.leases().begin();
    for (const Lease& lease : *leases) {
        check(lease.key == expected->first && lease.holder == expected->second.holder &&
                  lease.token.value == expected->second.token && lease.ttl == lasting &&
                  lease.left > lease.left.zero(),
              "the lease of " + expected->first);
        ++expected;
    }
}

}  // namespace braid::test
