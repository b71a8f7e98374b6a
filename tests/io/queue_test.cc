#include "io/queue.h"

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <thread>

#include "tests/io/scripted_file.h"
#include "tests/io/temporary_directory.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

using io::Completion;
using io::Request;
using io::WriteMode;

Request write_of(io::File& file, Bytes bytes, std::uint64_t offset, std::uint64_t token,
                 WriteMode mode = WriteMode::cached) {
    return {Request::Kind::write, mode, &file, bytes, offset, token};
}

Request sync_of(io::File& file, std::uint64_t token) {
    return {Request::Kind::sync, WriteMode::cached, &file, {}, 0, token};
}

/// A queue whose raw answers are a script; the bytes go to the file.
class ScriptedQueue : public io::Queue {
public:
    std::deque<std::int64_t> answers;

protected:
    void reserve_slots(std::size_t) override {}
    void start(const Request& request, std::size_t slot) override {
        started_.push_back({request, slot});
    }
    bool reap(RawCompletion& out, bool) override {
        if (started_.empty()) return false;
        const auto [request, slot] = started_.front();
        started_.pop_front();
        std::int64_t result = static_cast<std::int64_t>(request.bytes.size());
        if (!answers.empty()) {
            result = answers.front();
            answers.pop_front();
        }
        if (result > 0) {
            const std::int64_t written =
                request.file->raw_write(request.bytes.first(result), request.offset, request.mode);
            CHECK(written == result);
        }
        out = {slot, result};
        return true;
    }

private:
    std::deque<std::pair<Request, std::size_t>> started_;
};

TEST_CASE("a queue's write that comes back short or interrupted leaves no hole and no duplicate") {
    ScriptedFile file;
    ScriptedQueue queue;
    queue.answers = {10, -EINTR, 1, -EAGAIN, 50};
    const auto bytes = pattern(100);
    queue.submit(write_of(file, bytes, 20, 7));
    const Completion done = queue.wait();
    CHECK(done.result);
    CHECK(done.token == 7);
    CHECK(queue.in_flight() == 0);
    CHECK(file.content.size() == 120);
    CHECK(std::vector<std::byte>(file.content.begin() + 20, file.content.end()) == bytes);
}

TEST_CASE("a cancelled request, a write of nothing and one put off for ever are failures") {
    ScriptedFile file;
    ScriptedQueue queue;
    const auto bytes = pattern(10);
    queue.answers = {4, -ECANCELED};
    queue.submit(write_of(file, bytes, 0, 1));
    CHECK(queue.wait().result.error().system_error() == ECANCELED);
    queue.answers = {4, 0};
    queue.submit(write_of(file, bytes, 0, 2));
    CHECK(queue.wait().result.error().message() ==
          "write scripted at offset 4: the system wrote 0 of 6 bytes");
    queue.answers.assign(io::idle_tries_max, -EAGAIN);
    queue.submit(write_of(file, bytes, 0, 3));
    CHECK(queue.wait().result.error().system_error() == EAGAIN);
    queue.answers = {-EIO};
    queue.submit(sync_of(file, 4));
    CHECK(queue.wait().result.error().message() == "sync scripted: Input/output error");
}

TEST_CASE("a short direct write of a queue goes on from a whole block") {
    ScriptedFile file;
    file.unit = 4096;
    ScriptedQueue queue;
    queue.answers = {4096 + 512, 4096};
    const auto bytes = pattern(3 * 4096);
    queue.submit(write_of(file, bytes, 0, 1));
    CHECK(queue.wait().result);
    CHECK(file.content == bytes);
}

TEST_CASE("polling a queue with nothing in flight finds nothing") {
    ScriptedQueue queue;
    Completion none;
    CHECK_FALSE(queue.poll(none));
}

TEST_CASE("the blocking queue does everything, with short writes carried on") {
    ScriptedFile file;
    file.answers = {1, -EINTR, 2};
    const auto queue = io::make_blocking_queue();
    const auto bytes = pattern(64);
    queue->submit(write_of(file, bytes, 0, 1, WriteMode::durable));
    queue->submit(sync_of(file, 2));
    CHECK(queue->in_flight() == 2);
    std::map<std::uint64_t, bool> done;
    Completion completion;
    while (queue->poll(completion)) done[completion.token] = completion.result.has_value();
    CHECK(done == std::map<std::uint64_t, bool>{{1, true}, {2, true}});
    CHECK(file.content == bytes);
}

