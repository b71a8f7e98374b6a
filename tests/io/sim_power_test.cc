#include <doctest/doctest.h>
#include <fmt/format.h>

#include <set>
#include <string>

#include "tests/io/scripted_file.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

using io::WriteMode;
using sim::Call;
using sim::SimDisk;

constexpr std::uint64_t seeds = 300;

std::unique_ptr<io::File> make(SimDisk& disk, const std::string& name, bool direct = false) {
    auto file = disk.open(name, {.write = true, .create = true, .direct = direct});
    REQUIRE(file);
    return std::move(*file);
}

std::unique_ptr<io::File> make_durable(SimDisk& disk, const std::string& name) {
    auto file = make(disk, name);
    REQUIRE(disk.sync_directory());
    return file;
}

std::string text(const SimDisk& disk, const std::string& name) {
    return disk.exists(name) ? std::string(as_text(disk.contents(name))) : "no " + name;
}

/// What a file may hold after power loss, over many seeds.
std::set<std::string> outcomes(const SimDisk& disk, const std::string& name) {
    std::set<std::string> found;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        found.insert(text(*disk.after_crash(seed), name));
    }
    return found;
}

using Outcomes = std::set<std::string>;

TEST_CASE("a synced write and a durable one survive power loss") {
    SimDisk disk;
    const auto file = make_durable(disk, "f");
    CHECK(file->write(as_bytes("abc"), 0, WriteMode::cached));
    CHECK(file->sync());
    CHECK(file->write(as_bytes("def"), 3, WriteMode::durable));
    CHECK(outcomes(disk, "f") == Outcomes{"abcdef"});
}

TEST_CASE("an unsynced write is kept or lost, and a size may come without its bytes") {
    SimDisk disk;
    const auto file = make_durable(disk, "f");
    CHECK(file->write(as_bytes("ab"), 0, WriteMode::cached));
    CHECK(outcomes(disk, "f") == Outcomes{"", "ab", std::string(2, '\0')});
}

TEST_CASE("unsynced writes are reordered: any subset may survive") {
    SimDisk disk;
    const auto file = make_durable(disk, "f");
    CHECK(file->write(as_bytes("..."), 0, WriteMode::durable));
    for (const std::uint64_t offset : {0, 1, 2}) {
        CHECK(file->write(as_bytes("x"), offset, WriteMode::cached));
    }
    CHECK(outcomes(disk, "f") == Outcomes{"...", "x..", ".x.", "..x", "xx.", "x.x", ".xx", "xxx"});
}

TEST_CASE("a write is torn at sectors, and only there") {
    SimDisk disk;
    const auto file = make_durable(disk, "f");
    CHECK(file->write(std::vector<std::byte>(2048, std::byte{'o'}), 0, WriteMode::durable));
    // Covers the end of one sector, a whole one and the start of a third.
    CHECK(file->write(std::vector<std::byte>(1024, std::byte{'n'}), 256, WriteMode::cached));
    std::size_t torn = 0;
    const auto found = outcomes(disk, "f");
    for (const std::string& one : found) {
        REQUIRE(one.size() == 2048);
        const std::string parts{one[256], one[512], one[1024]};
        CHECK(one == std::string(256, 'o') + std::string(256, parts[0]) +
                         std::string(512, parts[1]) + std::string(256, parts[2]) +
                         std::string(768, 'o'));
        torn += parts != "ooo" && parts != "nnn" ? 1 : 0;
    }
    CHECK(found.size() == 8);
    CHECK(torn == 6);
}

TEST_CASE("an older unsynced write never comes back over a durable one") {
    SimDisk disk;
    const auto file = make_durable(disk, "f");
    CHECK(file->write(as_bytes("......"), 0, WriteMode::durable));
    CHECK(file->write(as_bytes("oooooo"), 0, WriteMode::cached));
    CHECK(file->write(as_bytes("nn"), 2, WriteMode::durable));
    for (const std::string& one : outcomes(disk, "f")) CHECK(one.substr(2, 2) == "nn");
    CHECK(disk.open("f", {.write = true, .truncate = true}));
    CHECK(file->write(as_bytes("z"), 0, WriteMode::durable));
    CHECK(outcomes(disk, "f") == Outcomes{"z"});
}

