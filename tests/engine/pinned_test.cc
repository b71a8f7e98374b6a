// What kept entries and readers hold after the store has let go of it: counted, and bounded.
#include <fmt/format.h>

#include <deque>
#include <thread>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

/// A tail of 16 KiB in chunks of 4 KiB, two open files, packs of what little there is.
Options tight_options() {
    Options options = default_options();
    options.tail_bytes_max = 16 << 10;
    options.arena_chunk_bytes = 4 << 10;
    options.open_files_max = 2;
    return options;
}

std::string payload_of(std::uint64_t number) {
    return fmt::format("{:0>1000}", number);
}

/// The newest entry of sp/a, whose payload is `payload_of` its sequence.
KeptEntry append_and_keep(Store& store) {
    const std::uint64_t next = last_sequence(store, "sp", "a") + 1;
    must(store.append("sp", "a", payload_of(next)));
    Reader reader = store.read_segment("sp", "a", {.from = next});
    const Result<Entry>* entry = reader.next();
    REQUIRE((entry != nullptr && *entry));
    return (**entry).keep();
}

/// The oldest entry left, as it lies in a stored file.
KeptEntry keep_first(Store& store, std::uint64_t from) {
    Reader reader = store.read_segment("sp", "a", {.from = from});
    const Result<Entry>* entry = reader.next();
    REQUIRE((entry != nullptr && *entry));
    return (**entry).keep();
}

void check_payloads(const std::vector<KeptEntry>& kept) {
    for (const KeptEntry& entry : kept) CHECK(entry->text() == payload_of(entry->sequence.value));
}

}  // namespace

TEST_CASE("R-20 what a kept entry holds is counted from when the store lets go until it ends") {
    StoreFixture fixture(tight_options());
    std::vector<KeptEntry> kept;
    kept.push_back(append_and_keep(*fixture));
    CHECK(fixture->stat().pinned_bytes == 0);  // the tail holds it, too
    must(fixture->drain());
    CHECK(fixture->stat().pinned_bytes == 4 << 10);
    CHECK(fixture->metrics().pinned_bytes == 4 << 10);
    check_payloads(kept);
    kept.clear();
    CHECK(fixture->stat().pinned_bytes == 0);
}

TEST_CASE("R-20 what a reader stands on is counted from when the store lets go until it goes on") {
    StoreFixture fixture(tight_options());
    must_append(*fixture, "sp", "a", 1, 5);
    std::optional<Reader> reader = fixture->read_segment("sp", "a");
    REQUIRE(reader->next() != nullptr);
    must(fixture->drain());
    CHECK(fixture->stat().pinned_bytes == 4 << 10);
    reader.reset();
    CHECK(fixture->stat().pinned_bytes == 0);
}

TEST_CASE("R-20 however many entries of the tail are kept, what they hold is bounded") {
    StoreFixture fixture(tight_options());
    const std::uint64_t bound = 2 * tight_options().tail_bytes_max;
    std::vector<KeptEntry> kept;
    for (int i = 0; i < 100; ++i) {
        kept.push_back(append_and_keep(*fixture));
        must(fixture->drain());
        REQUIRE(fixture->stat().pinned_bytes <= bound);
    }
    CHECK(fixture->stat().pinned_bytes >= tight_options().tail_bytes_max);
    check_payloads(kept);
    fixture.close();
    check_payloads(kept);
}

TEST_CASE("R-20 however many files have entries that are kept, what they hold is bounded") {
    for (const ReadMode mode : {ReadMode::mapped, ReadMode::copied}) {
        CAPTURE(static_cast<int>(mode));
        Options options = tight_options();
        options.read_mode = mode;
        StoreFixture fixture(options);
        constexpr std::uint64_t packs = 60;
        for (std::uint64_t i = 1; i <= packs; ++i) {
            must(fixture->append("sp", "a", payload_of(i)));
            must(fixture->drain());
        }
        const std::uint64_t pack_bytes = fixture->stat().pack_bytes / packs;
        const std::uint64_t bound = options.tail_bytes_max + 3 * (pack_bytes + 4096);
        std::vector<KeptEntry> kept;
        for (std::uint64_t i = 1; i <= packs; ++i) {
            kept.push_back(keep_first(*fixture, i));
            REQUIRE(fixture->stat().pinned_bytes <= bound);
        }
        CHECK(fixture->stat().pinned_bytes >= pack_bytes);
        check_payloads(kept);
        kept.clear();
        CHECK(fixture->stat().pinned_bytes == 0);
    }
}

TEST_CASE("D-17 a file that is trimmed while an entry in it is kept counts until that ends") {
    StoreFixture fixture(tight_options());
    for (std::uint64_t i = 1; i <= 2; ++i) {
        must(fixture->append("sp", "a", payload_of(i)));
        must(fixture->drain());
    }
    std::vector<KeptEntry> kept;
    kept.push_back(keep_first(*fixture, 1));
    CHECK(fixture->stat().pinned_bytes == 0);
    must(fixture->trim("sp", "a", 1));
    CHECK(fixture->stat().pinned_bytes > 0);
    check_payloads(kept);
    kept.clear();
    CHECK(fixture->stat().pinned_bytes == 0);
}

TEST_CASE("R-20 a file that is pinned through both of its mappings counts once") {
    StoreFixture fixture(tight_options());
    must_append(*fixture, "sp", "a", 1, 1);
    for (std::uint64_t next = 2; next <= 20; ++next) must_append(*fixture, "sp", "a", next, next);
    must(fixture->drain());
    std::vector<KeptEntry> kept;
    kept.push_back(keep_first(*fixture, 1));
    // Who reads on changes to the mapping in which is read ahead.
    std::optional<Reader> reader = fixture->read_segment("sp", "a");
    for (int i = 0; i < 19; ++i) REQUIRE(reader->next() != nullptr);
    const Result<Entry>* last = reader->next();
    REQUIRE((last != nullptr && *last));
    kept.push_back((**last).keep());
    reader.reset();
    must(fixture->trim("sp", "a", 20));
    const std::uint64_t pinned = fixture->stat().pinned_bytes;
    CHECK(pinned > 0);
    kept.pop_back();
    CHECK(fixture->stat().pinned_bytes == pinned);
    kept.clear();
    CHECK(fixture->stat().pinned_bytes == 0);
}

TEST_CASE("R-20 concurrent: entries that are kept while they are drained stay what they are") {
    const std::uint64_t appends = sanitized ? 200 : 1000;
    StoreFixture fixture(tight_options());
    const auto keep_the_latest = [&] {
        std::deque<KeptEntry> kept;
        Follower follower = fixture->follow_all();
        for (std::uint64_t position = 1; position <= appends; ++position) {
            const Result<Entry>* entry = follower.next();
            REQUIRE((entry != nullptr && *entry));
            kept.push_back((**entry).keep());
            if (kept.size() > 40) kept.pop_front();
        }
        for (const KeptEntry& entry : kept)
            CHECK(entry->text() == payload_of(entry->sequence.value));
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back(keep_the_latest);
    for (std::uint64_t i = 1; i <= appends; ++i) must(fixture->append("sp", "a", payload_of(i)));
    for (std::thread& thread : threads) thread.join();
    must(fixture->drain());
    CHECK(fixture->stat().pinned_bytes == 0);
}

}  // namespace braid::test
