// Trimming a segment: what is gone, what stays, and what a cursor is told.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

/// Ten entries in each of two segments of space sp, one by one and by turns: "a" has the odd
/// positions 1 to 19, "b" the even ones.
void fill_by_turns(Store& store) {
    for (std::uint64_t i = 1; i <= 10; ++i) {
        must_append(store, "sp", "a", i, i);
        must_append(store, "sp", "b", i, i);
    }
}

std::uint64_t stored_files(const std::string& directory, std::string_view prefix) {
    std::uint64_t count = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory))
        if (file.path().filename().string().starts_with(prefix)) ++count;
    return count;
}

std::uint64_t stored_bytes(const std::string& directory) {
    std::uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
        const std::string name = file.path().filename().string();
        if (!name.starts_with("pack-") && !name.starts_with("segment-")) continue;
        std::error_code gone;  // packs are gathered all the while
        const std::uint64_t size = file.file_size(gone);
        if (!gone) bytes += size;
    }
    return bytes;
}

void check_trimmed(const Delivery& delivery, std::uint64_t through, std::uint64_t first_left) {
    REQUIRE(delivery.error);
    CHECK(delivery.error->code() == Errc::trimmed);
    REQUIRE(delivery.error->trimmed());
    CHECK(delivery.error->trimmed()->trimmed_through == through);
    CHECK(delivery.error->trimmed()->first_left == first_left);
}

/// What a store holds whose segment a, of `fill_by_turns`, is trimmed through sequence 4, which is
/// position 7.
void check_trimmed_store(Store& store) {
    CHECK(sequences(entries(store.read_segment("sp", "a"))) == numbers(5, 10));
    CHECK(sequences(entries(store.read_segment("sp", "a", {.backward = true}))) ==
          std::vector<std::uint64_t>{10, 9, 8, 7, 6, 5});
    CHECK(sequences(entries(store.read_segment("sp", "a", {.from = 5, .to = 6}))) == numbers(5, 6));
    CHECK(sequences(entries(store.read_segment("sp", "a", {.after = 7}))) == numbers(5, 10));
    check_trimmed(read_to_end(store.read_segment("sp", "a", {.from = 4})), 7, 9);
    check_trimmed(read_to_end(store.read_segment("sp", "a", {.after = 5})), 7, 9);
    CHECK(sequences(entries(store.read_segment(
              "sp", "a", {.from = 2, .on_trimmed = OnTrimmed::skip}))) == numbers(5, 10));
    CHECK(sequences(entries(store.read_segment("sp", "b"))) == numbers(1, 10));

    const std::vector<std::uint64_t> left{2,  4,  6,  8,  9,  10, 11, 12,
                                          13, 14, 15, 16, 17, 18, 19, 20};
    check_trimmed(read_to_end(store.read_space("sp", {.after = 3})), 7, 4);
    check_trimmed(read_to_end(store.read_space("sp")), 7, 2);
    check_trimmed(read_to_end(store.read_all({.after = 6})), 7, 8);
    CHECK(positions(entries(store.read_space("sp", {.on_trimmed = OnTrimmed::skip}))) == left);
    CHECK(positions(entries(store.read_all({.on_trimmed = OnTrimmed::skip}))) == left);
    CHECK(positions(entries(store.read_space("sp", {.after = 7}))) == numbers(8, 20));
    auto backward = positions(entries(store.read_space("sp", {.backward = true})));
    std::reverse(backward.begin(), backward.end());
    CHECK(backward == left);

    const auto status = store.status("sp", "a");
    REQUIRE(status);
    CHECK(status->first_sequence == 5);
    CHECK(status->last_sequence == 10);
    CHECK(status->first_timestamp == entries(store.read_segment("sp", "a")).front().timestamp);
    CHECK(store.verify()->damages.empty());
    CHECK(store.verify()->unknown_files.empty());
}

}  // namespace

