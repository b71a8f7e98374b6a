// What a failed log write or flush means, and what it doesn't.
#include <doctest/doctest.h>

#include "tests/faults/sim_store.h"

namespace braid::faults {
namespace {

using Texts = std::vector<std::string>;

sim::Fault log_write_fails(std::int64_t error) {
    return {.call = sim::Call::write, .result = error, .file = "log-0002"};
}

/// A store that served "first", and whose log fails with two commits under way and one waiting.
struct Failed {
    SimStore store;
    std::vector<SimStore::Answer> answers;
    std::unique_ptr<ReaderBody> follower;

    Failed() {
        REQUIRE(store.append("first"));
        EntryBounds durable;
        durable.level = Level::durable;
        follower = store.engine().read_spaces(std::nullopt, durable);
        REQUIRE(follower->follow(0) != nullptr);
        REQUIRE(store.append("buffered", Durability::buffered));
        store.disk().fail(log_write_fails(-EIO));
        for (const char* text : {"second", "third", "fourth"}) {
            answers.push_back(store.append_async(text));
            if (answers.size() < 3) store.step_log();
        }
        for (int i = 0; i < 100; ++i) store.step_log();
    }
};

}  // namespace

TEST_CASE("failed log: everybody who waits is told unknown_outcome (rule 12)") {
    Failed failed;
    for (const auto& answer : failed.answers) {
        REQUIRE(answer->has_value());
        CHECK(code_of(**answer) == Errc::unknown_outcome);
        CHECK((*answer)->error().system_error() == EIO);
    }
}

TEST_CASE("failed log: later commits fail at once, though the disk is sound again (rules 12, 13)") {
    Failed failed;
    const std::uint64_t writes = failed.store.disk().calls(sim::Call::write);
    for (int i = 0; i < 10; ++i) {
        CHECK(code_of(failed.store.append("later")) == Errc::failed);
        CHECK(code_of(failed.store.append("later", Durability::buffered)) == Errc::failed);
        CHECK(code_of(**failed.store.append_async("later")) == Errc::failed);
        CHECK(code_of(failed.store.engine().sync()) == Errc::failed);
        failed.store.step_log();
    }
    CHECK(failed.store.disk().calls(sim::Call::write) == writes);
}

TEST_CASE("failed log: what was committed is served, and followers stay at what is durable") {
    Failed failed;
    CHECK(failed.store.texts() == Texts{"first", "buffered"});
    CHECK(failed.store.texts(Level::durable) == Texts{"first"});
    CHECK(failed.follower->follow(0) == nullptr);
    CHECK(failed.follower->cursor() == 1);
    CHECK(failed.store.engine().watermarks().durable() == 1);
}

TEST_CASE("failed log: reopening decides by the frames, wholly one way or the other (rule 14)") {
    std::size_t absent = 0;
    std::size_t present = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SimStore store(std::make_unique<sim::SimDisk>(seed));
        REQUIRE(store.append("first"));
        store.disk().fail(log_write_fails(-EIO));
        CHECK(code_of(store.append("doubtful")) == Errc::unknown_outcome);
        for (auto& found : {store.disk().clone(), store.disk().after_crash(seed)}) {
            const Texts texts = SimStore::texts_on(found->clone());
            const bool there = texts == Texts{"first", "doubtful"};
            CHECK((there || texts == Texts{"first"}));
            (there ? present : absent) += 1;
        }
    }
    CHECK(absent > 0);
    CHECK(present > 0);
}

TEST_CASE("failed log: what a reopening has served is there after a power loss (rule 12)") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SimStore store(std::make_unique<sim::SimDisk>(seed));
        REQUIRE(store.append("first"));
        store.disk().fail(log_write_fails(-EIO));
        CHECK(code_of(store.append("doubtful")) == Errc::unknown_outcome);
        SimStore again(store.disk().clone());
        const Texts served = again.texts();
        CHECK(SimStore::texts_on(again.disk().after_crash(seed)) == served);
    }
}

TEST_CASE("failed log: a ring's cancelled or short write is no success (rule 17)") {
    for (const std::int64_t result : {std::int64_t{-ECANCELED}, std::int64_t{0}}) {
        SimStore store;
        REQUIRE(store.append("first"));
        store.disk().fail(log_write_fails(result));
        const auto answer = store.append_async("second");
        for (int i = 0; i < 100; ++i) store.step_log();
        CHECK(code_of(**answer) == Errc::unknown_outcome);
        CHECK(store.texts() == Texts{"first"});
    }
    SimStore store;
    REQUIRE(store.append("first"));
    store.disk().fail(log_write_fails(512));
    const auto answer = store.append_async(std::string(5000, 'x'));
    for (int i = 0; i < 100; ++i) store.step_log();
    CHECK((*answer)->has_value());
    CHECK(SimStore::texts_on(store.disk().after_crash(1)).size() == 2);
}

}  // namespace braid::faults
