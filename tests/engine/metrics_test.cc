#include <unistd.h>

#include <atomic>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "engine/engine.h"
#include "tests/engine/store_fixture.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

using namespace std::chrono_literals;

Options with_metrics(std::chrono::milliseconds interval) {
    Options options = default_options();
    options.metrics_interval = interval;
    return options;
}

std::string metrics_path(const StoreFixture& fixture) {
    return fixture.directory() + "/metrics.json";
}

/// What the file holds; throws where it isn't JSON.
boost::json::object read_file(const StoreFixture& fixture) {
    std::ifstream stream(metrics_path(fixture));
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    return boost::json::parse(text).as_object();
}

std::uint64_t number(const boost::json::object& json, std::string_view key) {
    return json.at(key).to_number<std::uint64_t>();
}

/// Yields until the store has replaced the file so that this holds, or for long enough to call it
/// failed.
template <class Condition>
bool comes_true(const Condition& condition) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::yield();
    }
    return true;
}

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
    // Nobody asked for the file.
    CHECK_FALSE(disk.open("metrics.json", {}));
    CHECK_FALSE(disk.open("metrics.json.new", {}));
}

TEST_CASE("metrics tell that buffered commits were slowed down, for drains to keep up") {
    Options options = default_options();
    options.tail_bytes_max = 8 << 20;
    options.large_body_bytes = 0;
    StoreFixture store(options);
    const std::string payload(64 << 10, 'x');
    CHECK(store->metrics().slowed_ns == 0);
    CHECK(comes_true([&] {
        for (int i = 0; i < 100; ++i)
            must(store->append("sp", "a", payload, {}, Durability::buffered));
        return store->metrics().slowed_ns != 0;
    }));
}

TEST_CASE("metrics.json appears, follows the store, and stays at the close and the reopening") {
    StoreFixture fixture(with_metrics(1ms));
    must_append(*fixture, "sp", "a", 1, 3);
    must_append(*fixture, "sp", "a", 4, 4);
    // A file written between a commit's numbers and its acknowledgement counts only its records.
    boost::json::object open;
    REQUIRE(comes_true([&] {
        if (!std::filesystem::exists(metrics_path(fixture))) return false;
        open = read_file(fixture);
        return number(open, "undrained_count") == 4 &&
               number(open.at("batch_transactions").as_object(), "sum") == 2;
    }));
    CHECK(number(open, "commits") == 2);
    CHECK(number(open, "records") == 4);
    CHECK(number(open, "pid") == static_cast<std::uint64_t>(::getpid()));
    CHECK(number(open, "written") > 0);
    CHECK_FALSE(open.at("closed").as_bool());
    CHECK(fixture->stat().unknown_files.empty());
    CHECK(fixture->verify()->unknown_files.empty());
    fixture.close();
    const boost::json::object closed = read_file(fixture);
    CHECK(closed.at("closed").as_bool());
    CHECK(number(closed, "commits") == 2);
    CHECK(number(closed, "undrained_count") == 0);
    CHECK(number(closed, "written") >= number(open, "written"));
    fixture.open();
    REQUIRE(comes_true([&] { return !read_file(fixture).at("closed").as_bool(); }));
    CHECK(number(read_file(fixture), "commits") == 0);
    CHECK(sequences(entries(fixture->read_all())) == numbers(1, 4));
}

TEST_CASE("metrics.json goes on being written while commits keep the drain busy, by threads") {
    Options options = small_options();
    options.metrics_interval = 1ms;
    StoreFixture fixture(options);
    std::atomic<bool> stop{false};
    std::atomic<bool> failed{false};
    std::thread committer([&] {
        for (std::uint64_t i = 1; !stop; ++i)
            if (!append_range(*fixture, "sp", "a", i, i)) failed = stop = true;
    });
    for (std::uint64_t seen = 0, round = 0; round < 20; ++round) {
        const bool grew = comes_true([&] {
            if (failed || !std::filesystem::exists(metrics_path(fixture))) return failed.load();
            const std::uint64_t drained = number(read_file(fixture), "drained_bytes");
            return drained > std::exchange(seen, std::max(seen, drained));
        });
        CHECK(grew);
        if (!grew) break;
    }
    stop = true;
    committer.join();
    CHECK_FALSE(failed);
}

TEST_CASE("metrics.json isn't written where the option is off, nor by who only reads") {
    StoreFixture fixture;
    must_append(*fixture, "sp", "a", 1, 3);
    fixture.reopen();
    fixture.close();
    CHECK_FALSE(std::filesystem::exists(metrics_path(fixture)));
    Options options = with_metrics(1ms);
    options.create = false;
    options.read_only = true;
    must(must(Store::open(fixture.directory(), options)).close());
    CHECK_FALSE(std::filesystem::exists(metrics_path(fixture)));
    options = with_metrics(-1ms);
    CHECK(code(Store::open(fixture.directory(), options)) == Errc::invalid_argument);
}

TEST_CASE("metrics.json damaged, half written or left over is the store's, and disturbs nothing") {
    StoreFixture fixture;
    must_append(*fixture, "sp", "a", 1, 3);
    fixture.close();
    std::ofstream(metrics_path(fixture)) << "{\"written\":1";
    std::ofstream(metrics_path(fixture) + ".new") << "";
    fixture.open();
    CHECK(fixture->stat().unknown_files.empty());
    const auto report = must(fixture->verify());
    CHECK(report.unknown_files.empty());
    CHECK(report.damages.empty());
    CHECK(sequences(entries(fixture->read_all())) == numbers(1, 3));
    fixture.close();
    CHECK(std::filesystem::file_size(metrics_path(fixture)) == 12);
    const auto repaired = must(repair(fixture.directory(), {}));
    CHECK(repaired.changes.empty());
    CHECK(repaired.kept.empty());
    CHECK(std::filesystem::file_size(metrics_path(fixture)) == 12);
}

TEST_CASE("metrics.json alone doesn't make a directory a store's") {
    TemporaryDirectory directory;
    std::ofstream(directory.path() + "/metrics.json") << "{}";
    CHECK(code(Store::open(directory.path(), default_options())) == Errc::invalid_argument);
}

TEST_CASE("metrics.json that can't be written is no error") {
    for (const sim::Call call : {sim::Call::open, sim::Call::write, sim::Call::rename}) {
        sim::SimDisk disk(1);
        auto engine = must(Engine::open(disk.borrow(), with_metrics(1s), Engine::Threads::none));
        disk.fail({.call = call, .onwards = true, .file = "metrics.json.new"});
        must(engine->close());
        CHECK_FALSE(disk.open("metrics.json", {}));
    }
}

}  // namespace
}  // namespace braid::test