TEST_CASE("an emptied file may be full again after power loss") {
    SimDisk disk;
    const auto file = make_durable(disk, "f");
    CHECK(file->write(as_bytes("full"), 0, WriteMode::durable));
    CHECK(disk.open("f", {.write = true, .truncate = true}));
    CHECK(outcomes(disk, "f") == Outcomes{"", "full"});
    CHECK(file->sync());
    CHECK(outcomes(disk, "f") == Outcomes{""});
}

TEST_CASE("a direct write that isn't durable may be lost until a sync") {
    SimDisk disk;
    const auto file = make(disk, "f", true);
    CHECK(disk.sync_directory());
    alignas(4096) static std::byte block[4096];
    block[0] = std::byte{1};
    CHECK(file->write(block, 0, WriteMode::cached));
    CHECK(outcomes(disk, "f").size() > 2);
    CHECK(file->sync());
    CHECK(outcomes(disk, "f").size() == 1);
}

TEST_CASE("a new file's name is unsynced until the directory is, even if the file is synced") {
    SimDisk disk;
    const auto file = make(disk, "f");
    CHECK(file->write(as_bytes("x"), 0, WriteMode::durable));
    CHECK(file->sync());
    CHECK(outcomes(disk, "f") == Outcomes{"no f", "x"});
    CHECK(disk.sync_directory());
    CHECK(outcomes(disk, "f") == Outcomes{"x"});
}

TEST_CASE("an unsynced rename leaves the old name or the new one, and the replaced file or not") {
    SimDisk disk;
    CHECK(make(disk, "new")->write(as_bytes("n"), 0, WriteMode::durable));
    CHECK(make(disk, "old")->write(as_bytes("o"), 0, WriteMode::durable));
    CHECK(disk.sync_directory());
    CHECK(disk.rename("new", "old"));
    std::set<std::string> found;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const auto after = disk.after_crash(seed);
        found.insert(text(*after, "new") + ", " + text(*after, "old"));
    }
    CHECK(found == Outcomes{"n, o", "no new, n"});
}

TEST_CASE("name changes survive each on its own, and a removed file may be back") {
    SimDisk disk;
    make(disk, "gone");
    CHECK(disk.sync_directory());
    CHECK(disk.remove("gone"));
    make(disk, "a");
    make(disk, "b");
    std::set<std::vector<std::string>> found;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        found.insert(disk.after_crash(seed)->names());
    }
    CHECK(found.size() == 8);
}

TEST_CASE("a failed sync leaves new bytes in the cache and old ones on the medium, for good") {
    SimDisk disk;
    const auto file = make_durable(disk, "f");
    CHECK(file->write(as_bytes("old"), 0, WriteMode::durable));
    CHECK(file->write(as_bytes("new"), 0, WriteMode::cached));
    disk.fail({.call = Call::sync});
    CHECK_FALSE(file->sync());
    CHECK(file->sync());
    CHECK(as_text(*read_whole(*file)) == "new");
    CHECK(outcomes(disk, "f") == Outcomes{"old"});
    CHECK(file->write(as_bytes("new"), 0, WriteMode::cached));
    CHECK(file->sync());
    CHECK(outcomes(disk, "f") == Outcomes{"new"});
}

TEST_CASE("a failed write may have happened in part") {
    std::set<std::string> found;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        SimDisk disk(seed);
        const auto file = make_durable(disk, "f");
        disk.fail({.call = Call::write});
        CHECK_FALSE(file->write(as_bytes("ab"), 0, WriteMode::durable));
        const auto after = disk.after_crash(seed);
        found.insert(text(*after, "f"));
    }
    CHECK(found.contains(""));
    CHECK(found.contains("a"));
    CHECK(found.contains("ab"));
}

TEST_CASE("writes in flight in a queue are kept or lost, in any order") {
    SimDisk disk;
    const auto file = make_durable(disk, "f");
    CHECK(file->write(as_bytes(".."), 0, WriteMode::durable));
    auto queue = *disk.make_queue(4, nullptr);
    queue->submit({io::Request::Kind::write, WriteMode::durable, file.get(), as_bytes("x"), 0, 0});
    queue->submit({io::Request::Kind::write, WriteMode::durable, file.get(), as_bytes("y"), 1, 1});
    CHECK(outcomes(disk, "f") == Outcomes{"..", "x.", ".y", "xy"});
    disk.cut_power();
    CHECK_FALSE(queue->wait().result);
    CHECK_FALSE(queue->wait().result);
    CHECK(outcomes(disk, "f") == Outcomes{"..", "x.", ".y", "xy"});
}

