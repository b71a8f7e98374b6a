#include <chrono>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "tests/engine/store_fixture.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

using namespace std::chrono_literals;

void check_batches(const Metrics& metrics, std::uint64_t commits) {
    CHECK(metrics.commits == commits);
    CHECK(metrics.batch_transactions.sum() == commits);
    for (const Histogram* histogram : {&metrics.batch_bytes, &metrics.batch_transactions,
                                       &metrics.flush_ns, &metrics.batch_wait_ns})
        CHECK(histogram->count() == metrics.batches);
    CHECK(metrics.batch_bytes.sum() < metrics.log_bytes_written);
    // A batch is opened before it is submitted.
    CHECK(metrics.batch_wait_ns.sum() >= metrics.flush_ns.sum());
    CHECK(metrics.pending_bytes == 0);
}

TEST_CASE("metrics of commits by several threads at all durabilities add up") {
    with_every_size([](StoreFixture& fixture) {
        constexpr std::uint64_t threads = 4;
        constexpr std::uint64_t commits = sanitized ? 50 : 300;
        std::vector<std::thread> committers;
        for (std::uint64_t thread = 0; thread < threads; ++thread)
            committers.emplace_back([&fixture, thread] {
                for (std::uint64_t i = 1; i <= commits; ++i) {
                    const auto level = i % 3 == 0 ? Durability::durable : Durability::buffered;
                    const auto segment = segment_name(thread);
                    if (!append_range(*fixture, "sp", segment, i, i, level)) return;
                }
            });
        for (std::thread& committer : committers) committer.join();
        must(fixture->sync());
        const Metrics before = fixture->metrics();
        check_batches(before, threads * commits);
        must(fixture->drain());
        const Metrics after = fixture->metrics();
        CHECK(after.undrained_count == 0);
        CHECK(after.batches == before.batches);
    });
}

TEST_CASE("metrics tell what is pending and what is not drained") {
    sim::SimDisk disk(1);
    Options options = default_options();
    options.flush_interval = 1h;
    auto engine = must(Engine::open(disk.borrow(), options, Engine::Threads::none));
    TransactionBody body(engine->options());
    body.append("sp", "a", as_bytes("one"), {});
    body.append("sp", "a", as_bytes("two"), {});
    must(engine->commit(body, Durability::buffered));
    const Metrics buffered = engine->metrics();
    CHECK(buffered.pending_bytes > 6);
    CHECK(buffered.tail_bytes >= buffered.pending_bytes);
    CHECK(buffered.undrained_count == 2);
    CHECK(buffered.batch_bytes.count() == 0);
    must(engine->sync());
    const Metrics durable = engine->metrics();
    CHECK(durable.pending_bytes == 0);
    CHECK(durable.undrained_count == 2);
    CHECK(durable.batch_bytes.sum() == buffered.pending_bytes);
    CHECK(durable.batch_transactions.max() == 1);
    must(engine->drain());
    CHECK(engine->metrics().undrained_count == 0);
    must(engine->close());
}

}  // namespace
}  // namespace braid::test
