#include "wal/log_files.h"

#include "tests/wal/log_user.h"

namespace braid::wal::test {
namespace {

constexpr LogSizes sizes{16384, 65536, 200000};

LogFiles::Taken taken(LogFiles& files, std::uint64_t capacity) {
    auto file = files.take(capacity);
    REQUIRE(file);
    return std::move(*file);
}

TEST_CASE("log files: a new file is whole zeros and durable with its name") {
    sim::SimDisk disk;
    LogFiles files(disk, sizes, {});
    const auto file = taken(files, 20000);
    CHECK(file.slot == 1);
    CHECK(file.capacity == 20480);
    const auto after = disk.power_loss_now(7);
    CHECK(after->names() == std::vector<std::string>{"log-0001"});
    CHECK(after->contents("log-0001") == std::vector<std::byte>(20480));
}

TEST_CASE("log files: a crash while one is made leaves no short log file") {
    for (std::uint64_t seed = 1; seed < 20; ++seed) {
        sim::SimDisk disk;
        disk.on_change([&](const sim::Change&) {
            const auto after = disk.after_crash(seed);
            REQUIRE_FALSE(replay(*after).error);
            if (after->exists("log-0001")) CHECK(after->contents("log-0001").size() == 16384);
        });
        LogFiles files(disk, sizes, {});
        (void)taken(files, 16384);
    }
}

TEST_CASE("log files: files grow from the first size to the largest by doubling") {
    sim::SimDisk disk;
    LogFiles files(disk, {16384, 65536, 1 << 20}, {});
    for (const std::uint64_t expected : {16384, 32768, 65536, 65536}) {
        CHECK(files.next_capacity() == expected);
        (void)taken(files, files.next_capacity());
    }
}

TEST_CASE("log files: from 4 MiB on they grow only when that is asked for") {
    constexpr std::uint64_t mib = 1 << 20;
    sim::SimDisk disk;
    LogFiles files(disk, {mib, 16 * mib, 64 * mib}, {});
    for (const std::uint64_t expected : {mib, 2 * mib, 4 * mib, 4 * mib}) {
        CHECK(files.next_capacity() == expected);
        (void)taken(files, files.next_capacity());
    }
    CHECK(files.larger_capacity() == 8 * mib);
    (void)taken(files, files.larger_capacity());
    CHECK(files.next_capacity() == 8 * mib);
    (void)taken(files, files.larger_capacity());
    CHECK(files.larger_capacity() == 16 * mib);
}

TEST_CASE("log files: a free one spares a new one, unless it is much smaller than the largest") {
    sim::SimDisk disk;
    LogFiles files(disk, {16384, 16384 << 4, 1 << 20}, {});
    for (const std::uint64_t capacity : {16384, 32768, 65536, 131072}) (void)taken(files, capacity);
    CHECK(files.free_capacity() == 0);
    for (std::uint32_t slot = 1; slot <= 4; ++slot) files.finished(slot, slot);
    files.drained(1);
    CHECK(files.free_capacity() == 0);  // an eighth of the largest
    files.drained(2);
    CHECK(files.free_capacity() == 32768);
    files.drained(4);
    CHECK(files.free_capacity() == 131072);
    // One that was made for a large transaction is none for others.
    CHECK(taken(files, 16384 << 5).slot == 5);
    files.finished(5, 5);
    files.drained(5);
    CHECK(files.free_capacity() == 131072);
}

TEST_CASE("log files: the first size is at most the largest") {
    sim::SimDisk disk;
    LogFiles files(disk, {1 << 20, 16384, 1 << 20}, {});
    CHECK(files.next_capacity() == 16384);
}

TEST_CASE("log files: a drained slot is used again, the smallest that will do") {
    sim::SimDisk disk;
    LogFiles files(disk, sizes, {});
    (void)taken(files, 65536);
    (void)taken(files, 16384);
    files.finished(1, 10);
    files.finished(2, 20);
    files.drained(9);
    CHECK(taken(files, 16384).slot == 3);
    files.drained(20);
    CHECK(taken(files, 16384).slot == 2);
    CHECK(taken(files, 16384).slot == 1);
}

TEST_CASE("log files: the bound counts every slot") {
    sim::SimDisk disk;
    LogFiles files(disk, {16384, 65536, 65536 + 16384}, {});
    files.drained(0);
    (void)taken(files, 65536);
    CHECK(files.total_bytes() == 65536);
    CHECK_FALSE(files.has_room(32768));
    CHECK(files.take(32768).error().code() == Errc::no_space);
    CHECK(files.has_room(16384));
    auto small = taken(files, 16384);
    CHECK_FALSE(files.has_room(16384));
    files.put_back(std::move(small));
    CHECK(files.has_room(16384));
    CHECK(disk.names().size() == 2);
}

TEST_CASE("log files: a free slot that is too small makes room") {
    sim::SimDisk disk;
    LogFiles files(disk, {16384, 65536, 65536}, {});
    files.drained(0);
    files.put_back(taken(files, 16384));
    CHECK(files.has_room(65536));
    CHECK(taken(files, 65536).capacity == 65536);
    CHECK(files.count() == 1);
    CHECK(disk.names().size() == 1);
}

TEST_CASE("log files: one made for a large transaction isn't kept") {
    sim::SimDisk disk;
    LogFiles files(disk, sizes, {});
    (void)taken(files, 131072);
    CHECK(files.next_capacity() == 65536);
    files.finished(1, 1);
    files.drained(1);
    CHECK(taken(files, 16384).capacity == 16384);
    CHECK(files.count() == 1);
}

TEST_CASE(
    "log files: one made in steps appears when it is whole, and a drained one is taken first") {
    sim::SimDisk disk;
    LogFiles files(disk, sizes, {});
    auto used = taken(files, 16384);
    for (const std::uint64_t filled : {8192, 16384, 24576}) {
        const auto none = files.take_some(32768, 8192);
        REQUIRE(none);
        CHECK_FALSE(none->has_value());
        CHECK(files.filled() == filled);
        CHECK(files.count() == 1);
        CHECK(disk.names() == std::vector<std::string>{"log-0001", "log.new"});
    }
    // Smaller than what has been begun, so nothing is begun anew; and free ones come first.
    files.finished(used.slot, 1);
    files.drained(1);
    CHECK((*files.take_some(16384, 8192))->slot == 1);
    CHECK(files.filled() == 24576);
    CHECK((*files.take_some(16384, 8192))->capacity == 32768);
    CHECK(files.filled() == 0);
    const auto after = disk.power_loss_now(7);
    CHECK(after->contents("log-0002") == std::vector<std::byte>(32768));
}

TEST_CASE("log files: what isn't whole gives way to a larger one, to a failure and to the close") {
    sim::SimDisk disk;
    LogFiles files(disk, sizes, {});
    REQUIRE(files.take_some(16384, 8192));
    CHECK(taken(files, 32768).capacity == 32768);
    CHECK(files.filled() == 0);
    REQUIRE(files.take_some(16384, 8192));
    disk.fail({.call = sim::Call::write});
    CHECK(files.take_some(16384, 8192).error().code() == Errc::io);
    CHECK(disk.names() == std::vector<std::string>{"log-0001"});
    REQUIRE(files.take_some(16384, 8192));
    REQUIRE(files.trim(0));
    CHECK(disk.names() == std::vector<std::string>{"log-0001"});
}

TEST_CASE("log files: a failure leaves nothing behind") {
    for (const sim::Call call : {sim::Call::open, sim::Call::write, sim::Call::sync,
                                 sim::Call::rename, sim::Call::sync_directory}) {
        CAPTURE(static_cast<int>(call));
        sim::SimDisk disk;
        LogFiles files(disk, sizes, {});
        disk.fail({.call = call});
        CHECK(files.take(16384).error().code() == Errc::io);
        CHECK(disk.names().empty());
        CHECK(files.count() == 0);
        CHECK(taken(files, 16384).slot == 1);
    }
}

TEST_CASE("log files: a full disk is no_space, and a later try works") {
    sim::SimDisk disk;
    LogFiles files(disk, sizes, {});
    disk.set_capacity(10000);
    CHECK(files.take(16384).error().code() == Errc::no_space);
    CHECK(disk.names().empty());
    disk.set_capacity(1 << 20);
    CHECK(files.take(16384));
}

TEST_CASE("log files: trim leaves one spare of the size that is allowed") {
    sim::SimDisk disk;
    LogFiles files(disk, {16384, 65536, 1 << 20}, {});
    std::vector<LogFiles::Taken> all;
    for (const std::uint64_t capacity : {16384, 32768, 65536, 16384}) {
        all.push_back(taken(files, capacity));
    }
    const std::uint32_t kept = all.back().slot;
    all.pop_back();
    for (auto& file : all) files.put_back(std::move(file));
    REQUIRE(files.trim(40000));
    CHECK(disk.names() == std::vector<std::string>{"log-0002", log_name(kept)});
}

TEST_CASE("log files: the newest file of a scan is out of reach until the new one is begun") {
    sim::SimDisk disk;
    {
        LogUser log(disk);
        REQUIRE(log.open());
        REQUIRE(log.append());
    }
    const Replay found = replay(disk, 1);
    REQUIRE(found.scan.slots.size() == 1);
    CHECK_FALSE(found.scan.slots[0].needed);
    LogFiles files(disk, small_sizes, found.scan.slots);
    CHECK(taken(files, file_bytes).slot == 2);
    files.drained(1);
    CHECK(taken(files, file_bytes).slot == 1);
}

TEST_CASE("log files: an opening removes nothing before it has begun its file") {
    sim::SimDisk disk;
    {
        LogFiles files(disk, sizes, {});
        (void)taken(files, 16384);
        (void)taken(files, 131072);
    }
    LogFiles files(disk, sizes, {{1, 16384, 4, 9, true, true}, {2, 131072, 3, 5, false, false}});
    CHECK(taken(files, 16384).slot == 2);
    CHECK(disk.exists("log-0002"));
    files.finished(2, 10);
    files.drained(10);
    CHECK(taken(files, 16384).slot == 1);
    CHECK_FALSE(disk.exists("log-0002"));
}

TEST_CASE("log files: a full log can still be opened") {
    sim::SimDisk disk;
    const LogSizes tight{file_bytes, file_bytes, 2 * file_bytes};
    {
        LogUser log(disk, 0, tight);
        REQUIRE(log.open());
        for (int i = 0; i < 4; ++i) REQUIRE(log.append());
        CHECK(log.append().error().code() == Errc::no_space);
    }
    LogUser again(disk, 0, tight);
    REQUIRE(again.open());
    CHECK(again.replayed == through(4));
    CHECK(again.files->total_bytes() == 3 * file_bytes);
    again.drain(4);
    REQUIRE(again.files->trim(0));
    CHECK(again.files->total_bytes() == file_bytes);
}

}  // namespace
}  // namespace braid::wal::test
