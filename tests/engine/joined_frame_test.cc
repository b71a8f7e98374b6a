// Small frames that are joined where they are stored: what is read of them, and what damage costs.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tests/engine/model_random.h"
#include "tests/engine/store_fixture.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

/// Bursts of single records, with and without metadata, now and then a transaction over segments.
void fill_in_bursts(Store& store, Random& random, int bursts) {
    for (int burst = 0; burst < bursts; ++burst) {
        const std::string space = "sp" + std::to_string(random.below(2));
        const std::string segment = "seg" + std::to_string(random.below(3));
        const bool has_metadata = random.percent(30);
        const std::uint64_t records = random.between(1, 40);
        for (std::uint64_t i = 0; i < records; ++i) {
            auto transaction = store.begin();
            transaction.append(space, segment, std::string(random.below(60), 'x'),
                               has_metadata ? with_metadata({{"key", "value"}}) : AppendOptions{});
            if (random.percent(10)) transaction.append("sp0", "beside", "between");
            if (random.percent(5)) transaction.append(space, segment, "again");
            must(transaction.commit(Durability::buffered));
        }
    }
}

Options bursts_options(bool pieces) {
    Options options = default_options();
    options.piece_bytes_min = pieces ? 4096 : 1 << 20;
    options.gather_packs = 0;
    return options;
}

/// Bounds at random, the same for the same random numbers.
std::vector<std::vector<Seen>> answers(Store& store, Random random, const std::vector<Seen>& all) {
    std::vector<std::vector<Seen>> found;
    for (int i = 0; i < 120; ++i) {
        const Seen& one = random.pick(all);
        const Seen& other = random.pick(all);
        Bounds bounds{.limit = random.percent(50) ? random.between(1, 30) : 0,
                      .backward = random.percent(50)};
        if (random.percent(50)) bounds.after = one.position;
        if (random.percent(30)) bounds.from_time = one.timestamp;
        if (random.percent(30)) bounds.to_time = other.timestamp;
        if (random.percent(30)) bounds.as_of = other.position;
        found.push_back(entries(store.read_all(bounds)));
        found.push_back(entries(store.read_space("sp0", bounds)));
        found.push_back(entries(store.read_spaces({{"sp0", 0}, {"sp1", other.position}}, bounds)));
        SegmentBounds of_segment{.from_time = bounds.from_time,
                                 .to_time = bounds.to_time,
                                 .after = bounds.after,
                                 .limit = bounds.limit,
                                 .backward = bounds.backward,
                                 .as_of = bounds.as_of};
        if (random.percent(50)) of_segment.from = random.between(1, one.sequence + 3);
        if (random.percent(50)) of_segment.to = random.between(1, other.sequence + 3);
        found.push_back(entries(store.read_segment(one.space, one.segment, of_segment)));
    }
    return found;
}

/// Records that are found in the files' bytes, by `damage_stored`.
std::string record(std::uint64_t number) {
    return fmt::format("record number {}", number);
}

}  // namespace

TEST_CASE("joined frames: every read gives what it gave before the drain, and behind gatherings") {
    const std::uint64_t seed = static_cast<std::uint64_t>(std::random_device{}());
    INFO("seed ", seed);
    for (const bool pieces : {false, true}) {
        for (const ReadMode mode : {ReadMode::mapped, ReadMode::copied}) {
            CAPTURE(pieces);
            Random random(seed);
            Options options = bursts_options(pieces);
            options.read_mode = mode;
            StoreFixture store(options);
            fill_in_bursts(*store, random, 30);
            std::vector<Seen> all = entries(store->read_all());
            const Random bounds(random.next());
            auto expected = answers(*store, bounds, all);
            const auto check = [&] {
                REQUIRE(entries(store->read_all()) == all);
                CHECK((answers(*store, bounds, all) == expected));
                CHECK(must(store->verify()).damages.empty());
            };
            must(store->drain());
            check();
            store.reopen();
            check();
            fill_in_bursts(*store, random, 10);
            must(store->drain());
            all = entries(store->read_all());
            expected = answers(*store, bounds, all);
            must(store->gather());
            check();
            store.reopen();
            check();
        }
    }
}

