// Packs that are gathered by segment: everything that is read stays the same.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

Options gathering(std::uint32_t packs) {
    Options options = default_options();
    options.gather_packs = packs;
    return options;
}

std::vector<std::string> pack_files(const std::string& directory) {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(directory))
        if (file.path().filename().string().starts_with("pack-"))
            names.push_back(file.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

/// Everything that can be asked for of a store of segments g0 to g<segments> in spaces a and b.
struct Contents {
    Contents(Store& store, std::uint64_t segments) {
        all = entries(store.read_all({.on_trimmed = OnTrimmed::skip}));
        for (const char* space : {"a", "b"}) {
            streams.push_back(entries(store.read_space(space, {.on_trimmed = OnTrimmed::skip})));
            streams.push_back(entries(store.read_space(space, {.backward = true})));
            for (std::uint64_t i = 0; i < segments; ++i) {
                const std::string name = fmt::format("g{}", i);
                streams.push_back(entries(store.read_segment(space, name)));
                streams.push_back(entries(store.read_segment(space, name, {.backward = true})));
            }
        }
        for (std::uint64_t cursor = 0; cursor <= all.size(); cursor += 7)
            for (const Source& source : {Source("a"), Source("b", "g1"), Source()})
                lags.push_back(must(store.lag(source, cursor)));
    }
    bool operator==(const Contents&) const = default;

    std::vector<Seen> all;
    std::vector<std::vector<Seen>> streams;
    std::vector<std::uint64_t> lags;
};

/// One record for each of some segments of two spaces, so often, with a drain behind each round.
void fill(Store& store, std::uint64_t segments, std::uint64_t rounds, std::uint64_t first = 0) {
    for (std::uint64_t round = first; round < first + rounds; ++round) {
        Transaction transaction = store.begin();
        for (std::uint64_t i = 0; i < segments; ++i) {
            const std::string payload(10 + (i * 37 + round * 11) % 150, 'a');
            transaction.append("a", fmt::format("g{}", (i * 13 + round) % segments), payload);
            if ((i + round) % 3 == 0) transaction.append("b", fmt::format("g{}", i), "in b");
        }
        must(transaction.commit());
        must(store.drain());
    }
}

/// For what the drain's thread does in its own time.
template <class Condition>
void wait_until(const Condition& is_so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!is_so() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
}

void check_sound(Store& store) {
    const auto report = must(store.verify());
    for (const Damage& damage : report.damages)
        FAIL_CHECK(damage.file << " at " << damage.offset << ": " << damage.what);
    CHECK(report.unknown_files.empty());
}

TEST_CASE("gather: what is read is the same before and afterwards, and after a reopening") {
    for (const ReadMode mode : {ReadMode::mapped, ReadMode::copied}) {
        Options options = gathering(0);
        options.read_mode = mode;
        StoreFixture store(options);
        fill(*store, 50, 12);
        const Contents before(*store, 50);
        REQUIRE(pack_files(store.directory()).size() == 12);
        must(store->gather());
        CHECK(pack_files(store.directory()) == std::vector<std::string>{"pack-000013"});
        CHECK(store->stat().packs_by_level == std::vector<std::uint64_t>{0, 1});
        CHECK(store->stat().redirected_packs == 12);
        CHECK(store->metrics().gatherings == 1);
        CHECK(Contents(*store, 50) == before);
        check_sound(*store);
        store.reopen();
        CHECK(Contents(*store, 50) == before);
        check_sound(*store);
        // Again, with what came behind it: links lead there through two packs.
        fill(*store, 50, 5, 12);
        const Contents more(*store, 50);
        must(store->gather());
        CHECK(pack_files(store.directory()) == std::vector<std::string>{"pack-000019"});
        CHECK(Contents(*store, 50) == more);
        store.reopen();
        CHECK(Contents(*store, 50) == more);
        check_sound(*store);
        must(store->gather());
        CHECK(pack_files(store.directory()) == std::vector<std::string>{"pack-000019"});
    }
}

TEST_CASE("gather: a get, and reading from the middle of a long segment, both ways") {
    StoreFixture store(gathering(0));
    std::uint64_t last = 0;
    for (int drain = 0; drain < 8; ++drain) {
        for (int i = 0; i < 500; ++i, ++last) {
            must_append(*store, "a", "long", last + 1, last + 1, Durability::buffered);
            if (i % 50 == 0)
                must(store->append("a", fmt::format("short{}", i), std::string(3000, 'x'), {},
                                   Durability::buffered));
        }
        must(store->drain());
    }
    must(store->gather());
    REQUIRE(store->stat().packs == 1);
    for (std::uint64_t wanted = 1; wanted <= last; wanted += 13) {
        const auto one = entries(store->read_segment("a", "long", {.from = wanted, .to = wanted}));
        REQUIRE(one.size() == 1);
        CHECK(one.front().payload == test_data(wanted));
    }
    CHECK(sequences(entries(store->read_segment("a", "long", {.from = 1234}))) ==
          numbers(1234, last));
    auto back =
        sequences(entries(store->read_segment("a", "long", {.to = 1234, .backward = true})));
    std::reverse(back.begin(), back.end());
    CHECK(back == numbers(1, 1234));
}

TEST_CASE("gather: it happens by itself, again and again, and keeps packs few") {
    for (const std::uint32_t packs : {2U, 3U}) {
        StoreFixture store(gathering(packs));
        fill(*store, 10, 40);
        const Contents contents(*store, 10);
        wait_until([&] { return store->stat().packs <= 12; });
        CHECK(store->stat().packs <= 12);
        CHECK(Contents(*store, 10) == contents);
        store.reopen();
        CHECK(Contents(*store, 10) == contents);
        check_sound(*store);
    }
}

TEST_CASE("gather: pieces stay where they are, and their entries in order") {
    Options options = small_options();
    options.gather_packs = 0;
    StoreFixture store(options);
    for (std::uint64_t round = 0; round < 6; ++round) {
        must_append(*store, "a", "large", round * 400 + 1, round * 400 + 400);
        must_append(*store, "a", "g0", round + 1, round + 1);
        must_append(*store, "b", "g1", round + 1, round + 1);
        must(store->drain());
    }
    REQUIRE(store->stat().pieces >= 6);
    const auto large = entries(store->read_segment("a", "large"));
    const Contents before(*store, 2);
    must(store->gather());
    CHECK(Contents(*store, 2) == before);
    CHECK(entries(store->read_segment("a", "large")) == large);
    must(store->trim("a", "large", 1000));
    const Contents trimmed(*store, 2);
    store.reopen();
    CHECK(Contents(*store, 2) == trimmed);
    CHECK(sequences(entries(store->read_segment("a", "large"))) == numbers(1001, 2400));
    check_sound(*store);
    must_append(*store, "a", "large", 2401, 2800);
    must(store->gather());
    CHECK(sequences(entries(store->read_segment("a", "large"))) == numbers(1001, 2800));
    check_sound(*store);
}

TEST_CASE("gather: what is trimmed is left out, and its space comes back") {
    StoreFixture store(gathering(0));
    fill(*store, 20, 10);
    for (std::uint64_t i = 0; i < 20; ++i)
        must(store->trim("a", fmt::format("g{}", i), i % 2 == 0 ? 8 : 10));
    const Contents before(*store, 20);
    const std::uint64_t bytes = store->stat().pack_bytes;
    must(store->gather());
    CHECK(store->stat().packs == 1);
    CHECK(store->stat().pack_bytes < bytes / 2);
    CHECK(Contents(*store, 20) == before);
    store.reopen();
    CHECK(Contents(*store, 20) == before);
    check_sound(*store);
    // Lags go on being exact behind it, and everything may go in the end.
    fill(*store, 20, 3, 10);
    const Contents more(*store, 20);
    must(store->gather());
    CHECK(Contents(*store, 20) == more);
    for (std::uint64_t i = 0; i < 20; ++i) {
        must(store->trim("a", fmt::format("g{}", i), 13));
        const auto status = must(store->status("b", fmt::format("g{}", i)));
        must(store->trim("b", fmt::format("g{}", i), status.last_sequence));
    }
    CHECK(store->stat().packs == 0);
    CHECK(pack_files(store.directory()).empty());
    must(store->gather());
    fill(*store, 20, 2, 13);
    const Contents last(*store, 20);
    store.reopen();
    CHECK(Contents(*store, 20) == last);
    check_sound(*store);
}

TEST_CASE("gather: half of a pack is trimmed, and it is written anew by itself") {
    StoreFixture store(gathering(64));
    fill(*store, 40, 1);
    const std::uint64_t bytes = store->stat().pack_bytes;
    for (std::uint64_t i = 0; i < 38; ++i) must(store->trim("a", fmt::format("g{}", i), 1));
    wait_until([&] { return store->metrics().gatherings != 0; });
    CHECK(store->metrics().gatherings >= 1);
    CHECK(store->stat().pack_bytes < bytes);
    CHECK(sequences(entries(store->read_segment("a", "g39"))) == numbers(1, 1));
    check_sound(*store);
}

TEST_CASE("gather: readers and kept entries that stand in packs which go") {
    StoreFixture store(gathering(0));
    fill(*store, 30, 8);
    const auto all = entries(store->read_all());
    auto reader = store->read_all();
    auto backward = store->read_all({.backward = true});
    auto of_segment = store->read_segment("a", "g3");
    auto follower = store->follow_space("b");
    std::vector<KeptEntry> kept;
    std::vector<Seen> read;
    std::vector<Seen> read_back;
    for (int i = 0; i < 20; ++i) {
        const auto* entry = reader.next();
        REQUIRE(entry != nullptr);
        kept.push_back((*entry)->keep());
        read.push_back(seen(**entry));
        const auto* back = backward.next();
        REQUIRE(back != nullptr);
        read_back.push_back(seen(**back));
    }
    REQUIRE(of_segment.next() != nullptr);
    const auto in_b = entries(store->read_space("b"));
    std::vector<Seen> followed;
    const auto follow_one = [&] {
        const auto* entry = follower.next(std::chrono::seconds(5));
        REQUIRE(entry != nullptr);
        followed.push_back(seen(must(*entry)));
    };
    for (int i = 0; i < 5; ++i) follow_one();
    must(store->gather());
    REQUIRE(store->stat().packs == 1);
    while (const auto* entry = reader.next()) read.push_back(seen(**entry));
    CHECK(read == all);
    while (const auto* entry = backward.next()) read_back.push_back(seen(**entry));
    std::reverse(read_back.begin(), read_back.end());
    CHECK(read_back == all);
    CHECK(sequences(entries(std::move(of_segment))) == numbers(2, 8));
    while (followed.size() < in_b.size()) follow_one();
    CHECK(followed == in_b);
    for (std::size_t i = 0; i < kept.size(); ++i) CHECK(seen(*kept[i]) == all[i]);
}

TEST_CASE("gather: a store that is open read-only beside it reads on, and refreshes") {
    for (const ReadMode mode : {ReadMode::mapped, ReadMode::copied}) {
        StoreFixture store(gathering(0));
        fill(*store, 30, 8);
        must_append(*store, "a", "undrained", 1, 5);
        Options options;
        options.read_only = true;
        options.read_mode = mode;
        options.open_files_max = 2;
        Store viewer = must(Store::open(store.directory(), options));
        const Contents before(viewer, 30);
        const auto undrained = entries(viewer.read_segment("a", "undrained"));
        auto reader = viewer.read_all();
        REQUIRE(reader.next() != nullptr);
        // What the writer gathers reaches beyond what the viewer knows.
        fill(*store, 35, 2, 8);
        must(store->gather());
        REQUIRE(pack_files(store.directory()).size() == 1);
        CHECK(entries(std::move(reader)).size() == before.all.size() - 1);
        CHECK(Contents(viewer, 30) == before);
        CHECK(entries(viewer.read_segment("a", "undrained")) == undrained);
        CHECK(must(viewer.verify()).damages.empty());
        must(viewer.refresh());
        CHECK(Contents(viewer, 35) == Contents(*store, 35));
    }
}

TEST_CASE("gather: a segment whose extents in a damaged pack can't be read is told of by name") {
    StoreFixture store(gathering(0));
    fill(*store, 10, 6);
    must_append(*store, "a", "victim", 1, 1);
    must(store->gather());
    store.close();
    REQUIRE(damage_stored(store.directory(), test_data(1)) == 1);
    store.open();
    const auto read = read_to_end(store->read_segment("a", "victim"));
    REQUIRE(read.error);
    CHECK(read.error->code() == Errc::corrupt);
    CHECK(read.error->message().find("pack-") != std::string::npos);
    CHECK(sequences(entries(store->read_segment("a", "g3"))) == numbers(1, 6));
    CHECK(must(store->verify()).damages.size() == 1);
    // What is damaged isn't gathered, nor lost.
    fill(*store, 10, 1, 6);
    const auto packs = pack_files(store.directory());
    const auto gathered = store->gather();
    REQUIRE_FALSE(gathered);
    CHECK(gathered.error().code() == Errc::corrupt);
    CHECK(pack_files(store.directory()) == packs);
    CHECK(sequences(entries(store->read_segment("a", "g3"))) == numbers(1, 7));
}

TEST_CASE("gather: concurrent commits, drains, reads, trims and verifies beside it") {
    Options options = small_options();
    options.gather_packs = 2;
    StoreFixture store(options);
    std::atomic<bool> done{false};
    std::thread writer([&] {
        for (std::uint64_t i = 1; i <= (sanitized ? 100U : 600U); ++i) {
            Transaction transaction = store->begin();
            for (std::uint64_t g = 0; g < 10; ++g)
                transaction.append("a", fmt::format("g{}", g), test_data(i),
                                   expecting(expect::sequence(i)));
            CHECK(transaction.commit(Durability::buffered).has_value());
            if (i % 5 == 0) CHECK(store->drain().has_value());
            if (i % 50 == 0) CHECK(store->trim("a", "g9", i / 2).has_value());
        }
        done = true;
    });
    std::thread gatherer([&] {
        while (!done) CHECK(store->gather().has_value());
    });
    while (!done) {
        for (const char* name : {"g1", "g7"}) {
            const auto read = entries(store->read_segment("a", name));
            CHECK(sequences(read) == numbers(1, read.size()));
        }
        std::uint64_t before = 0;
        for (const std::uint64_t position :
             positions(entries(store->read_space("a", {.on_trimmed = OnTrimmed::skip})))) {
            CHECK(position > before);
            before = position;
        }
        CHECK(must(store->verify()).damages.empty());
    }
    writer.join();
    gatherer.join();
    const Contents contents(*store, 10);
    store.reopen();
    CHECK(Contents(*store, 10) == contents);
    check_sound(*store);
}

}  // namespace
}  // namespace braid::test