TEST_CASE("S-18 trim: what is before is gone at once, and stays gone") {
    with_every_size([](StoreFixture& fixture) {
        fill_by_turns(*fixture);
        REQUIRE(fixture->trim("sp", "a", 4));
        check_trimmed_store(*fixture);
        fixture.reopen();
        check_trimmed_store(*fixture);
        REQUIRE(fixture->trim("sp", "a", 2));  // is so already
        check_trimmed_store(*fixture);
        fixture.in_killed_process([](Store&) { return true; });
        check_trimmed_store(*fixture);
    });
}

TEST_CASE("trim: survives a kill right after it was acknowledged") {
    with_every_size([](StoreFixture& fixture) {
        fixture.in_killed_process([](Store& store) {
            fill_by_turns(store);
            return store.trim("sp", "a", 4).has_value();
        });
        check_trimmed_store(*fixture);
    });
}

TEST_CASE("trim: a segment that is trimmed wholly keeps its numbers") {
    with_every_size([](StoreFixture& fixture) {
        fill_by_turns(*fixture);
        REQUIRE(fixture->trim("sp", "a", 10));
        for (int round = 0; round < 2; ++round) {
            CHECK(entries(fixture->read_segment("sp", "a")).empty());
            CHECK_FALSE(fixture->peek("sp", "a")->has_value());
            const auto status = fixture->status("sp", "a");
            CHECK(status->first_sequence == 11);
            CHECK(status->last_sequence == 10);
            CHECK(status->last_position == 19);
            CHECK(*fixture->segments("sp") == std::vector<std::string>{"a", "b"});
            fixture.reopen();
        }
        const auto refused = fixture->append("sp", "a", "x", {.expect = expect::none()});
        CHECK(refused.error().code() == Errc::conflict);
        REQUIRE(fixture->append("sp", "a", "x", {.expect = expect::sequence(11)}));
        CHECK(sequences(entries(fixture->read_segment("sp", "a"))) == numbers(11, 11));
        CHECK((**fixture->peek("sp", "a"))->sequence == 11);
    });
}

TEST_CASE("trim: a wrong call changes nothing") {
    StoreFixture fixture;
    fill_by_turns(*fixture);
    CHECK(fixture->trim("sp", "missing", 1).error().code() == Errc::not_found);
    CHECK(fixture->trim("nowhere", "a", 1).error().code() == Errc::not_found);
    CHECK(fixture->trim("sp", "a", 11).error().code() == Errc::out_of_range);
    REQUIRE(fixture->trim("sp", "a", 0));
    CHECK(positions(entries(fixture->read_space("sp"))) == numbers(1, 20));
}

TEST_CASE("trim: a reader in the middle is told, and may go on with what is left") {
    with_every_size([](StoreFixture& fixture) {
        for (std::uint64_t i = 1; i <= 2000; ++i)
            REQUIRE(fixture->append("sp", "a", test_data(i), {}, Durability::buffered));
        must_append(*fixture, "sp", "b", 1, 1);
        for (const OnTrimmed way : {OnTrimmed::refuse, OnTrimmed::skip}) {
            const std::uint64_t through = way == OnTrimmed::refuse ? 1200 : 1500;
            Reader segment = fixture->read_segment("sp", "a", {.on_trimmed = way});
            Reader space = fixture->read_space("sp", {.after = through - 1000, .on_trimmed = way});
            const auto* entry = segment.next();
            REQUIRE((entry != nullptr && *entry));
            const KeptEntry kept = (*entry)->keep();
            const std::string payload(kept->text());
            REQUIRE(space.next() != nullptr);
            REQUIRE(fixture->trim("sp", "a", through));
            CHECK(kept->text() == payload);  // stays valid
            for (Reader* reader : {&segment, &space}) {
                // What the reader held already may still come; then either is true.
                std::uint64_t last = 0;
                bool told = false;
                while (const auto* next = reader->next()) {
                    if (!*next) {
                        told = (*next).error().code() == Errc::trimmed;
                        break;
                    }
                    last = (*next)->position.value;
                }
                CHECK(told == (way == OnTrimmed::refuse));
                if (way == OnTrimmed::skip) CHECK(last >= 2000);
            }
        }
    });
}