TEST_CASE("joined frames: who has come to a record goes on behind it when its frame is joined") {
    constexpr std::uint64_t records = 60;
    for (const bool pieces : {false, true})
        for (const bool gathered : {false, true})
            for (const std::uint64_t given : {1, 30, 59}) {
                CAPTURE(pieces);
                CAPTURE(gathered);
                CAPTURE(given);
                StoreFixture store(bursts_options(pieces));
                for (std::uint64_t i = 1; i <= records; ++i) {
                    must(store->append("sp", "a", record(i)));
                    // Before a gathering each is in a pack of its own.
                    if (gathered) must(store->drain());
                }
                std::vector<Reader> readers;
                readers.push_back(store->read_segment("sp", "a"));
                readers.push_back(store->read_space("sp"));
                readers.push_back(store->read_all());
                readers.push_back(store->read_segment("sp", "a", {.backward = true}));
                readers.push_back(store->read_space("sp", {.backward = true}));
                auto of_segment = store->follow_segment("sp", "a");
                auto of_space = store->follow_space("sp");
                std::vector<std::vector<std::uint64_t>> found(readers.size() + 2);
                const auto take = [](const Result<Entry>* entry, std::vector<std::uint64_t>& into) {
                    if (entry == nullptr) return false;
                    into.push_back(must(*entry).sequence.value);
                    return true;
                };
                const auto go_on = [&](std::uint64_t most) {
                    for (std::size_t i = 0; i < readers.size(); ++i)
                        for (std::uint64_t n = 0; n < most && take(readers[i].next(), found[i]);)
                            ++n;
                    for (std::uint64_t n = 0; n < most; ++n) {
                        if (!take(of_segment.try_next(), found[readers.size()])) break;
                        if (!take(of_space.try_next(), found[readers.size() + 1])) break;
                    }
                };
                go_on(given);
                must(store->drain());
                if (gathered) must(store->gather());
                go_on(records);
                auto backward = numbers(1, records);
                std::reverse(backward.begin(), backward.end());
                for (std::size_t i = 0; i < found.size(); ++i) {
                    CAPTURE(i);
                    CHECK(found[i] == (i == 3 || i == 4 ? backward : numbers(1, records)));
                }
            }
}

TEST_CASE("joined frames: a closed store takes little more than its records") {
    StoreFixture store;
    constexpr std::uint64_t records = 20'000;
    for (std::uint64_t i = 0; i < records; ++i)
        must(store->append("sp", "a", std::string(100, 'x'), {}, Durability::buffered));
    must(store->drain());
    const Metrics metrics = store->metrics();
    CHECK(metrics.drained_bytes > records * 150);  // of frames of their own
    CHECK(metrics.stored_bytes > records * 126);
    CHECK(metrics.stored_bytes < records * 130);
    store.close();
    std::uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(store.directory())) {
        const std::string name = file.path().filename().string();
        if (!name.starts_with("log-")) bytes += file.file_size();
    }
    CHECK(bytes < records * 130);
}

TEST_CASE("joined frames: who has sought a record goes on behind it") {
    constexpr std::uint64_t records = 70;
    constexpr std::uint64_t damaged = 40;
    for (const ReadMode mode : {ReadMode::mapped, ReadMode::copied})
        for (const bool pieces : {false, true})
            for (const bool gathered : {false, true})
                for (const bool damage : {false, true}) {
                    CAPTURE(pieces);
                    CAPTURE(gathered);
                    CAPTURE(damage);
                    Options options = bursts_options(pieces);
                    options.read_mode = mode;
                    StoreFixture store(options);
                    for (std::uint64_t i = 1; i < records; ++i) {
                        must(store->append("sp", "a", record(i) + std::string(100, '.')));
                        if (gathered && !pieces && i % 20 == 0) must(store->drain());
                    }
                    must(store->drain());
                    must(store->append("sp", "a", ""));  // alone, and nothing behind its header
                    must(store->drain());
                    if (gathered) must(store->gather());
                    store.close();
                    if (damage) REQUIRE(damage_stored(store.directory(), record(damaged)) == 1);
                    store.open();
                    const auto is_read = [&](const Result<Entry>* entry, std::uint64_t sequence) {
                        if (sequence == 0 || sequence > records) return entry == nullptr;
                        if (entry == nullptr) return false;
                        if (damage && sequence == damaged) return code(*entry) == Errc::corrupt;
                        return entry->has_value() && (**entry).sequence == sequence;
                    };
                    for (std::uint64_t sought = 1; sought <= records; ++sought) {
                        CAPTURE(sought);
                        Reader forward = store->read_segment("sp", "a");
                        Reader backward = store->read_segment("sp", "a", {.backward = true});
                        CHECK(is_read(forward.seek(sought), sought));
                        CHECK(is_read(backward.seek(sought), sought));
                        if (damage && sought == damaged) continue;
                        for (std::uint64_t i = sought + 1; i <= std::min(sought + 5, records + 1);
                             ++i) {
                            CHECK(is_read(forward.next(), i));
                            if (damage && i == damaged) break;
                        }
                        for (std::uint64_t i = sought - 1; i + 5 >= sought; --i) {
                            CHECK(is_read(backward.next(), i));
                            if (i == 0 || (damage && i == damaged)) break;
                        }
                    }
                }
}

