#include "wal/log_writer.h"

#include <fmt/format.h>

#include "tests/wal/log_user.h"

namespace braid::wal::test {
namespace {

TEST_CASE("log writer: batches are durable once their writes are back, and are replayed") {
    sim::SimDisk disk;
    LogUser log(disk);
    REQUIRE(log.open());
    REQUIRE(log.append(3));
    CHECK(log.writer->submitted_batches() == 1);
    CHECK(log.writer->durable_batches() == 1);
    REQUIRE(log.append(1, 3900));
    REQUIRE(log.append(2, 5000));
    CHECK(replay(*disk.power_loss_now(1)).transactions == through(6));
}

TEST_CASE("log writer: several in flight, in any order, are durable in order") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        CAPTURE(seed);
        sim::SimDisk disk(seed);
        LogUser log(disk, 0,
                    {std::uint64_t{1} << 20, std::uint64_t{1} << 20, std::uint64_t{8} << 20});
        REQUIRE(log.open());
        for (int i = 0; i < 40; ++i) {
            REQUIRE(log.submit(1, 100 + 500 * (i % 9)));
            CHECK(log.writer->in_flight() <= 4);
            const auto found = replay(*disk.after_crash(seed));
            REQUIRE_FALSE(found.error);
            CHECK(found.transactions.size() >= log.acked);
            CHECK(found.transactions == through(found.transactions.size()));
        }
        REQUIRE(log.settle());
        CHECK(log.writer->durable_batches() == 40);
        CHECK(log.acked == 40);
    }
}

TEST_CASE("log writer: after a failed write nothing more is written, and the rest is taken") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        sim::SimDisk disk(seed);
        LogUser log(disk, 0,
                    {std::uint64_t{1} << 20, std::uint64_t{1} << 20, std::uint64_t{8} << 20});
        REQUIRE(log.open());
        REQUIRE(log.append());
        disk.fail({.call = sim::Call::write, .nth = 2});
        for (int i = 0; i < 4; ++i) REQUIRE(log.submit());
        const auto settled = log.settle();
        REQUIRE_FALSE(settled);
        CHECK(settled.error().code() == Errc::io);
        CHECK(settled.error().message().find("batch") != std::string::npos);
        CHECK(settled.error().message().find("log-0001") != std::string::npos);
        CHECK(log.writer->in_flight() == 0);
        CHECK_FALSE(log.writer->ready());
        CHECK_FALSE(log.writer->wants_seal());
        CHECK(log.writer->durable_batches() < 5);
        const std::uint64_t before = disk.io_count();
        CHECK_FALSE(log.writer->step(*log.queue, true));
        log.writer->submit_seal(*log.queue);
        CHECK(disk.io_count() == before);
        const auto found = replay(*disk.power_loss_now(seed));
        REQUIRE_FALSE(found.error);
        CHECK(found.transactions.size() >= log.acked);
    }
}

TEST_CASE("log writer: a seal attests the last batch, once, and doesn't count as a batch") {
    sim::SimDisk disk;
    LogUser log(disk);
    REQUIRE(log.open());
    CHECK_FALSE(log.writer->wants_seal());
    REQUIRE(log.append());
    CHECK(replay(disk).scan.carried.size() == 1);
    CHECK(log.writer->wants_seal());
    REQUIRE(log.seal());
    CHECK_FALSE(log.writer->wants_seal());
    CHECK(log.writer->submitted_batches() == 1);
    CHECK(log.writer->durable_batches() == 1);
    const Replay found = replay(disk);
    CHECK(found.scan.carried.empty());
    CHECK(found.transactions == through(1));
}

TEST_CASE("log writer: the roll's block is set apart") {
    sim::SimDisk disk;
    LogUser log(disk);
    REQUIRE(log.open());
    CHECK(log.writer->room() == 8192);
    REQUIRE(log.append());
    REQUIRE(log.append());
    CHECK(log.writer->room() == 0);
    CHECK_FALSE(log.writer->wants_seal());
    REQUIRE(log.append());
    CHECK(log.files->count() == 2);
    CHECK(log.writer->slot() == 2);
    CHECK(replay(disk).transactions == through(3));
}

