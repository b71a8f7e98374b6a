#include "io/log_sync.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include "io/posix_file.h"
#include "tests/io/temporary_directory.h"
#include "tests/main.h"

namespace braid::test {
namespace {

using io::LogSync;

TEST_CASE("log sync: flushes are chosen where they are clearly faster") {
    CHECK(io::choose_log_sync({}) == LogSync::synchronous_writes);  // nothing was measured
    CHECK(io::choose_log_sync({100, 100}) == LogSync::synchronous_writes);
    CHECK(io::choose_log_sync({100, 70}) == LogSync::synchronous_writes);
    CHECK(io::choose_log_sync({100, 69}) == LogSync::fdatasync);
    CHECK(io::choose_log_sync({20, 26}) == LogSync::synchronous_writes);
    CHECK(io::choose_log_sync({4'007'000, 1'643'000}) == LogSync::fdatasync);
}

TEST_CASE("log sync: a disk says what it uses, and measures once when it is asked to choose") {
    const TemporaryDirectory directory;
    for (const LogSync asked :
         {LogSync::automatic, LogSync::synchronous_writes, LogSync::fdatasync}) {
        auto disk = io::open_disk(directory.path(), io::Backend::automatic, false, asked);
        REQUIRE(disk);
        if (asked == LogSync::automatic) CHECK((*disk)->log_sync() == "not measured");
        REQUIRE((*disk)->open("file", {.write = true, .create = true, .direct = true}));
        const std::string used = (*disk)->log_sync();
        if (asked == LogSync::synchronous_writes) CHECK(used == "synchronous_writes");
        if (asked == LogSync::fdatasync) CHECK(used == "fdatasync");
        CHECK((used.starts_with("synchronous_writes") || used.starts_with("fdatasync")));
        REQUIRE((*disk)->open("file", {.write = true, .direct = true}));
        CHECK((*disk)->log_sync() == used);
        CHECK((*disk)->list()->size() == 1);  // measuring leaves nothing behind
    }
}

TEST_CASE("log sync: both ways write the same through every queue") {
    const TemporaryDirectory directory;
    alignas(io::block_bytes) static std::byte block[2 * io::block_bytes];
    for (std::size_t i = 0; i < sizeof block; ++i) block[i] = static_cast<std::byte>(i * 7 + 1);
    for (const auto backend : {io::Backend::automatic, io::Backend::posix}) {
        for (const LogSync way : {LogSync::synchronous_writes, LogSync::fdatasync}) {
            auto disk = io::open_disk(directory.path(), backend, false, way);
            REQUIRE(disk);
            auto file = (*disk)->open(
                "file", {.write = true, .create = true, .truncate = true, .direct = true});
            REQUIRE(file);
            auto queue = (*disk)->make_queue(4, nullptr);
            REQUIRE(queue);
            for (std::uint64_t i = 0; i < 4; ++i)
                (*queue)->submit({.mode = io::WriteMode::durable,
                                  .file = file->get(),
                                  .bytes = block,
                                  .offset = i * sizeof block,
                                  .token = i});
            for (int i = 0; i < 4; ++i) CHECK((*queue)->wait().result);
            REQUIRE((*file)->write(block, 4 * sizeof block, io::WriteMode::durable));
            const auto cached = (*disk)->open("file", {});
            REQUIRE(cached);
            const auto bytes = io::read_whole(**cached);
            REQUIRE(bytes);
            REQUIRE(bytes->size() == 5 * sizeof block);
            for (std::size_t i = 0; i < bytes->size(); ++i)
                if ((*bytes)[i] != block[i % sizeof block]) FAIL("byte " << i);
        }
    }
}

TEST_CASE("log sync: a failed flush is a failed write") {
    // The null device takes every write, and refuses to flush.
    io::PosixFile file("null", ::open("/dev/null", O_RDWR | O_CLOEXEC), false, true);
    const std::byte byte{1};
    const auto result = file.write({&byte, 1}, 0, io::WriteMode::durable);
    REQUIRE(!result);
    CHECK(result.error().system_error() == EINVAL);
    CHECK(file.write({&byte, 1}, 0, io::WriteMode::cached));
}

}  // namespace
}  // namespace braid::test