/// Many writes and syncs over a queue of few: all are done, each once, and the bytes are right.
void writes_a_file(io::Disk& disk, bool direct) {
    auto file = disk.open("many", {.write = true, .create = true, .direct = direct});
    REQUIRE(file);
    auto queue = disk.make_queue(4, nullptr);
    REQUIRE(queue);
    constexpr std::size_t blocks = 40;
    // Direct files want aligned addresses.
    std::vector<std::byte> room(blocks * io::block_bytes + io::block_bytes);
    void* start = room.data();
    std::size_t space = room.size();
    std::align(io::block_bytes, blocks * io::block_bytes, start, space);
    const std::span bytes(static_cast<std::byte*>(start), blocks * io::block_bytes);
    const auto wanted = pattern(bytes.size());
    std::copy(wanted.begin(), wanted.end(), bytes.begin());
    for (std::size_t i = 0; i < blocks; ++i) {
        (*queue)->submit(write_of(**file, bytes.subspan(i * io::block_bytes, io::block_bytes),
                                  i * io::block_bytes, i,
                                  i % 2 == 0 ? WriteMode::durable : WriteMode::cached));
    }
    std::vector<int> seen(blocks);
    while ((*queue)->in_flight() > 0) {
        Completion done;
        if (!(*queue)->poll(done)) done = (*queue)->wait();
        CHECK_MESSAGE(done.result, "request ", done.token);
        ++seen[done.token];
    }
    CHECK(seen == std::vector<int>(blocks, 1));
    (*queue)->submit(sync_of(**file, 99));
    CHECK((*queue)->wait().result);
    auto reader = disk.open("many", {});
    REQUIRE(reader);
    const auto got = read_whole(**reader);
    CHECK(*got == wanted);
}

TEST_CASE("a queue takes more requests than its depth and does each once") {
    const TemporaryDirectory directory;
    for (const auto kind : {backend(), io::Backend::posix}) {
        const auto disk = io::open_disk(directory.path(), kind, false);
        REQUIRE(disk);
        CAPTURE((*disk)->backend());
        writes_a_file(**disk, false);
        writes_a_file(**disk, true);
    }
    for (std::uint64_t seed = 1; seed < 50; ++seed) {
        sim::SimDisk disk(seed);
        disk.fail({.call = sim::Call::write, .nth = 3, .result = -EINTR});
        disk.fail({.call = sim::Call::write, .nth = 5, .result = 700});
        disk.fail({.call = sim::Call::write, .nth = 9, .result = -EAGAIN});
        writes_a_file(disk, seed % 2 == 0);
    }
}

TEST_CASE("a queue made on one thread may be used from another") {
    const TemporaryDirectory directory;
    const auto disk = io::open_disk(directory.path(), backend(), false);
    REQUIRE(disk);
    auto file = (*disk)->open("f", {.write = true, .create = true});
    auto queue = (*disk)->make_queue(4, nullptr);
    REQUIRE(queue);
    const auto bytes = pattern(100);
    std::thread engine([&] {
        (*queue)->submit(write_of(**file, bytes, 0, 1, WriteMode::durable));
        CHECK((*queue)->wait().result);
    });
    engine.join();
    CHECK(*read_whole(**file) == bytes);
}

TEST_CASE("a write that the file refuses comes back as a failed completion") {
    const TemporaryDirectory directory;
    for (const auto kind : {backend(), io::Backend::posix}) {
        const auto disk = io::open_disk(directory.path(), kind, false);
        REQUIRE(disk);
        REQUIRE((*disk)->open("read-only", {.create = true}));
        auto file = (*disk)->open("read-only", {});
        auto queue = (*disk)->make_queue(4, nullptr);
        const auto bytes = pattern(100);
        (*queue)->submit(write_of(**file, bytes, 0, 1, WriteMode::durable));
        CHECK((*queue)->wait().result.error().system_error() == EBADF);
    }
}

}  // namespace
}  // namespace braid::test
