#include "engine/engine.h"
#include "tests/engine/store_fixture.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

TEST_CASE("a drain begins when half of the memory is used and half of that is durable") {
    sim::SimDisk disk(1);
    Options options = default_options();
    options.tail_bytes_max = 1 << 20;
    options.arena_chunk_bytes = 64 << 10;
    const auto engine = must(Engine::open(disk.borrow(), options, Engine::Threads::none));
    const auto queue = must(disk.make_queue(8, nullptr));
    const auto append = [&](std::size_t bytes) {
        TransactionBody body(engine->options());
        body.append("sp", "a", as_bytes(std::string(bytes, 'x')), {});
        must(engine->commit(body, Durability::buffered));
    };
    const auto settle = [&] {
        while (engine->step_log(*queue)) continue;
    };
    const auto is_half_used = [&] { return engine->stat().tail_bytes > 512 << 10; };

    int durable = 0;
    for (; engine->stat().tail_bytes < 400 << 10; ++durable) append(5 << 10);
    settle();
    REQUIRE_FALSE(is_half_used());
    CHECK_FALSE(engine->wants_drain());  // all of it is durable, but it isn't half of the memory

    for (int i = 0; i <= durable; ++i) append(5 << 10);
    REQUIRE(is_half_used());
    CHECK_FALSE(engine->wants_drain());  // half of the memory, but less than half of it durable
    settle();
    CHECK(engine->wants_drain());
    must(engine->drain());
    CHECK_FALSE(engine->wants_drain());
    must(engine->close());
}

}  // namespace
}  // namespace braid::test
