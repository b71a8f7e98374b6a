// What drains and gatherings leave in the page cache.
#include <set>

#include "engine/engine.h"
#include "tests/engine/store_fixture.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

constexpr std::uint64_t ms = 1'000'000;

class TimedDrains {
public:
    TimedDrains() {
        disk_.advance(3'600'000 * ms);
        disk_.on_change([this](const sim::Change& change) {
            const bool is_drained =
                change.file.starts_with("pack-") || change.file.starts_with("segment-");
            if (change.call == sim::Call::write && is_drained) modes_.insert(change.mode);
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

    /// How a pack and a piece with so many bytes are written, so long after the drain before.
    std::set<io::WriteMode> drain_after(std::uint64_t ns, std::size_t bytes) {
        append("small", 10);
        append("large", bytes);
        disk_.advance(ns);
        modes_.clear();
        must(engine_->drain());
        return modes_;
    }

    /// How the packs so far are put together, where their files say that they are cached or not.
    std::set<io::WriteMode> gather_where(std::optional<bool> cached) {
        disk_.say_cached(cached);
        modes_.clear();
        must(engine_->gather());
        return modes_;
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
    std::set<io::WriteMode> modes_;
    std::shared_ptr<Engine> engine_;
};

TEST_CASE("what comes fast isn't kept in the page cache by its drain") {
    using io::WriteMode;
    TimedDrains drains;
    constexpr std::size_t mib = 1 << 20;
    CHECK(drains.drain_after(0, mib) == std::set{WriteMode::cached});          // the first one
    CHECK(drains.drain_after(10 * ms, mib) == std::set{WriteMode::uncached});  // 100 MiB/s
    CHECK(drains.drain_after(100 * ms, mib) == std::set{WriteMode::cached});   // 10 MiB/s
    CHECK(drains.drain_after(100 * ms, 8 * mib) == std::set{WriteMode::uncached});
    CHECK(drains.drain_after(1000 * ms, 8 * mib) == std::set{WriteMode::cached});
}

TEST_CASE("a gathered pack is kept in the page cache if the packs before were there") {
    using io::WriteMode;
    TimedDrains drains;
    const auto drain_twice = [&] {
        for (int i = 0; i < 2; ++i) drains.drain_after(1000 * ms, 1000);
    };
    drain_twice();
    CHECK(drains.gather_where(true) == std::set{WriteMode::cached});
    drain_twice();
    CHECK(drains.gather_where(false) == std::set{WriteMode::uncached});
    drain_twice();
    CHECK(drains.gather_where(std::nullopt) == std::set{WriteMode::cached});
}

}  // namespace
}  // namespace braid::test
