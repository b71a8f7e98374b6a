// Every kind of damage that `repair` claims to mend, and some that it must leave alone.
#include <doctest/doctest.h>

#include <algorithm>

#include "engine/repair.h"
#include "tests/damage/reading.h"
#include "tests/damage/sample_store.h"
#include "tests/main.h"

namespace braid::damage {
namespace {

using sim::SimDisk;

bool is_second_run() {
    return test::io() == Io::posix;
}

RepairReport repaired(SimDisk& disk, bool dry_run) {
    RepairOptions options;
    options.dry_run = dry_run;
    auto report = repair(std::shared_ptr<io::Disk>(disk.borrow()), options);
    REQUIRE_MESSAGE(report, report.error().message());
    return *report;
}

/// What stands in a disk's files, by name.
std::map<std::string, std::vector<std::byte>> all_bytes(const SimDisk& disk) {
    std::map<std::string, std::vector<std::byte>> files;
    for (const std::string& name : disk.names()) files[name] = disk.contents(name);
    return files;
}

/// Whether what the report says was kept holds the bytes that were there before.
void check_kept(const SimDisk& disk, const std::map<std::string, std::vector<std::byte>>& before,
                const RepairReport& report) {
    for (const std::string& copy : report.kept) {
        const std::string name = copy.substr(0, copy.find(".damaged-"));
        REQUIRE(disk.exists(copy));
        CHECK(disk.contents(copy) == before.at(name));
    }
    for (const auto& [name, bytes] : before) {
        const bool same = disk.exists(name) && disk.contents(name) == bytes;
        const bool kept = std::find(report.kept.begin(), report.kept.end(), name + ".damaged-1") !=
                          report.kept.end();
        const std::string changed = name + " was changed and not kept";
        CHECK_MESSAGE((same || kept), changed);
    }
}

/// A dry run that changes nothing, then a repair after which the store holds exactly the entries up
/// to where it says that the loss begins, takes new ones, and has nothing left to repair.
RepairReport check_repair(SimDisk& disk, const SampleStore& store) {
    const auto before = all_bytes(disk);
    const RepairReport planned = repaired(disk, true);
    CHECK(all_bytes(disk) == before);
    CHECK(!planned.changes.empty());
    const RepairReport report = repaired(disk, false);
    check_kept(disk, before, report);
    CHECK(report.lost_from == planned.lost_from);
    CHECK(report.lost_through == planned.lost_through);
    if (report.lost_from == 0)
        CHECK((report.lost_consumers.empty() && report.lost_leases.empty() && !report.lost_ids));
    CHECK(report.left.empty());
    for (const Damage& damage : report.left) MESSAGE(damage.file << ": " << damage.what);

    const Position end = report.lost_from == 0 ? store.truth.last()
                                               : std::min(store.truth.last(), report.lost_from - 1);
    Truth truth = store.truth.up_to(end);
    auto engine = Engine::open(disk.borrow(), store.options, Engine::Threads::none);
    REQUIRE_MESSAGE(engine, engine.error().message());
    CHECK((*engine)->watermarks().durable() == end);
    truth.commit(**engine, {{"orders", "ann", "after the repair", "m"}});
    Reading reading(truth, store.files);
    reading.read_all(**engine);
    CHECK(reading.wrong() == "");
    CHECK(reading.errors().empty());
    REQUIRE((*engine)->close());
    engine->reset();
    const RepairReport again = repaired(disk, false);
    CHECK(again.changes.empty());
    CHECK(again.left.empty());
    return report;
}

void zero(SimDisk& disk, const std::string& file, std::uint64_t offset, std::size_t bytes) {
    disk.replace(file, offset, std::vector<std::byte>(bytes));
}

TEST_CASE("repair: a sound store is left as it is") {
    if (is_second_run()) return;
    for (const SampleStore& store :
         {make_small_store(), make_large_store(), make_reopened_store()}) {
        const auto before = all_bytes(*store.disk);
        const RepairReport report = repaired(*store.disk, false);
        CHECK(report.changes.empty());
        CHECK(report.left.empty());
        CHECK(report.lost_from == 0);
        CHECK(all_bytes(*store.disk) == before);
    }
}

TEST_CASE("repair: indexes and headers are made again from the frames (rule 21)") {
    if (is_second_run()) return;
    const SampleStore store = make_large_store();
    for (const std::string& file : store.files) {
        if (!file.starts_with("pack-") && !file.starts_with("segment-")) continue;
        const std::uint64_t end = store.covered.at(file);
        for (const std::uint64_t offset : {std::uint64_t{0}, end - 20}) {
            CAPTURE(file);
            CAPTURE(offset);
            auto disk = store.disk->clone();
            zero(*disk, file, offset, 20);
            const RepairReport report = check_repair(*disk, store);
            CHECK(report.lost_from == 0);
            CHECK(disk->contents(file) == store.disk->contents(file));
        }
    }
}

TEST_CASE("repair: a file that ends before its index gets it again") {
    if (is_second_run()) return;
    const SampleStore store = make_small_store();
    for (const std::string& file : store.files) {
        if (!file.starts_with("segment-")) continue;
        auto disk = store.disk->clone();
        disk->truncate(file, store.covered.at(file) - 50);
        CHECK(check_repair(*disk, store).lost_from == 0);
    }
}

/// The first position that isn't in packs and pieces.
Position drained_through(const SampleStore& store) {
    return open_for_reading(*store.disk, store)->stat().drained;
}

TEST_CASE("repair: a log with damage in any block is cut there, and what is lost is named") {
    if (is_second_run()) return;
    std::uint64_t cuts = 0;
    for (const SampleStore& store : {make_large_store(), make_reopened_store()}) {
        const Position drained = drained_through(store);
        for (const std::string& file : store.files) {
            if (!file.starts_with("log-")) continue;
            const std::uint64_t bytes = store.disk->contents(file).size();
            for (std::uint64_t at = 0; at < bytes; at += io::block_bytes) {
                for (const std::uint64_t bit : {at * 8 + 5, (at + 70) * 8, (at + 4090) * 8}) {
                    auto disk = store.disk->clone();
                    disk->flip_bit(file, bit);
                    Options options = store.options;
                    options.read_only = true;
                    if (Engine::open(disk->borrow(), options, Engine::Threads::none)) continue;
                    CAPTURE(file);
                    CAPTURE(bit);
                    const RepairReport report = check_repair(*disk, store);
                    CHECK(report.lost_from > drained);
                    CHECK(report.lost_through <= store.truth.last());
                    ++cuts;
                }
            }
        }
    }
    CHECK(cuts > 20);
}

TEST_CASE("repair: a log file that is missing or cut short costs what stood in it and behind it") {
    if (is_second_run()) return;
    const SampleStore store = make_large_store();
    for (const std::string& file : store.files) {
        if (!file.starts_with("log-")) continue;
        for (const bool remove : {true, false}) {
            auto disk = store.disk->clone();
            if (remove)
                disk->erase(file);
            else
                disk->truncate(file, 8192 + 100);
            Options options = store.options;
            options.read_only = true;
            if (Engine::open(disk->borrow(), options, Engine::Threads::none)) continue;
            CAPTURE(file);
            CAPTURE(remove);
            CHECK(check_repair(*disk, store).lost_from != 0);
        }
    }
}

TEST_CASE("repair: a cut in the log names what loses entries and changes") {
    if (is_second_run()) return;
    const SampleStore store = make_large_store();
    // The first transaction that is in the log alone.
    const Position first = drained_through(store) + 1;
    for (const std::string& file : store.files) {
        if (!file.starts_with("log-")) continue;
        auto disk = store.disk->clone();
        const auto bytes = disk->contents(file);
        const std::string_view text = as_text(bytes);
        const std::size_t at = text.find("record 11");
        if (at == std::string_view::npos) continue;
        disk->flip_bit(file, at * 8);
        const RepairReport report = check_repair(*disk, store);
        CHECK(report.lost_from > first);
        CHECK(report.lost_through == store.truth.last());
        const auto names = [&](std::string_view space, std::string_view segment) {
            return std::any_of(
                report.lost_segments.begin(), report.lost_segments.end(),
                [&](const auto& one) { return one.space == space && one.segment == segment; });
        };
        CHECK(names("orders", "ann"));
        CHECK(names("stock", "x1"));
        CHECK(!names("orders", "large"));
        // Three transactions behind the cut can be read.
        CHECK(report.lost_consumers == std::vector<std::string>{"owned", "passing"});
        CHECK(report.lost_leases == std::vector<std::string>{"even", "odd"});
        CHECK(report.lost_ids == 3);
    }
}

/// What can't be mended is left as it is, in words, and nothing is changed.
void check_left(SimDisk& disk, const std::string& file) {
    const auto before = all_bytes(disk);
    const RepairReport report = repaired(disk, false);
    REQUIRE(!report.left.empty());
    CHECK(report.left.front().file == file);
    CHECK(report.changes.empty());
    CHECK(all_bytes(disk) == before);
}

TEST_CASE("repair: what nothing makes up for is left alone (rules 3 and 23)") {
    if (is_second_run()) return;
    const SampleStore store = make_small_store();
    SUBCASE("a frame in a pack") {
        store.disk->flip_bit("pack-000001", 200 * 8);
        check_left(*store.disk, "pack-000001");
    }
    SUBCASE("a missing pack") {
        store.disk->erase("pack-000001");
        check_left(*store.disk, "pack-000001");
    }
    SUBCASE("the catalog's snapshot") {
        store.disk->flip_bit("catalog-000001", 140 * 8);
        check_left(*store.disk, "catalog-000001");
    }
}

TEST_CASE("repair: what the catalog lost and the log hasn't is left alone") {
    if (is_second_run()) return;
    const SampleStore store = make_large_store();
    store.disk->flip_bit(store.catalog, (store.newest_record.begin + 60) * 8);
    check_left(*store.disk, store.catalog);
}

TEST_CASE("repair: a store that is open for writing is locked") {
    if (is_second_run()) return;
    const SampleStore store = make_small_store();
    const auto engine = Engine::open(store.disk->borrow(), store.options, Engine::Threads::none);
    REQUIRE(engine);
    const auto report = repair(std::shared_ptr<io::Disk>(store.disk->borrow()), {});
    REQUIRE(!report);
    CHECK(report.error().code() == Errc::locked);
}

}  // namespace
}  // namespace braid::damage
