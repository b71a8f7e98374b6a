// What drains and gatherings leave in the page cache.
#include <set>

#include "engine/engine.h"
#include "tests/engine/store_fixture.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

using io::WriteMode;

constexpr std::uint64_t ms = 1'000'000;
constexpr std::size_t mib = 1 << 20;

using Modes = std::set<WriteMode>;
const Modes cached{WriteMode::cached};
const Modes uncached{WriteMode::uncached};

class TimedDrains {
public:
    TimedDrains() {
        disk_.on_change([this](const sim::Change& change) {
            if (change.call != sim::Call::write) return;
            if (change.file.starts_with("pack-")) of_packs_.insert(change.mode);
            if (change.file.starts_with("segment-")) of_pieces_.insert(change.mode);
        });
        Options options = default_options();
        options.piece_bytes_min = 64 << 10;
        engine_ = must(Engine::open(disk_.borrow(), options, Engine::Threads::none));
    }
    ~TimedDrains() {
        static_cast<void>(engine_->close());
        engine_.reset();
    }
    TimedDrains(const TimedDrains&) = delete;
    TimedDrains& operator=(const TimedDrains&) = delete;

    void wait(std::uint64_t ns) { disk_.advance(ns); }
    /// How a pack and a piece with so many bytes are written.
    Modes drain(std::size_t bytes) {
        append("small", 10);
        append("large", bytes);
        of_packs_.clear();
        of_pieces_.clear();
        must(engine_->drain());
        CHECK(of_packs_ == of_pieces_);
        return of_packs_;
    }
    void fail_to_drain(std::size_t bytes) {
        append("large", bytes);
        disk_.fail({.call = sim::Call::sync});
        CHECK_FALSE(engine_->drain());
    }
    void drain_move() {
        TransactionBody body(engine_->options());
        body.set_consumer("billing", {}, 1, {});
        must(engine_->commit(body, Durability::durable));
        must(engine_->drain());
    }
    /// How the packs so far are put together, where their files say that they are cached or not.
    Modes gather(std::optional<bool> says_cached = std::nullopt) {
        disk_.say_cached(says_cached);
        of_packs_.clear();
        must(engine_->gather());
        return of_packs_;
    }

private:
    void append(std::string_view segment, std::size_t bytes) {
        TransactionBody body(engine_->options());
        for (; bytes > 1000; bytes -= 1000)
            body.append("sp", segment, as_bytes(std::string(1000, 'x')), {});
        body.append("sp", segment, as_bytes(std::string(bytes, 'x')), {});
        must(engine_->commit(body, Durability::durable));
    }

    sim::SimDisk disk_{1};
    Modes of_packs_;
    Modes of_pieces_;
    std::shared_ptr<Engine> engine_;
};

TEST_CASE("what comes fast isn't kept in the page cache by its drain") {
    TimedDrains drains;
    CHECK(drains.drain(8 * mib) == cached);  // the first one
    drains.wait(10 * ms);
    CHECK(drains.drain(mib) == uncached);  // 100 MiB/s
    drains.wait(100 * ms);
    CHECK(drains.drain(mib) == cached);  // 10 MiB/s
    drains.wait(100 * ms);
    CHECK(drains.drain(8 * mib) == uncached);
    drains.wait(1000 * ms);
    CHECK(drains.drain(8 * mib) == cached);
    // Some three days of microseconds, times 64 MiB, are more than 64 bits hold.
    drains.wait(274'877'907 * ms);
    CHECK(drains.drain(8 * mib) == cached);
}

TEST_CASE("how fast frames came counts from the last drain that had any") {
    TimedDrains drains;
    drains.drain(mib);
    drains.drain(mib);
    drains.wait(1000 * ms);
    SUBCASE("and not from one that failed") {
        drains.fail_to_drain(8 * mib);
    }
    SUBCASE("and not from a gathering") {
        CHECK(drains.gather() == cached);
    }
    SUBCASE("and not from a move of a consumer") {
        drains.drain_move();
    }
    CHECK(drains.drain(mib) == cached);
}

TEST_CASE("a gathered pack is kept in the page cache if the packs before were there") {
    TimedDrains drains;
    const auto drain_twice = [&] {
        for (int i = 0; i < 2; ++i) drains.drain(100'000);
    };
    drain_twice();
    CHECK(drains.gather(true) == cached);
    drain_twice();
    CHECK(drains.gather(false) == uncached);
    drain_twice();
    CHECK(drains.gather() == cached);
}

}  // namespace
}  // namespace braid::test
