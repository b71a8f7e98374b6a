#include "engine/engine.h"
#include "tests/engine/store_fixture.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

TEST_CASE("the log's next file is filled as this one is used, and whole before it is full") {
    sim::SimDisk disk(1);
    Options options = default_options();
    options.large_body_bytes = 0;
    const auto engine = must(Engine::open(disk.borrow(), options, Engine::Threads::none));
    const auto queue = must(disk.make_queue(8, nullptr));
    const auto filled = [&] {
        return disk.exists("log.new") ? disk.contents("log.new").size() : 0;
    };
    const auto settle = [&] {
        for (int i = 0; i < 256; ++i) engine->step_log(*queue);
    };
    const auto append = [&](std::size_t bytes) {
        TransactionBody body(engine->options());
        body.append("sp", "a", as_bytes(std::string(bytes, 'x')), {});
        must(engine->commit(body, Durability::buffered));
        settle();
    };
    settle();
    CHECK(filled() == 64 << 10);
    const std::uint64_t log_files = engine->stat().log_files;
    // The file in use has 2 MiB: the creation left one of 1 MiB.
    for (std::uint64_t before = filled(), i = 0; i < 3; ++i) {
        append(450 << 10);
        CHECK(filled() > before);
        before = filled();
        CHECK(engine->stat().log_files == log_files);
    }
    append(200 << 10);
    CHECK(engine->stat().log_files == log_files + 1);
    CHECK_FALSE(disk.exists("log.new"));
    must(engine->close());
}

TEST_CASE("a close leaves little log, though a large next file is half made") {
    sim::SimDisk disk(1);
    const auto engine = must(Engine::open(disk.borrow(), default_options(), Engine::Threads::none));
    const auto queue = must(disk.make_queue(8, nullptr));
    // Into the file of 8 MiB, where a third of the next one is made.
    while (!disk.exists("log.new") || disk.contents("log.new").size() < 5 << 20 ||
           engine->stat().log_bytes < 8 << 20) {
        TransactionBody body(engine->options());
        body.append("sp", "a", as_bytes(std::string(100 << 10, 'x')), {});
        must(engine->commit(body, Durability::buffered));
        for (int i = 0; i < 16; ++i) engine->step_log(*queue);
    }
    must(engine->close());
    CHECK_FALSE(disk.exists("log.new"));
    std::uint64_t log_bytes = 0;
    for (const std::string& name : disk.names())
        if (name.starts_with("log-")) log_bytes += disk.contents(name).size();
    CHECK(log_bytes <= 4 << 20);
}

}  // namespace
}  // namespace braid::test