TEST_CASE("log writer: a roll waits for what is in flight and says which file it left") {
    sim::SimDisk disk;
    LogUser log(disk);
    REQUIRE(log.open());
    REQUIRE(log.submit());
    REQUIRE(log.submit());
    auto next = log.files->take(file_bytes);
    REQUIRE(next);
    std::vector<std::string> writes;
    disk.on_change([&](const sim::Change& change) {
        writes.push_back(fmt::format("{} {}", change.file, change.offset));
    });
    log.writer->roll(*log.queue, std::move(*next));
    CHECK_FALSE(log.writer->ready());
    std::optional<LogWriter::Left> left;
    while (log.writer->in_flight() != 0) {
        CHECK_FALSE(left);
        (void)log.writer->step(*log.queue, true);
        left = log.writer->take_left();
    }
    REQUIRE(left);
    CHECK(left->slot == 1);
    CHECK(left->last_transaction == 2);
    CHECK_FALSE(log.writer->take_left());
    CHECK(log.writer->ready());
    REQUIRE(writes.size() == 4);
    CHECK(writes[2] == "log-0002 0");
    CHECK(writes[3] == "log-0001 12288");
}

TEST_CASE("log writer: a roll whose writes fail leaves a log that scans to the same transactions") {
    for (const std::uint64_t nth : {1, 2}) {
        CAPTURE(nth);
        sim::SimDisk disk;
        LogUser log(disk);
        REQUIRE(log.open());
        REQUIRE(log.append());
        REQUIRE(log.append());
        auto next = log.files->take(file_bytes);
        REQUIRE(next);
        disk.fail({.call = sim::Call::write, .nth = nth});
        log.writer->roll(*log.queue, std::move(*next));
        CHECK_FALSE(log.settle());
        CHECK_FALSE(log.writer->ready());
        for (std::uint64_t seed = 1; seed < 20; ++seed) {
            const Replay found = replay(*disk.after_crash(seed));
            CHECK_FALSE(found.error);
            CHECK(found.transactions == through(2));
        }
    }
}

TEST_CASE("log writer: carried batches are durable before the header") {
    sim::SimDisk disk;
    {
        LogUser log(disk);
        REQUIRE(log.open());
        REQUIRE(log.submit());
        REQUIRE(log.submit());
        REQUIRE(log.settle());
    }
    std::vector<std::string> writes;
    disk.on_change([&](const sim::Change& change) {
        if (change.call == sim::Call::write && change.file == "log-0002") {
            writes.push_back(std::to_string(change.offset));
        }
    });
    LogUser again(disk);
    REQUIRE(again.open());
    CHECK(writes == std::vector<std::string>{"4096", "8192", "0"});
    CHECK(again.replayed == through(2));
    CHECK_FALSE(again.writer->wants_seal());
    CHECK(again.writer->submitted_batches() == 0);
    const Replay found = replay(disk);
    CHECK(found.transactions == through(2));
    CHECK(found.scan.carried.empty());
    CHECK(found.scan.incarnation == 2);
}

TEST_CASE("log writer: a file without room for the carried batches is refused") {
    sim::SimDisk disk;
    LogUser log(disk);
    REQUIRE(log.open());
    REQUIRE(log.append(1, 20000));
    const Replay found = replay(disk);
    REQUIRE(found.scan.carried.size() == 1);
    auto small = log.files->take(file_bytes);
    REQUIRE(small);
    const auto begun = LogWriter::begin(disk, store, found.scan, std::move(*small), 1);
    CHECK(begun.error().code() == Errc::invalid_argument);
    LogUser again(disk);
    REQUIRE(again.open());
    CHECK(again.replayed == through(1));
}

TEST_CASE("log writer: with calls of the caller's own thread it does the same") {
    sim::SimDisk disk;
    LogUser log(disk);
    REQUIRE(log.open());
    log.queue = io::make_blocking_queue();
    for (int i = 0; i < 10; ++i) REQUIRE(log.append());
    CHECK(replay(*disk.power_loss_now(3)).transactions == through(10));
}

}  // namespace
}  // namespace braid::wal::test
