#include <future>

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
    // The file in use has 2 MiB, and the creation left one of 1 MiB, which is used next.
    settle();
    CHECK(filled() == 0);
    const std::uint64_t log_files = engine->stat().log_files;
    for (int i = 0; i < 40 && filled() == 0; ++i) append(100 << 10);
    for (std::uint64_t before = filled(), i = 0; i < 3; ++i) {
        append(200 << 10);
        CHECK(filled() > before);
        before = filled();
        CHECK(engine->stat().log_files == log_files);
    }
    append(100 << 10);
    CHECK(engine->stat().log_files == log_files + 1);
    CHECK_FALSE(disk.exists("log.new"));
    must(engine->close());
}

TEST_CASE("as long as drains keep pace the log stays much smaller than it may be") {
    sim::SimDisk disk(1);
    Options options = default_options();
    options.log_file_bytes = 4 << 20;
    options.log_bytes_max = 64 << 20;
    options.tail_bytes_max = 64 << 20;
    options.large_body_bytes = 0;
    const auto engine = must(Engine::open(disk.borrow(), options, Engine::Threads::none));
    const auto queue = must(disk.make_queue(8, nullptr));
    std::uint64_t largest = 0;
    bool drains = true;
    const auto commit = [&](int megabytes) {
        for (int i = 0; i < megabytes; ++i) {
            TransactionBody body(engine->options());
            body.append("sp", "a", as_bytes(std::string(1 << 20, 'x')), {});
            must(engine->commit(body, Durability::durable));
            for (int step = 0; step < 64; ++step) engine->step_log(*queue);
            if (drains && engine->wants_drain()) must(engine->drain());
            largest = std::max(largest, engine->stat().log_bytes);
        }
    };
    commit(50);
    CHECK(largest <= 20 << 20);  // an eighth, the file in use and the next
    drains = false;
    commit(24);
    CHECK(engine->stat().log_bytes >= 24 << 20);
    must(engine->close());
}

TEST_CASE("whoever is far ahead of the log waits for a part of what isn't written, not for all") {
    sim::SimDisk disk(1);
    Options options = default_options();
    options.log_file_bytes = 64 << 10;
    options.log_bytes_max = 64 << 20;
    const auto engine = must(Engine::open(disk.borrow(), options, Engine::Threads::none));
    std::uint64_t least = no_limit;  // unwritten when something had just been written
    std::uint64_t most = 0;
    Position durable = 0;
    for (int i = 0; i < 4000; ++i) {
        TransactionBody body(engine->options());
        body.append("sp", "a", as_bytes(std::string(1000, 'x')), {});
        must(engine->commit(body, Durability::buffered));
        const Watermarks& marks = engine->watermarks();
        const std::uint64_t unwritten = marks.committed() - marks.durable();
        most = std::max(most, unwritten);
        if (std::exchange(durable, marks.durable()) != marks.durable())
            least = std::min(least, unwritten);
    }
    // Eight files of some 60 commits may be unwritten.
    CHECK(most > 400);
    CHECK(most < 600);
    CHECK(least > 350);
    must(engine->close());
}

TEST_CASE(
    "a buffered commit in a callback doesn't wait for the log, which its own thread may write") {
    Options options = default_options();
    options.large_body_bytes = 0;
    options.tail_bytes_max = 4 << 20;
    StoreFixture store(options);
    for (int i = 0; i < 4; ++i) {
        std::promise<bool> committed;  // by the log thread: nobody else waits
        auto first = store->begin();
        first.append("sp", "a", "x");
        first.commit_async([&](const Result<Receipt>&) {
            auto transaction = store->begin();
            transaction.append("sp", "b", std::string(1100 << 10, 'x'));  // so the log is behind
            committed.set_value(transaction.commit(Durability::buffered).has_value());
        });
        CHECK(committed.get_future().get());
        must(store->drain());
    }
}

TEST_CASE("a close leaves little log, though a large next file is half made") {
    sim::SimDisk disk(1);
    Options options = default_options();
    options.large_body_bytes = 0;
    const auto engine = must(Engine::open(disk.borrow(), options, Engine::Threads::none));
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