TEST_CASE("joined frames: damage costs the record that it hits, and no other") {
    constexpr std::uint64_t records = 40;
    for (const bool pieces : {false, true})
        for (const bool gathered : {false, true})
            for (const std::uint64_t hit : {1, 2, 20, 39, 40}) {
                CAPTURE(pieces);
                CAPTURE(gathered);
                CAPTURE(hit);
                StoreFixture store(bursts_options(pieces));
                for (std::uint64_t i = 1; i <= records; ++i) {
                    must(store->append("sp", "a", record(i) + std::string(100, '.')));
                    if (!pieces && gathered && i == 25) must(store->drain());
                }
                must(store->drain());
                if (gathered) must(store->gather());
                store.close();
                REQUIRE(damage_stored(store.directory(), record(hit)) == 1);
                store.open();
                const auto check = [&](const Delivery& read, std::vector<std::uint64_t> expected) {
                    CHECK(sequences(read.entries) == expected);
                    REQUIRE(read.error);
                    CHECK(read.error->code() == Errc::corrupt);
                    CHECK(read.error->message().find(" at offset ") != std::string::npos);
                };
                const auto before = numbers(1, hit - 1);
                auto behind = numbers(hit + 1, records);
                std::reverse(behind.begin(), behind.end());
                check(read_to_end(store->read_segment("sp", "a")), before);
                check(read_to_end(store->read_space("sp")), before);
                check(read_to_end(store->read_all()), before);
                check(read_to_end(store->read_segment("sp", "a", {.backward = true})), behind);
                check(read_to_end(store->read_space("sp", {.backward = true})), behind);
                for (std::uint64_t i = 1; i <= records; ++i) {
                    CAPTURE(i);
                    Reader alone = store->read_segment("sp", "a", {.from = i, .to = i});
                    const Result<Entry>* entry = alone.next();
                    REQUIRE(entry != nullptr);
                    CHECK(entry->has_value() == (i != hit));
                    if (*entry) CHECK((**entry).sequence == i);
                    Reader in_space = store->read_space("sp", {.after = i - 1, .limit = 1});
                    const Result<Entry>* same = in_space.next();
                    REQUIRE(same != nullptr);
                    CHECK(same->has_value() == (i != hit));
                    if (*same) CHECK((**same).position == i);
                }
                CHECK(must(store->verify()).damages.size() == 1);
            }
}

TEST_CASE("joined frames: behind one damaged frame another one's sound records are found") {
    for (const bool pieces : {false, true}) {
        CAPTURE(pieces);
        StoreFixture store(bursts_options(pieces));
        constexpr std::uint64_t records = 150;
        for (std::uint64_t i = 1; i <= records; ++i)
            must(store->append("sp", "a", record(i) + std::string(100, '.')));
        must(store->drain());
        store.close();
        // In two frames, one behind the other: of such records one has less than 50.
        for (const std::uint64_t hit : {30, 70, 110})
            REQUIRE(damage_stored(store.directory(), record(hit)) == 1);
        store.open();
        for (std::uint64_t i = 1; i <= records; ++i) {
            CAPTURE(i);
            Reader reader = store->read_segment("sp", "a", {.from = i});
            const Result<Entry>* entry = reader.next();
            REQUIRE(entry != nullptr);
            CHECK(entry->has_value() == (i != 30 && i != 70 && i != 110));
        }
    }
}

