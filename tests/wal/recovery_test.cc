#include "wal/recovery.h"

#include "tests/wal/log_user.h"

// The names begin with the row of docs/recovery.md.

namespace braid::wal::test {
namespace {

using Disk = sim::SimDisk;

/// Transactions 1 to 5, one a batch: two in log-0001, two in log-0002, one in log-0003, all of one
/// opening.
void write_rolled(Disk& disk) {
    LogUser log(disk);
    REQUIRE(log.open());
    for (int i = 0; i < 5; ++i) REQUIRE(log.append());
}

/// One large file with `count` batches; each attests the ones before it.
void write_single(Disk& disk, int count) {
    LogUser log(disk, 0, {65536, 65536, 1 << 20});
    REQUIRE(log.open());
    for (int i = 0; i < count; ++i) REQUIRE(log.append());
}

void flip(Disk& disk, const std::string& name, std::uint64_t offset) {
    disk.flip_bit(name, offset * 8);
}

void check_error(Disk& disk, Errc code) {
    const Replay found = replay(disk);
    REQUIRE(found.error);
    CAPTURE(found.error->message());
    CHECK(found.error->code() == code);
}

void check_corrupt(Disk& disk, std::string_view name, std::string_view what,
                   std::uint64_t drained = 0) {
    const Replay found = replay(disk, drained);
    REQUIRE(found.error);
    CHECK(found.error->code() == Errc::corrupt);
    CAPTURE(found.error->message());
    CHECK(found.error->message().find(name) != std::string::npos);
    CHECK(found.error->message().find(what) != std::string::npos);
}

void check_replay(Disk& disk, std::uint64_t last, std::uint64_t drained = 0) {
    const Replay found = replay(disk, drained);
    CAPTURE(found.error ? found.error->message() : "");
    REQUIRE_FALSE(found.error);
    CHECK(found.transactions == through(last, drained));
}

/// Reads a log file's header, lets it be changed and writes it back, sound.
template <class Change>
void change_header(Disk& disk, const std::string& name, Change change) {
    auto header = decode_log_header(disk.contents(name), name);
    REQUIRE(header);
    change(**header);
    disk.replace(name, 0, encode_log_header(**header));
}

TEST_CASE("F1: a header that can't be read is an io error, never a torn tail") {
    Disk disk;
    write_rolled(disk);
    disk.fail({.call = sim::Call::read, .nth = 2});
    check_error(disk, Errc::io);
}

TEST_CASE("F2: a log file that isn't whole blocks is damage") {
    for (const std::uint64_t length : {0, 512, 4096, 16000}) {
        Disk disk;
        write_rolled(disk);
        disk.truncate("log-0003", length);
        check_corrupt(disk, "log-0003", std::to_string(length));
    }
}

TEST_CASE("F3: a file never begun is a free slot") {
    Disk disk;
    write_rolled(disk);
    disk.replace("log-0009", 0, std::vector<std::byte>(16384));
    const Replay found = replay(disk);
    REQUIRE_FALSE(found.error);
    CHECK(found.transactions == through(5));
    REQUIRE(found.scan.slots.size() == 4);
    CHECK(found.scan.slots[3].slot == 9);
    CHECK(found.scan.slots[3].number == 0);
    CHECK_FALSE(found.scan.slots[3].needed);
}

TEST_CASE("F4: a bad header is damage, even in a file that isn't needed") {
    Disk disk;
    write_rolled(disk);
    flip(disk, "log-0001", 20);
    check_corrupt(disk, "log-0001", "", 0);
    check_corrupt(disk, "log-0001", "", 4);
}

TEST_CASE("F5: a newer version is unsupported") {
    Disk disk;
    write_rolled(disk);
    segment::FileHeader raw;
    std::memcpy(&raw, disk.contents("log-0001").data(), sizeof(raw));
    raw.version = segment::format_version + 1;
    raw.checksum = segment::checksum(std::as_bytes(std::span(&raw, 1)).subspan(8), 0);
    disk.replace("log-0001", 0, std::as_bytes(std::span(&raw, 1)));
    check_error(disk, Errc::unsupported_version);
}

TEST_CASE("F6: a log file of another store is damage") {
    Disk disk;
    write_rolled(disk);
    change_header(disk, "log-0002", [](LogFileHeader& header) { header.store[0] ^= 1; });
    check_corrupt(disk, "log-0002", "another store");
}

TEST_CASE("F7: two files with the same number are damage") {
    Disk disk;
    write_rolled(disk);
    disk.replace("log-0007", 0, disk.contents("log-0001"));
    check_corrupt(disk, "log-0007", "both");
}

TEST_CASE("other names aren't log files") {
    Disk disk;
    write_rolled(disk);
    for (const char* name : {"log-1", "log-00001", "log-0001x", "log.new", "xlog-0001", "log-"}) {
        disk.replace(name, 0, as_bytes("anything"));
    }
    check_replay(disk, 5);
}

TEST_CASE("C1: no log file is an empty log") {
    Disk disk;
    const Replay found = replay(disk, 17);
    REQUIRE_FALSE(found.error);
    CHECK(found.transactions.empty());
    CHECK(found.scan.predecessor == 0);
    CHECK(found.scan.next_batch == 1);
    CHECK(found.scan.attested_transaction == 17);
}

TEST_CASE("C2: files that the catalog has overtaken are free, whatever they hold") {
    Disk disk;
    write_rolled(disk);
    flip(disk, "log-0001", 4096);
    check_corrupt(disk, "log-0001", "", 1);
    const Replay found = replay(disk, 2);
    REQUIRE_FALSE(found.error);
    CHECK(found.transactions == through(5, 2));
    CHECK_FALSE(found.scan.slots[0].needed);
    CHECK(found.scan.slots[1].needed);
    disk.erase("log-0001");
    check_replay(disk, 5, 2);
}

TEST_CASE("C3: a crash between the next file's header and the roll loses nothing") {
    Disk disk;
    LogUser log(disk);
    REQUIRE(log.open());
    REQUIRE(log.append());
    REQUIRE(log.append());
    REQUIRE(log.roll());
    SUBCASE("without the roll") {
        disk.replace("log-0001", 12288, std::vector<std::byte>(4096));
    }
    SUBCASE("with it") {}
    const Replay found = replay(disk);
    REQUIRE_FALSE(found.error);
    CHECK(found.transactions == through(2));
    CHECK(found.scan.carried.empty());
    CHECK(found.scan.newest_number == 2);
    CHECK(found.scan.predecessor == 1);
    CHECK(found.scan.attested_end == 12288);
    CHECK(found.scan.next_batch == 3);
    CHECK(found.scan.slots[0].needed);
    CHECK_FALSE(found.scan.slots[1].needed);
    LogUser again(disk);
    REQUIRE(again.open());
    CHECK(again.writer->slot() == 3);
    REQUIRE(again.append());
    check_replay(disk, 3);
    CHECK(again.files->take(file_bytes)->slot == 2);
}

TEST_CASE("C3: the empty next file stays until the opening is through") {
    Disk disk;
    LogUser log(disk);
    REQUIRE(log.open());
    REQUIRE(log.append());
    REQUIRE(log.roll(4 * file_bytes));  // larger than files that are kept
    disk.fail({.call = sim::Call::write, .nth = 1, .onwards = true});
    LogUser broken(disk);
    REQUIRE_FALSE(broken.open());
    CHECK(disk.exists("log-0002"));
    check_replay(disk, 1);
}

TEST_CASE("C3: what the closed file lacks beyond the roll is damage") {
    Disk disk;
    LogUser log(disk);
    REQUIRE(log.open());
    REQUIRE(log.append());
    REQUIRE(log.append());
    REQUIRE(log.roll());
    flip(disk, "log-0001", 8192 + 100);
    check_corrupt(disk, "log-0001", "8256");
}

TEST_CASE("C4: a missing file is damage if it is needed") {
    for (const char* name : {"log-0001", "log-0002"}) {
        Disk disk;
        write_rolled(disk);
        disk.erase(name);
        check_corrupt(disk, "log-000", "transaction 1:");
        check_replay(disk, 5, 4);
    }
}

TEST_CASE("C4: a log that begins beyond what the catalog has is damage") {
    Disk disk;
    {
        LogUser log(disk, 10);
        REQUIRE(log.open());
        REQUIRE(log.append());
    }
    check_replay(disk, 11, 10);
    check_corrupt(disk, "log-0001", "transaction 10:", 9);
}

TEST_CASE("C5: a needed file that is shorter than its header says is damage") {
    for (const char* name : {"log-0001", "log-0002", "log-0003"}) {
        Disk disk;
        write_rolled(disk);
        disk.truncate(name, 12288);
        check_corrupt(disk, name, "12288");
    }
}

TEST_CASE("C6: a needed file that can't be read is an io error, never a torn tail") {
    for (std::uint64_t nth = 1; nth <= 6; ++nth) {
        CAPTURE(nth);
        Disk disk;
        write_rolled(disk);
        disk.fail({.call = sim::Call::read, .nth = nth});
        REQUIRE(replay(disk).error);
        CHECK(replay(*disk.clone()).transactions == through(5));
        disk.clear_faults();
        disk.fail({.call = sim::Call::read, .nth = nth});
        check_error(disk, Errc::io);
    }
}

TEST_CASE("K1, K2: closed files are replayed in order") {
    Disk disk;
    write_rolled(disk);
    check_replay(disk, 5);
    check_replay(disk, 5, 3);
}

TEST_CASE("K3: bad bytes in a closed file are damage: batch, body, padding, roll") {
    for (const std::uint64_t offset : {4096, 4200, 8191, 8192, 12288}) {
        CAPTURE(offset);
        Disk disk;
        write_rolled(disk);
        flip(disk, "log-0002", offset);
        check_corrupt(disk, "log-0002", "offset");
    }
}

TEST_CASE("K3: a file closed by an opening is sound up to where that one says") {
    Disk disk;
    {
        LogUser log(disk);
        REQUIRE(log.open());
        REQUIRE(log.append());
        REQUIRE(log.append());
    }
    LogUser again(disk);
    REQUIRE(again.open());
    flip(disk, "log-0001", 8192);
    check_replay(disk, 2);
    flip(disk, "log-0001", 4096);
    check_corrupt(disk, "log-0001", "4096");
}

TEST_CASE("K3: a successor that names another end, number or checksum is damage") {
    Disk disk;
    write_rolled(disk);
    SUBCASE("end") {
        change_header(disk, "log-0003", [](LogFileHeader& h) { h.predecessor_end = 12288; });
    }
    SUBCASE("end beyond") {
        change_header(disk, "log-0003", [](LogFileHeader& h) { h.predecessor_end = 1 << 20; });
    }
    SUBCASE("checksum") {
        change_header(disk, "log-0003", [](LogFileHeader& h) { h.previous_checksum ^= 1; });
    }
    SUBCASE("incarnation") {
        change_header(disk, "log-0002", [](LogFileHeader& h) { h.incarnation += 1; });
    }
    check_error(disk, Errc::corrupt);
}

TEST_CASE("N1, N2: an unattested good batch is applied and carried") {
    Disk disk;
    write_single(disk, 3);
    const Replay found = replay(disk);
    REQUIRE_FALSE(found.error);
    CHECK(found.transactions == through(3));
    REQUIRE(found.scan.carried.size() == 1);
    CHECK(found.scan.carried[0].last_transaction == 3);
    CHECK(as_text(found.scan.carried[0].body) == body_of(3, 3));
    CHECK(found.scan.attested_end == 12288);
    CHECK(found.scan.attested_transaction == 2);
    CHECK(found.scan.next_batch == 3);
    CHECK(found.scan.torn_tail.empty());
    CHECK(replay(disk, 3).scan.carried.empty());
}

TEST_CASE("N3: an unattested seal is dropped") {
    Disk disk;
    LogUser log(disk);
    REQUIRE(log.open());
    REQUIRE(log.append());
    REQUIRE(log.seal());
    const Replay found = replay(disk);
    REQUIRE_FALSE(found.error);
    CHECK(found.transactions == through(1));
    CHECK(found.scan.carried.empty());
    CHECK(found.scan.next_batch == 2);
    CHECK(found.scan.attested_end == 8192);
}

TEST_CASE("N4: a roll without its successor is damage") {
    Disk disk;
    write_rolled(disk);
    SUBCASE("gone") {
        disk.erase("log-0003");
    }
    SUBCASE("zeros") {
        disk.replace("log-0003", 0, std::vector<std::byte>(16384));
    }
    check_corrupt(disk, "log-0002", "12288");
}

TEST_CASE("N5: a carried batch is attested by its file's header") {
    Disk disk;
    write_single(disk, 1);
    LogUser again(disk);
    REQUIRE(again.open());
    flip(disk, "log-0002", 4096 + 70);
    check_corrupt(disk, "log-0002", "4160");
}

TEST_CASE("N6: a bad batch that a later one attests is damage: header, body, zeros") {
    for (const std::uint64_t offset : {4096, 8192, 12288, 12288 + 80}) {
        CAPTURE(offset);
        Disk disk;
        write_single(disk, 4);
        flip(disk, "log-0001", offset);
        check_corrupt(disk, "log-0001", "attests");
    }
    Disk disk;
    write_single(disk, 4);
    disk.replace("log-0001", 8192, std::vector<std::byte>(4096));
    check_corrupt(disk, "log-0001", "8192");
}

TEST_CASE("N6: a seal attests the last batch") {
    Disk disk;
    LogUser log(disk);
    REQUIRE(log.open());
    REQUIRE(log.append());
    REQUIRE(log.seal());
    flip(disk, "log-0001", 4096 + 64);
    check_corrupt(disk, "log-0001", "4160");
}

TEST_CASE("N10: a sound batch that isn't the next one is damage, not a torn tail") {
    Disk disk;
    write_single(disk, 1);
    const auto header = decode_log_header(disk.contents("log-0001"), "log-0001");
    REQUIRE(header);
    const std::uint64_t checksum =
        look_at_batch_header(disk.contents("log-0001"), 4096, (*header)->seed())->checksum;
    Batch batch{
        .number = 2, .previous = checksum, .durable_through = 0, .last_transaction = 2, .body = {}};
    SUBCASE("number") {
        batch.number = 3;
    }
    SUBCASE("previous") {
        batch.previous ^= 1;
    }
    std::vector<std::byte> block(io::block_bytes);
    seal_batch(block, batch, 8, (*header)->seed(), 8192);
    disk.replace("log-0001", 8192, block);
    check_corrupt(disk, "log-0001", "8192");
}

TEST_CASE("N7: a torn last batch is cut, and the cut is reported") {
    Disk disk;
    write_single(disk, 3);
    flip(disk, "log-0001", 12288 + 70);
    const Replay found = replay(disk);
    REQUIRE_FALSE(found.error);
    CHECK(found.transactions == through(2));
    CHECK(found.scan.torn_bytes == 4096);
    CHECK(found.scan.torn_tail.find("log-0001: at offset 12352") == 0);
    CHECK(found.scan.carried.size() == 1);
}

TEST_CASE("N7: later batches that don't attest the bad one are cut with it") {
    Disk disk;
    LogUser log(disk, 0, {65536, 65536, 1 << 20});
    REQUIRE(log.open());
    REQUIRE(log.append());
    for (int i = 0; i < 3; ++i) REQUIRE(log.submit());
    REQUIRE(log.settle());
    check_replay(disk, 4);
    flip(disk, "log-0001", 12288);
    const Replay found = replay(disk);
    REQUIRE_FALSE(found.error);
    CHECK(found.transactions == through(2));
    CHECK(found.scan.torn_bytes == 8192);
    LogUser again(disk, 0, {65536, 65536, 1 << 20});
    REQUIRE(again.open());
    REQUIRE(again.append());
    check_replay(disk, 3);
}

TEST_CASE("N8: the log ends where nothing of it follows") {
    Disk disk;
    write_single(disk, 2);
    SUBCASE("zeros") {}
    SUBCASE("bytes of something else") {
        disk.replace("log-0001", 12288, std::vector<std::byte>(8192, std::byte{7}));
    }
    const Replay found = replay(disk);
    REQUIRE_FALSE(found.error);
    CHECK(found.transactions == through(2));
    CHECK(found.scan.torn_bytes == 0);
    CHECK(found.scan.torn_tail.empty());
}

TEST_CASE("N9: a file may be full to its end") {
    Disk disk;
    {
        LogUser log(disk);
        REQUIRE(log.open());
        REQUIRE(log.append());
        REQUIRE(log.append());
    }
    disk.truncate("log-0001", 12288);
    change_header(disk, "log-0001", [](LogFileHeader& header) { header.capacity = 12288; });
    check_replay(disk, 2);
}

TEST_CASE("N11: a log that ends before the catalog does has lost its end") {
    Disk disk;
    write_single(disk, 2);
    CHECK(!replay(disk, 2).error);
    const Replay older = replay(disk, 3);
    REQUIRE(older.error);
    CHECK(older.error->code() == Errc::corrupt);
    CHECK(older.error->message().find("log-0001") != std::string::npos);
    // The last batch, which nothing in the log attests.
    disk.flip_bit("log-0001", 8192 * 8);
    CHECK(replay(disk, 1).transactions.empty());
    CHECK(replay(disk, 2).error);
}

TEST_CASE("a recycled file: batches of its earlier use are never replayed") {
    Disk disk;
    const LogSizes sizes{65536, 65536, 1 << 20};
    LogUser log(disk, 0, sizes);
    REQUIRE(log.open());
    for (int i = 0; i < 12; ++i) REQUIRE(log.append());
    REQUIRE(log.roll());
    REQUIRE(log.append());
    log.drain(12);
    REQUIRE(log.roll());
    CHECK(log.writer->slot() == 1);
    const Replay found = replay(disk, 12);
    REQUIRE_FALSE(found.error);
    CHECK(found.transactions == through(13, 12));
    CHECK(found.scan.torn_tail.empty());
    REQUIRE(log.append());
    check_replay(disk, 14, 12);
}

TEST_CASE("an opening that never finished: its carried bytes don't pass in a later one") {
    Disk disk;
    write_single(disk, 1);
    const auto sizes = LogSizes{65536, 65536, 1 << 20};
    {
        LogUser broken(disk, 0, sizes);
        disk.fail({.call = sim::Call::write, .nth = 3, .file = "log-0002"});  // the header's
        disk.fail({.call = sim::Call::write, .nth = 2, .file = "log-0002"});
        REQUIRE_FALSE(broken.open());
    }
    disk.clear_faults();
    LogUser again(disk, 1, sizes);  // the catalog has it by now: nothing is carried
    REQUIRE(again.open());
    CHECK(again.writer->slot() == 2);
    check_replay(disk, 1, 1);
    REQUIRE(again.append());
    check_replay(disk, 2, 1);
}

}  // namespace
}  // namespace braid::wal::test