TEST_CASE("trim: space comes back") {
    Options options = small_options();
    StoreFixture fixture(options);
    const std::string payload(2000, 'x');
    for (std::uint64_t i = 1; i <= 400; ++i) {
        REQUIRE(fixture->append("sp", "long", payload, {}, Durability::buffered));
        REQUIRE(
            fixture->append("sp", fmt::format("s{}", i % 7), "short", {}, Durability::buffered));
    }
    REQUIRE(fixture->drain());
    const std::uint64_t before = stored_bytes(fixture.directory());
    const std::uint64_t packs = stored_files(fixture.directory(), "pack-");
    REQUIRE(packs > 2);
    REQUIRE(fixture->trim("sp", "long", 399));
    for (int i = 0; i < 7; ++i)
        REQUIRE(fixture->trim("sp", fmt::format("s{}", i), i == 1 ? 57 : 56));
    CHECK(stored_bytes(fixture.directory()) < before / 4);
    CHECK(stored_files(fixture.directory(), "pack-") < packs);
    for (int round = 0; round < 2; ++round) {
        if (round == 0)
            CHECK(sequences(entries(fixture->read_segment("sp", "long"))) == numbers(400, 400));
        CHECK(fixture->verify()->damages.empty());
        for (std::uint64_t i = 1; i <= 20; ++i) REQUIRE(fixture->append("sp", "long", payload));
        REQUIRE(fixture->trim("sp", "long", 400));
        REQUIRE(fixture->drain());
        CHECK(entries(fixture->read_segment("sp", "long")).size() == 20 * (round + 1));
        fixture.reopen();
        if (round == 0) REQUIRE(fixture->append("sp", "s1", "again"));
    }
}

TEST_CASE("trim: what is retired and comes back after a crash is removed by the next opening") {
    StoreFixture fixture(small_options());
    fill_by_turns(*fixture);
    REQUIRE(fixture->drain());
    const std::string pack = fixture.directory() + "/pack-000001";
    const std::string saved = fixture.directory() + "/../saved-pack";
    std::filesystem::copy_file(pack, saved, std::filesystem::copy_options::overwrite_existing);
    REQUIRE(fixture->trim("sp", "a", 10));
    REQUIRE(fixture->trim("sp", "b", 10));
    REQUIRE_FALSE(std::filesystem::exists(pack));
    fixture.close();
    std::filesystem::rename(saved, pack);
    fixture.open();
    CHECK_FALSE(std::filesystem::exists(pack));
    must_append(*fixture, "sp", "a", 11, 11);
    REQUIRE(fixture->drain());
    CHECK_FALSE(std::filesystem::exists(pack));  // its number is never used again
    CHECK(sequences(entries(fixture->read_segment("sp", "a"))) == numbers(11, 11));
}

TEST_CASE("trim concurrent: what is appended while a trim is planned isn't retired with it") {
    Options options = small_options();
    options.tail_bytes_max = 64 << 20;
    options.transaction_bytes_max = 4 << 20;
    options.log_bytes_max = 64 << 20;
    options.segment_file_bytes = 4 << 20;
    StoreFixture fixture(options);
    const std::string payload(9000, 'x');
    std::uint64_t last = 0;
    for (std::uint64_t round = 0; round < 20; ++round) {
        // So many that a trim is busy with them for longer than a commit takes.
        for (int i = 0; i < 20'000; ++i)
            REQUIRE(fixture->append("sp", "a", "x", {}, Durability::buffered));
        REQUIRE(fixture->drain());
        last += 20'000;
        std::thread writer([&] {
            std::this_thread::sleep_for(std::chrono::microseconds(100 * (round % 10)));
            static_cast<void>(fixture->append("sp", "a", payload));
        });
        const auto trimmed = fixture->trim("sp", "a", last);
        writer.join();
        REQUIRE(trimmed);
        REQUIRE(fixture->drain());
        CHECK(sequences(entries(fixture->read_segment("sp", "a"))) == numbers(last + 1, last + 1));
        ++last;
        if (round % 5 == 4) fixture.reopen();
    }
    CHECK(fixture->verify()->damages.empty());
}

}  // namespace braid::test