TEST_CASE("from the cut on every call fails, and nothing reaches the medium") {
    SimDisk disk;
    const auto file = make_durable(disk, "f");
    const std::uint64_t before = disk.io_count();
    CHECK(before == 2);  // the name, the directory
    disk.cut_power_at(before + 2);
    CHECK(file->write(as_bytes("a"), 0, WriteMode::durable));
    CHECK_FALSE(file->write(as_bytes("b"), 1, WriteMode::durable));  // in doubt
    CHECK_FALSE(disk.powered());
    CHECK_FALSE(file->write(as_bytes("c"), 2, WriteMode::durable));
    CHECK_FALSE(file->sync());
    CHECK_FALSE(file->size());
    CHECK_FALSE(disk.open("f", {}));
    CHECK_FALSE(disk.list());
    CHECK_FALSE(disk.lock("LOCK", 0));
    CHECK_FALSE(disk.make_queue(1, nullptr));
    CHECK_FALSE(disk.rename("f", "g"));
    CHECK(outcomes(disk, "f") == Outcomes{"a", "ab", std::string("a\0", 2)});
}

TEST_CASE("a disk after power loss works, and may lose power again") {
    SimDisk disk;
    make_durable(disk, "f");
    disk.cut_power_at(disk.io_count() + 1);
    CHECK_FALSE(disk.remove("f"));
    auto after = disk.power_loss_now(3);
    CHECK(after->powered());
    CHECK(after->io_count() == 0);
    const auto file = make_durable(*after, "g");
    CHECK(file->write(as_bytes("x"), 0, WriteMode::durable));
    CHECK(text(*after->after_crash(4), "g") == "x");
}

/// A workload with every kind of change; stops when the power goes.
void work(SimDisk& disk) {
    auto file = disk.open("log", {.write = true, .create = true});
    if (!file) return;
    auto queue = disk.make_queue(4, nullptr);
    if (!queue) return;
    const auto bytes = pattern(3000, 5);
    for (std::uint64_t i = 0; i < 6; ++i) {
        (*queue)->submit({io::Request::Kind::write, i % 2 ? WriteMode::durable : WriteMode::cached,
                          file->get(), Bytes(bytes).subspan(i * 500, 500), i * 500, i});
    }
    for (int i = 0; i < 6; ++i) {
        if (!(*queue)->wait().result) return;
    }
    if (!(*file)->sync() || !disk.rename("log", "log2") || !disk.sync_directory()) return;
    if (!disk.open("log", {.write = true, .create = true})) return;
    if (!disk.open("log2", {.write = true, .truncate = true})) return;
    (void)disk.remove("log").has_value();
}

/// Everything on a disk as one text.
std::string all_of(const SimDisk& disk) {
    std::string all;
    for (const std::string& name : disk.names()) all += name + "=" + text(disk, name) + ";";
    return all;
}

TEST_CASE("the same seed gives the same history") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        std::string histories[2];
        for (std::string& history : histories) {
            SimDisk disk(seed);
            disk.on_change([&](const sim::Change& change) {
                history += fmt::format("{} {} {} {};", change.number, int(change.call), change.file,
                                       change.offset);
                history += all_of(*disk.after_crash(change.number));
            });
            work(disk);
        }
        CHECK(histories[0] == histories[1]);
    }
}

TEST_CASE("an observer sees the outcomes that a cut at the same change has") {
    SimDisk disk(7);
    std::vector<std::set<std::string>> seen;
    disk.on_change([&](const sim::Change&) {
        seen.emplace_back();
        for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
            seen.back().insert(all_of(*disk.after_crash(seed)));
        }
    });
    work(disk);
    CHECK(seen.size() == disk.io_count());
    CHECK(seen.size() == 13);
    for (const std::size_t cut : {1, 8, 9, 10, 11, 12, 13}) {
        SimDisk other(7);
        other.cut_power_at(cut);
        work(other);
        CHECK(other.io_count() == cut);
        std::set<std::string> found;
        for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
            found.insert(all_of(*other.after_crash(seed)));
        }
        CAPTURE(cut);
        CHECK(found == seen[cut - 1]);
    }
}

}  // namespace
}  // namespace braid::test
