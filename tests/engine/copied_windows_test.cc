// What is copied of files: as much as is wanted, and no more of it is kept than was said.
#include "engine/copied_windows.h"

#include <fmt/format.h>

#include <fstream>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

using Window = CopiedWindows::Window;

std::shared_ptr<Window> window(FileId id, std::uint64_t begin, std::size_t bytes) {
    auto made = std::make_shared<Window>();
    made->id = id;
    made->begin = begin;
    made->bytes.resize(bytes);
    return made;
}

/// Bytes that this process has read by calls.
std::uint64_t read_so_far() {
    std::ifstream io("/proc/self/io");
    std::string word;
    std::uint64_t bytes = 0;
    io >> word >> bytes;
    REQUIRE(word == "rchar:");
    return bytes;
}

/// A piece of some 8 MB: 1,000 frames of one record each.
constexpr std::uint64_t records = 1'000;
std::string payload_of(std::uint64_t sequence) {
    return fmt::format("{:0>8000}", sequence);
}

Options copied_options() {
    Options options = default_options();
    options.read_mode = ReadMode::copied;
    options.piece_bytes_min = 4096;
    return options;
}

void fill(Store& store) {
    for (std::uint64_t i = 1; i <= records; ++i)
        must(store.append("sp", "a", payload_of(i), {}, Durability::buffered));
    must(store.drain());
}

}  // namespace

TEST_CASE("copied windows: one that holds what is wanted is found, and of its file only") {
    CopiedWindows windows(1 << 20, std::make_shared<segment::Pinned>(0));
    const FileId one{0, 1};
    const FileId other{1, 1};
    const auto first = window(one, 0, 4096);
    const auto second = window(one, 8192, 4096);
    windows.keep(first);
    windows.keep(second);
    CHECK(windows.find(one, 0, 4096) == first);
    CHECK(windows.find(one, 4000, 96) == first);
    CHECK(windows.find(one, 4000, 97) == nullptr);
    CHECK(windows.find(one, 8191, 2) == nullptr);
    CHECK(windows.find(one, 9000, 1) == second);
    CHECK(windows.find(other, 0, 1) == nullptr);
    windows.forget(one);
    CHECK(windows.find(one, 0, 1) == nullptr);
}

TEST_CASE("copied windows: those used longest ago go, and count as pinned while they are") {
    const auto pinned = std::make_shared<segment::Pinned>(0);
    CopiedWindows windows(3 * 4096, pinned);
    const FileId id{0, 1};
    std::vector<std::shared_ptr<const Window>> held;
    for (std::uint64_t i = 0; i < 3; ++i) windows.keep(window(id, i * 4096, 4096));
    held.push_back(windows.find(id, 0, 1));
    CHECK(pinned->bytes() == 0);
    windows.keep(window(id, 3 * 4096, 4096));
    CHECK(windows.find(id, 4096, 1) == nullptr);
    CHECK(windows.find(id, 0, 1) != nullptr);
    windows.keep(window(id, 1 << 20, 1 << 20));  // larger than all may be: the only one
    CHECK(windows.find(id, 1 << 20, 1 << 20) != nullptr);
    CHECK(windows.find(id, 0, 1) == nullptr);
    CHECK(pinned->bytes() == 4096);
    held.clear();
    CHECK(pinned->bytes() == 0);
}

TEST_CASE("copied: a record alone is read with little around it, and what lies near it is there") {
    StoreFixture fixture(copied_options());
    fill(*fixture);
    fixture.reopen();
    Reader reader = fixture->read_segment("sp", "a");
    const auto read_for = [&](Sequence sequence) {
        const std::uint64_t before = read_so_far();
        const Result<Entry>* entry = reader.seek(sequence);
        REQUIRE((entry != nullptr && *entry));
        CHECK((**entry).text() == payload_of(sequence.value));
        return read_so_far() - before;
    };
    read_for(1);  // and the sparse index
    for (const std::uint64_t sequence : {990U, 500U, 20U}) {
        CHECK(read_for(sequence) <= 3 * (64 << 10));
        CHECK(read_for(sequence + 1) <= 64 << 10);
        CHECK(read_for(sequence) <= 8 << 10);  // where the look at /proc counts, too
    }
}

TEST_CASE("copied: a scan reads each byte about once, forward and in the order of commit") {
    StoreFixture fixture(copied_options());
    fill(*fixture);
    fixture.reopen();
    constexpr std::uint64_t all = records * 8000;
    const std::uint64_t before = read_so_far();
    CHECK(entries(fixture->read_segment("sp", "a")).size() == records);
    CHECK(read_so_far() - before < all * 5 / 4);
    CHECK(entries(fixture->read_space("sp")).size() == records);
    CHECK(read_so_far() - before < 2 * all * 5 / 4);
    CHECK(entries(fixture->read_segment("sp", "a", {.backward = true})).size() == records);
    CHECK(read_so_far() - before < 3 * all * 5 / 4);
}

TEST_CASE(
    "copied: a reader of a space goes on where a piece that it reads from is trimmed and gone") {
    for (const ReadMode mode : {ReadMode::mapped, ReadMode::copied}) {
        Options options = copied_options();
        options.read_mode = mode;
        StoreFixture fixture(options);
        for (std::uint64_t i = 1; i <= 200; ++i)
            for (const char* segment : {"a", "b"})
                must(fixture->append("sp", segment, payload_of(i), {}, Durability::buffered));
        must(fixture->drain());
        Reader reader = fixture->read_space("sp", {.on_trimmed = OnTrimmed::skip});
        for (int i = 0; i < 50; ++i) REQUIRE(reader.next() != nullptr);
        must(fixture->trim("sp", "a", 200));
        std::uint64_t last = 25;  // of b
        while (const Result<Entry>* entry = reader.next()) {
            REQUIRE(*entry);
            if ((**entry).segment == "a") continue;  // was taken before
            CHECK((**entry).sequence == ++last);
            CHECK((**entry).text() == payload_of(last));
        }
        CHECK(last == 200);
    }
}

}  // namespace braid::test