TEST_CASE("joined frames: who doesn't want the segment is stopped no sooner than by its damage") {
    StoreFixture store(bursts_options(false));
    for (std::uint64_t i = 1; i <= 40; ++i) {
        must(store->append("sp", "a", record(i) + std::string(40, '.')));
        must(store->append("sp", "b", "of b"));
    }
    must(store->drain());
    must(store->gather());
    store.close();
    REQUIRE(damage_stored(store.directory(), record(20)) == 1);
    store.open();
    auto follower = store->follow_space("sp", {.segments = {"b"}});
    std::vector<std::uint64_t> found;
    const Result<Entry>* entry = follower.try_next();
    for (; entry != nullptr && *entry; entry = follower.try_next())
        found.push_back((**entry).sequence.value);
    CHECK(found == numbers(1, 19));
    REQUIRE(entry != nullptr);
    CHECK(code(*entry) == Errc::corrupt);
    const Position last = 2 * 19;
    auto again = store->follow_space("sp", {.after = last - 6, .segments = {"b"}});
    const Result<Entry>* next = again.try_next();
    REQUIRE(next != nullptr);
    CHECK(next->has_value());
}

TEST_CASE("joined frames: what was damaged in memory gets no new checksum from a drain") {
    constexpr std::size_t records = 30;
    for (const std::size_t hit : {0, 7, 29}) {
        CAPTURE(hit);
        sim::SimDisk disk(1);
        const auto engine =
            must(Engine::open(disk.borrow(), bursts_options(false), Engine::Threads::none));
        for (std::size_t i = 0; i < records; ++i) {
            TransactionBody body(engine->options());
            body.append("sp", "a", as_bytes(record(i + 1)), {});
            must(engine->commit(body, Durability::buffered));
        }
        const auto queue = must(disk.make_queue(8, nullptr));
        while (engine->step_log(*queue)) continue;
        const auto chunk = engine->parts().arena.find(hit + 1);
        REQUIRE(chunk != nullptr);
        const auto& node = chunk->node(chunk->find(hit + 1, chunk->nodes()));
        // The last byte of the payload.
        const_cast<std::byte*>(node.frame)[node.view().length() - 1] ^= std::byte{1};
        must(engine->drain());
        EntryBounds bounds;
        const auto reader = engine->read_segment("sp", "a", bounds);
        std::size_t given = 0;
        const Result<Entry>* entry = reader->next();
        for (; entry != nullptr && *entry; entry = reader->next())
            CHECK(as_text((**entry).payload) == record(++given));
        CHECK(given == hit);
        REQUIRE(entry != nullptr);
        CHECK(entry->error().code() == Errc::corrupt);
        CHECK(must(engine->verify()).damages.size() == 1);
        must(engine->close());
    }
}

TEST_CASE("joined frames: a damaged header is told, and costs its frame") {
    for (const bool pieces : {false, true}) {
        CAPTURE(pieces);
        StoreFixture store(bursts_options(pieces));
        for (std::uint64_t i = 1; i <= 200; ++i)
            must(store->append("sp", "a", record(i) + std::string(100, '.')));
        must(store->drain());
        const auto all = entries(store->read_segment("sp", "a"));
        store.close();
        for (const auto& file : std::filesystem::directory_iterator(store.directory())) {
            const std::string name = file.path().filename().string();
            if (!name.starts_with(pieces ? "segment-" : "pack-")) continue;
            // Of the first frame: the first sequence.
            const std::streamoff at = (pieces ? 4096 : 128 + 16) + 24;
            std::fstream stream(file.path(), std::ios::binary | std::ios::in | std::ios::out);
            stream.seekp(at);
            stream.put(100);
        }
        store.open();
        for (const bool of_space : {false, true}) {
            const Delivery read =
                read_to_end(of_space ? store->read_space("sp") : store->read_segment("sp", "a"));
            CHECK(read.entries.empty());
            REQUIRE(read.error);
            CHECK(read.error->code() == Errc::corrupt);
        }
        // What lies behind is found.
        const auto later = entries(store->read_segment("sp", "a", {.from = 190}));
        CHECK((later == std::vector<Seen>(all.begin() + 189, all.end())));
        CHECK(must(store->verify()).damages.size() >= 1);
    }
}

}  // namespace braid::test
