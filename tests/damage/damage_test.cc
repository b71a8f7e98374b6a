// Stored bytes are changed in every way that is short of forgery. Each time the outcome must be the
// exact data or a precise error.
//
//   BRAID_DAMAGE=n    tries only damage n of a test case
//   BRAID_THOROUGH=1  flips every bit of the larger store
//
// The disk is one in memory: nothing depends on how the store writes, and one run is enough.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>

#include "tests/damage/trial.h"
#include "tests/engine/store_fixture.h"
#include "tests/main.h"

namespace braid::damage {
namespace {

using sim::SimDisk;

constexpr std::uint64_t block = io::block_bytes;

bool is_second_run() {
    return test::io() == Io::posix;
}

bool is_thorough() {
    return ::getenv("BRAID_THOROUGH") != nullptr;
}

/// Ends a test case: tells its figures, and fails it if an outcome was wrong.
void finish(const std::string& name, const std::vector<const Trials*>& all) {
    Tally tally;
    for (const Trials* trials : all) {
        if (!trials->problem().empty()) FAIL_CHECK(trials->problem());
        tally.add(trials->tally());
    }
    CHECK(tally.damages != 0);
    fmt::print("figure: {}: {} ({} refused, {} told, {} exact, {} cut where nothing attests)\n",
               name, tally.damages, tally.refused, tally.told, tally.exact, tally.cut);
}

/// Where the last byte that isn't zero ends.
std::uint64_t written_end(const std::vector<std::byte>& bytes) {
    std::size_t end = bytes.size();
    while (end > 0 && bytes[end - 1] == std::byte{}) --end;
    return end;
}

/// Whether the 64 bytes around are all zeros: padding, or what nobody has written yet.
bool is_empty(const std::vector<std::byte>& bytes, std::size_t at) {
    const auto part = Bytes(bytes)
                          .subspan(at / 64 * 64)
                          .first(std::min<std::size_t>(64, bytes.size() - at / 64 * 64));
    return std::all_of(part.begin(), part.end(),
                       [](std::byte byte) { return byte == std::byte{}; });
}

/// One bit in `share`, another one in each byte; of the zeros between what is written one in
/// `empty_share`.
void flip_bits(Trials& trials, const SampleStore& store, std::uint64_t share,
               std::uint64_t empty_share) {
    for (const std::string& file : store.files) {
        const auto bytes = store.disk->contents(file);
        for (std::uint64_t bit = 0; bit < bytes.size() * 8;) {
            trials.flip(file, bit, bit % (41 * share) == 0);
            const std::uint64_t step = is_empty(bytes, bit / 8) ? empty_share : share;
            // Another bit of its byte each time.
            bit += step + (step > 1 && (bit / step) % 8 == 7);
        }
    }
}

/// As many as there is time for.
void damage_bits(const SampleStore& store, const char* test, std::uint64_t share,
                 std::uint64_t empty_share) {
    Trials trials(store, test);
    if (test::sanitized) share = 97, empty_share = 997;
    flip_bits(trials, store, share, is_thorough() ? 1 : empty_share);
    finish(fmt::format("damaged bits of a {} store", store.name), {&trials});
}

TEST_CASE("damage: every bit of a small store") {
    if (is_second_run()) return;
    damage_bits(make_small_store(), "damage: every bit of a small store", 1, 29);
}

TEST_CASE("damage: bits of a gathered store") {
    if (is_second_run()) return;
    damage_bits(make_gathered_store(), "damage: bits of a gathered store", is_thorough() ? 1 : 3,
                101);
}

TEST_CASE("damage: bits of a larger store") {
    if (is_second_run()) return;
    const SampleStore store = make_large_store();
    Trials trials(store, "damage: bits of a larger store");
    const std::uint64_t share = is_thorough() ? 1 : test::sanitized ? 997 : 16;
    flip_bits(trials, store, share, is_thorough() ? 1 : 4 * share);
    finish("damaged bits of a larger store", {&trials});
}

/// The bytes of files, to be changed and held against those of the store.
using Files = std::map<std::string, std::vector<std::byte>>;

void put(SimDisk& disk, const std::string& file, const std::vector<std::byte>& bytes) {
    if (disk.exists(file)) disk.truncate(file, 0);
    disk.replace(file, 0, bytes);
    disk.truncate(file, bytes.size());
}

/// What a file's new bytes allow.
void allow(const SampleStore& store, const std::string& file, const std::vector<std::byte>& bytes,
           Allowed& allowed) {
    const std::vector<std::byte> before = store.disk->contents(file);
    allowed.floor = std::min(allowed.floor, store.floor_of(file, bytes));
    if (file == store.newest_log && allowed.floor < store.truth.last()) return;
    // A log file whose header is gone was never begun, for all that anybody knows.
    if (file.starts_with("log-") && bytes.size() >= block &&
        !std::equal(before.begin(), before.begin() + block, bytes.begin()))
        return;
    for (std::size_t at = 0; at < before.size(); ++at) {
        if (at < bytes.size() && before[at] == bytes[at]) continue;
        if (store.must_be_noticed(file, at)) allowed.noticed_in = file;
    }
}

void change(Trials& trials, const std::string& what, const Files& files, bool also_writing = true) {
    Allowed allowed;
    allowed.floor = trials.store().truth.last();
    allowed.also_writing = also_writing;
    bool same = true;
    for (const auto& [file, bytes] : files) {
        allow(trials.store(), file, bytes, allowed);
        same = same && trials.store().disk->contents(file) == bytes;
    }
    if (same) return;
    // A roll and all that follows it lost together look like a crash before the roll.
    const bool may_cut = allowed.floor < trials.store().truth.last();
    if (may_cut && allowed.noticed_in.starts_with("log-")) allowed.noticed_in.clear();
    const auto damage = [&](SimDisk& disk) {
        for (const auto& [file, bytes] : files) put(disk, file, bytes);
    };
    trials.damage(what, damage, allowed);
}

/// Every length within what is written, and where nothing is written one in `sparse`.
void cut_files(Trials& trials, std::uint64_t share, std::uint64_t sparse) {
    for (const std::string& file : trials.store().files) {
        std::vector<std::byte> bytes = trials.store().disk->contents(file);
        const std::uint64_t written = written_end(bytes);
        for (std::uint64_t length = bytes.size(); length-- > 0;) {
            const bool edge = length % block == 0 || (length + 1) % block == 0;
            if (!edge && length % (length < written ? share : sparse) != 0) continue;
            bytes.resize(length);
            change(trials, fmt::format("{} cut to {} bytes", file, length), {{file, bytes}},
                   length % (11 * share) == 0 || length % block == 0);
        }
    }
}

struct BlockPlace {
    std::string file;
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;  ///< fewer at the end of a file
    [[nodiscard]] std::string words() const {
        return fmt::format("block {} of {}", offset / block, file);
    }
};

std::vector<std::byte> with_block(const SimDisk& disk, const BlockPlace& place, Bytes bytes) {
    std::vector<std::byte> whole = disk.contents(place.file);
    const std::size_t count = std::min(bytes.size(), place.bytes.size());
    std::copy_n(bytes.begin(), count, whole.begin() + static_cast<std::ptrdiff_t>(place.offset));
    return whole;
}

std::vector<BlockPlace> blocks_of(const SampleStore& store) {
    std::vector<BlockPlace> places;
    for (const std::string& file : store.files) {
        const auto bytes = store.disk->contents(file);
        for (std::size_t at = 0; at < bytes.size(); at += block) {
            const auto part = Bytes(bytes).subspan(at, std::min(block, bytes.size() - at));
            places.push_back({file, at, {part.begin(), part.end()}});
        }
    }
    return places;
}

void misplace_blocks(Trials& trials) {
    const SimDisk& disk = *trials.store().disk;
    const std::vector<std::byte> zeros(block);
    const std::vector<BlockPlace> places = blocks_of(trials.store());
    for (const BlockPlace& one : places) {
        change(trials, one.words() + " zeroed", {{one.file, with_block(disk, one, zeros)}});
        for (const BlockPlace& other : places) {
            if (&one == &other) continue;
            Files files{{one.file, with_block(disk, one, other.bytes)}};
            change(trials, fmt::format("{} copied over {}", other.words(), one.words()), files);
            if (&one > &other) continue;
            if (one.file != other.file) {
                files[other.file] = with_block(disk, other, one.bytes);
            } else {
                auto& bytes = files[one.file];
                std::copy(one.bytes.begin(),
                          one.bytes.begin() + static_cast<std::ptrdiff_t>(
                                                  std::min(one.bytes.size(), other.bytes.size())),
                          bytes.begin() + static_cast<std::ptrdiff_t>(other.offset));
            }
            change(trials, fmt::format("{} and {} swapped", one.words(), other.words()), files);
        }
    }
}

void remove_files(Trials& trials) {
    const SampleStore& store = trials.store();
    for (const std::string& file : store.files) {
        Allowed allowed;
        allowed.floor = file == store.newest_log ? store.before_newest_log : store.truth.last();
        // Log files that aren't needed, nothing misses.
        if (!file.starts_with("log-")) allowed.noticed_in = file;
        trials.damage(
            file + " removed", [&](SimDisk& disk) { disk.erase(file); }, allowed);
    }
}

void exchange_files(Trials& trials) {
    const SampleStore& store = trials.store();
    for (const std::string& one : store.files) {
        for (const std::string& other : store.files) {
            if (one >= other) continue;
            Allowed allowed;
            allowed.floor = store.truth.last();
            const auto exchange = [&](SimDisk& disk) {
                put(disk, one, store.disk->contents(other));
                put(disk, other, store.disk->contents(one));
            };
            trials.damage(fmt::format("{} and {} exchanged", one, other), exchange, allowed);
        }
    }
}

/// A consistent older store is a store: what an older catalog or log file leaves out, nothing
/// tells.
void age(Trials& trials, const std::string& file, const SampleStore::Earlier& earlier,
         const std::string& what, const std::vector<std::byte>& bytes) {
    const SampleStore& store = trials.store();
    if (bytes == store.disk->contents(file)) return;
    Allowed allowed;
    allowed.floor = store.truth.last();
    allow(store, file, bytes, allowed);
    const bool is_written_once =
        file.starts_with("pack-") || file.starts_with("segment-") || file.starts_with("body-");
    if (!is_written_once) allowed.noticed_in.clear();
    if (file == store.newest_log) allowed.floor = std::min(allowed.floor, earlier.last);
    trials.damage(
        what, [&](SimDisk& disk) { put(disk, file, bytes); }, allowed);
}

void restore_older(Trials& trials) {
    const SampleStore& store = trials.store();
    for (std::size_t i = 0; i < store.earlier.size(); ++i) {
        const SampleStore::Earlier& earlier = store.earlier[i];
        for (const std::string& file : store.files) {
            if (!earlier.disk->exists(file)) continue;
            const auto older = earlier.disk->contents(file);
            age(trials, file, earlier, fmt::format("{} as it was at moment {}", file, i), older);
            const auto whole = store.disk->contents(file);
            for (std::size_t at = 0; at < std::min(older.size(), whole.size()); at += block) {
                auto bytes = whole;
                std::copy_n(older.begin() + static_cast<std::ptrdiff_t>(at),
                            std::min({block, older.size() - at, whole.size() - at}),
                            bytes.begin() + static_cast<std::ptrdiff_t>(at));
                age(trials, file, earlier,
                    fmt::format("block {} of {} as it was at moment {}", at / block, file, i),
                    bytes);
            }
        }
    }
}

TEST_CASE("damage: files cut at every length") {
    if (is_second_run()) return;
    const SampleStore small = make_small_store();
    Trials trials(small, "damage: files cut at every length");
    cut_files(trials, test::sanitized ? 53 : 1, test::sanitized ? 997 : 61);
    finish("files cut", {&trials});
}

TEST_CASE("damage: files of a gathered store cut") {
    if (is_second_run()) return;
    const SampleStore gathered = make_gathered_store();
    Trials trials(gathered, "damage: files of a gathered store cut");
    cut_files(trials, test::sanitized ? 197 : 7, test::sanitized ? 997 : 101);
    finish("files of a gathered store cut", {&trials});
}

TEST_CASE("damage: files of a larger store cut") {
    if (is_second_run()) return;
    const SampleStore large = make_large_store();
    Trials trials(large, "damage: files of a larger store cut");
    cut_files(trials, test::sanitized ? 197 : 13, test::sanitized ? 997 : 101);
    finish("files of a larger store cut", {&trials});
}

/// Every kind of damage to whole files and blocks.
void damage_at_large(const char* name, const SampleStore& store) {
    Trials trials(store, name);
    remove_files(trials);
    exchange_files(trials);
    misplace_blocks(trials);
    restore_older(trials);
    finish(fmt::format("files and blocks of a {} store misplaced", store.name), {&trials});
}

TEST_CASE("damage: files and blocks lost, misplaced and older, small store") {
    if (is_second_run()) return;
    damage_at_large("damage: files and blocks lost, misplaced and older, small store",
                    make_small_store());
}

TEST_CASE("damage: files and blocks lost, misplaced and older, gathered store") {
    if (is_second_run()) return;
    damage_at_large("damage: files and blocks lost, misplaced and older, gathered store",
                    make_gathered_store());
}

TEST_CASE("damage: files and blocks lost, misplaced and older, large store") {
    if (is_second_run()) return;
    damage_at_large("damage: files and blocks lost, misplaced and older, large store",
                    make_large_store());
}

TEST_CASE("damage: files and blocks lost, misplaced and older, reopened store") {
    if (is_second_run()) return;
    damage_at_large("damage: files and blocks lost, misplaced and older, reopened store",
                    make_reopened_store());
}

}  // namespace
}  // namespace braid::damage
