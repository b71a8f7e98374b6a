#include "engine/engine.h"
#include "tests/engine/store_fixture.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

TEST_CASE("a durable commit alone is one write that makes itself durable") {
    sim::SimDisk disk(1);
    const auto engine = must(Engine::open(disk.borrow(), default_options(), Engine::Threads::none));
    const auto queue = must(disk.make_queue(8, nullptr));
    while (engine->step_log(*queue)) continue;
    for (int i = 0; i < 10; ++i) {
        CAPTURE(i);
        const auto calls = [&] {
            return std::array{disk.calls(sim::Call::write), disk.calls(sim::Call::sync),
                              disk.calls(sim::Call::sync_directory), disk.calls(sim::Call::open),
                              disk.calls(sim::Call::read)};
        };
        auto expected = calls();
        ++expected[0];
        TransactionBody body(engine->options());
        body.append("sp", i % 2 == 0 ? "a" : "b", as_bytes("payload"), {});
        must(engine->commit(body, Durability::durable));
        CHECK(calls() == expected);
    }
    must(engine->close());
}

}  // namespace
}  // namespace braid::test
