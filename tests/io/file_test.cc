#include <doctest/doctest.h>

#include <algorithm>

#include "tests/io/scripted_file.h"

namespace braid::test {
namespace {

using io::WriteMode;

TEST_CASE("a write carries on after short writes, EINTR and EAGAIN") {
    ScriptedFile file;
    file.answers = {3, -EINTR, 1, -EAGAIN, 10};
    const auto bytes = pattern(100);
    CHECK(file.write(bytes, 0, WriteMode::durable));
    CHECK(file.content == bytes);
}

TEST_CASE("a write of which the system does nothing is an error, not an endless loop") {
    ScriptedFile file;
    file.answers = {5, 0};
    const auto result = file.write(pattern(10), 0, WriteMode::cached);
    CHECK(result.error().code() == Errc::io);
    CHECK(result.error().message() == "write scripted at offset 5: the system wrote 0 of 5 bytes");
}

TEST_CASE("a write that the system puts off for ever fails") {
    ScriptedFile file;
    file.answers.assign(io::idle_tries_max, -EAGAIN);
    const auto result = file.write(pattern(10), 0, WriteMode::cached);
    CHECK(result.error().system_error() == EAGAIN);
}

TEST_CASE("an empty write does nothing") {
    ScriptedFile file;
    CHECK(file.write({}, 7, WriteMode::durable));
    CHECK(file.calls == 0);
}

TEST_CASE("a failed write names the call, the file, the offset and the reason") {
    ScriptedFile file;
    file.answers = {4, -EIO};
    const auto error = file.write(pattern(10), 8, WriteMode::cached).error();
    CHECK(error.code() == Errc::io);
    CHECK(error.system_error() == EIO);
    CHECK(error.message() == "write scripted at offset 12: Input/output error");
}

TEST_CASE("a full disk, a quota and a file size limit are no_space") {
    for (const int error : {ENOSPC, EDQUOT, EFBIG}) {
        ScriptedFile file;
        file.answers = {-error};
        CHECK(file.write(pattern(1), 0, WriteMode::cached).error().code() == Errc::no_space);
    }
}

TEST_CASE("a short direct write is carried on from a whole block") {
    ScriptedFile file;
    file.unit = 4096;
    file.answers = {512, 5000, 4096};
    const auto bytes = pattern(4 * 4096);
    CHECK(file.write(bytes, 0, WriteMode::durable));
    CHECK(file.content == bytes);
}

TEST_CASE("a direct write that never gets a block done fails") {
    ScriptedFile file;
    file.unit = 4096;
    file.answers.assign(io::idle_tries_max, 512);
    CHECK(file.write(pattern(4096), 0, WriteMode::durable).error().code() == Errc::io);
}

TEST_CASE("a read carries on after short reads and interruptions, and stops at the end") {
    ScriptedFile file;
    file.content = pattern(50);
    file.answers = {7, -EINTR, -EAGAIN, 1};
    std::vector<std::byte> into(80);
    CHECK(*file.read(into, 0) == 50);
    CHECK(std::equal(file.content.begin(), file.content.end(), into.begin()));
    CHECK(*file.read(into, 50) == 0);
}

TEST_CASE("a direct read stops at an end within a block, and carries on when cut short before it") {
    ScriptedFile file;
    file.unit = 4096;
    file.content = pattern(2 * 4096 + 100);
    file.answers = {4096 + 512};
    std::vector<std::byte> into(4 * 4096);
    CHECK(*file.read(into, 0) == 2 * 4096 + 100);
    CHECK(std::equal(file.content.begin(), file.content.end(), into.begin()));
}

TEST_CASE("a read error is an error and not an end") {
    ScriptedFile file;
    file.content = pattern(50);
    file.answers = {7, -EIO};
    std::vector<std::byte> into(50);
    CHECK(file.read(into, 0).error().message() == "read scripted at offset 7: Input/output error");
}

TEST_CASE("an interrupted sync is asked again, a failed one is not") {
    ScriptedFile file;
    file.answers = {-EINTR, 0};
    CHECK(file.sync());
    file.calls = 0;
    file.answers = {-EIO, 0};
    CHECK(file.sync().error().system_error() == EIO);
    CHECK(file.calls == 1);
}

TEST_CASE("mapping beyond the end is refused") {
    ScriptedFile file;
    file.content = pattern(10);
    const auto error = file.map(11).error();
    CHECK(error.code() == Errc::corrupt);
    CHECK(error.message() == "map scripted: expected 11 bytes, the file ends at 10");
}

}  // namespace
}  // namespace braid::test
