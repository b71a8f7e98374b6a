#include "tests/sim/sim_disk.h"

#include <doctest/doctest.h>

#include <functional>
#include <set>
#include <string>

#include "tests/io/scripted_file.h"

namespace braid::test {
namespace {

using io::WriteMode;
using sim::Call;
using sim::SimDisk;

std::unique_ptr<io::File> make(SimDisk& disk, const std::string& name, bool direct = false) {
    auto file = disk.open(name, {.write = true, .create = true, .direct = direct});
    REQUIRE(file);
    return std::move(*file);
}

std::string text(const SimDisk& disk, const std::string& name) {
    return std::string(as_text(disk.contents(name)));
}

TEST_CASE("the simulated disk gives back what was written, and gaps as zeros") {
    SimDisk disk;
    const auto file = make(disk, "f");
    const auto bytes = pattern(9000);
    CHECK(file->write(bytes, 5000, WriteMode::cached));
    CHECK(*file->size() == 14000);
    std::vector<std::byte> into(20000);
    CHECK(*file->read(into, 0) == 14000);
    CHECK(into[4999] == std::byte{0});
    CHECK(std::equal(bytes.begin(), bytes.end(), into.begin() + 5000));
    CHECK(as_text((*file->map(14000))->bytes().subspan(5000)) == as_text(bytes));
    CHECK(disk.open("f", {.write = true, .truncate = true}));
    CHECK(*file->size() == 0);
    CHECK(file->write(as_bytes("x"), 9000, WriteMode::cached));
    CHECK(disk.contents("f")[8999] == std::byte{0});
}

TEST_CASE("a file keeps its bytes through renaming and removal while it is open") {
    SimDisk disk;
    const auto file = make(disk, "f");
    CHECK(file->write(as_bytes("bytes"), 0, WriteMode::cached));
    CHECK(disk.rename("f", "g"));
    CHECK(disk.remove("g"));
    CHECK(as_text(*read_whole(*file)) == "bytes");
    CHECK(disk.open("f", {}).error().code() == Errc::not_found);
    CHECK(disk.list()->empty());
}

TEST_CASE("a file opened read-only refuses writes") {
    SimDisk disk;
    make(disk, "f");
    const auto file = disk.open("f", {});
    CHECK((*file)->write(as_bytes("x"), 0, WriteMode::cached).error().system_error() == EBADF);
}

TEST_CASE("direct I/O that isn't in whole blocks is refused") {
    SimDisk disk;
    const auto file = make(disk, "f", true);
    alignas(4096) static std::byte room[3 * 4096];
    const auto error_of = [&](std::size_t start, std::size_t bytes, std::uint64_t offset) {
        const std::span<std::byte> part(room + start, bytes);
        const auto written = file->write(part, offset, WriteMode::durable);
        const auto got = file->read(part, offset);
        CHECK(written.has_value() == got.has_value());
        return written ? 0 : written.error().system_error();
    };
    CHECK(error_of(0, 4096, 0) == 0);
    CHECK(error_of(512, 8192, 4096) == 0);
    CHECK(error_of(0, 4095, 0) == EINVAL);
    CHECK(error_of(0, 4096, 512) == EINVAL);
    CHECK(error_of(8, 4096, 0) == EINVAL);
}

TEST_CASE("a queue takes the bytes when it completes, not when they are submitted") {
    SimDisk disk;
    const auto file = make(disk, "f");
    auto queue = *disk.make_queue(4, nullptr);
    std::vector<std::byte> buffer(3, std::byte{'a'});
    queue->submit({io::Request::Kind::write, WriteMode::durable, file.get(), buffer, 0, 1});
    buffer.assign(3, std::byte{'b'});  // what a caller must not do
    CHECK(queue->wait().result);
    CHECK(text(disk, "f") == "bbb");
}

std::vector<std::uint64_t> order_of_completions(std::uint64_t seed, std::size_t& empty_polls) {
    SimDisk disk(seed);
    const auto file = make(disk, "f");
    auto queue = *disk.make_queue(4, nullptr);
    const auto bytes = pattern(8);
    for (std::uint64_t i = 0; i < 8; ++i) {
        const Bytes one = Bytes(bytes).subspan(i, 1);
        queue->submit({io::Request::Kind::write, WriteMode::cached, file.get(), one, i, i});
    }
    std::vector<std::uint64_t> order;
    while (queue->in_flight() > 0) {
        io::Completion done;
        if (queue->poll(done)) {
            order.push_back(done.token);
        } else {
            ++empty_polls;
        }
    }
    CHECK(disk.contents("f") == bytes);
    return order;
}

TEST_CASE("completions come in an order picked by the seed, and polling may find none") {
    std::set<std::vector<std::uint64_t>> orders;
    std::size_t empty_polls = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        orders.insert(order_of_completions(seed, empty_polls));
        CHECK(order_of_completions(seed, empty_polls) == order_of_completions(seed, empty_polls));
    }
    CHECK(orders.size() > 15);
    CHECK(empty_polls > 0);
}

TEST_CASE("a queue that goes finishes what is in flight") {
    SimDisk disk;
    const auto file = make(disk, "f");
    const auto bytes = pattern(3);
    {
        auto queue = *disk.make_queue(4, nullptr);
        queue->submit({io::Request::Kind::write, WriteMode::durable, file.get(), bytes, 0, 1});
    }
    CHECK(disk.contents("f") == bytes);
}

TEST_CASE("a lock is refused while it is held and free afterwards") {
    SimDisk disk;
    auto lock = disk.lock("LOCK", 0);
    REQUIRE(lock);
    const std::uint64_t before = disk.monotonic_ns();
    CHECK(disk.lock("LOCK", 500).error().code() == Errc::locked);
    CHECK(disk.borrow()->lock("LOCK", 0).error().code() == Errc::locked);
    CHECK(disk.monotonic_ns() == before + 500);
    CHECK(disk.clone()->lock("LOCK", 0));  // another machine
    (*lock).reset();
    CHECK(disk.lock("LOCK", 0));
    CHECK(disk.exists("LOCK"));
}

TEST_CASE("every kind of call can be made to fail, once or from then on") {
    SimDisk disk;
    const auto file = make(disk, "f");
    CHECK(file->write(as_bytes("bytes"), 0, WriteMode::durable));
    std::byte one{};
    const std::pair<Call, std::function<bool()>> calls[] = {
        {Call::open, [&] { return disk.open("f", {}).has_value(); }},
        {Call::read,
         [&] {
             return file->read({&one, 1}, 0).has_value();
         }},
        {Call::write,
         [&] {
             return file->write({&one, 1}, 9, WriteMode::durable).has_value();
         }},
        {Call::sync, [&] { return file->sync().has_value(); }},
        {Call::size, [&] { return file->size().has_value(); }},
        {Call::map, [&] { return file->map(1).has_value(); }},
        {Call::rename, [&] { return disk.rename("f", "f").has_value(); }},
        {Call::remove, [&] { return make(disk, "r") && disk.remove("r").has_value(); }},
        {Call::list, [&] { return disk.list().has_value(); }},
        {Call::sync_directory, [&] { return disk.sync_directory().has_value(); }},
        {Call::lock, [&] { return disk.lock("LOCK", 0).has_value(); }},
        {Call::make_queue, [&] { return disk.make_queue(1, nullptr).has_value(); }},
    };
    for (const auto& one_call : calls) {
        const Call call = one_call.first;
        const auto& works = one_call.second;
        CAPTURE(static_cast<int>(call));
        disk.fail({.call = call, .nth = 2});
        CHECK(works());
        CHECK_FALSE(works());
        CHECK(works());
        disk.fail({.call = call, .nth = 2, .onwards = true});
        CHECK(works());
        CHECK_FALSE(works());
        CHECK_FALSE(works());
        disk.clear_faults();
        CHECK(works());
    }
}

TEST_CASE("a fault may be meant for one file") {
    SimDisk disk;
    const auto a = make(disk, "a");
    const auto b = make(disk, "b");
    disk.fail({.call = Call::write, .result = -ENOSPC, .file = "b"});
    CHECK(a->write(as_bytes("x"), 0, WriteMode::cached));
    CHECK(b->write(as_bytes("x"), 0, WriteMode::cached).error().code() == Errc::no_space);
    CHECK(b->write(as_bytes("x"), 0, WriteMode::cached));
}

TEST_CASE("short and interrupted transfers are carried on") {
    SimDisk disk;
    const auto file = make(disk, "f");
    const auto bytes = pattern(100);
    disk.fail({.call = Call::write, .nth = 1, .result = 7});
    disk.fail({.call = Call::write, .nth = 2, .result = -EINTR});
    disk.fail({.call = Call::write, .nth = 3, .result = -EAGAIN});
    disk.fail({.call = Call::read, .nth = 1, .result = 9});
    disk.fail({.call = Call::read, .nth = 2, .result = -EINTR});
    CHECK(file->write(bytes, 0, WriteMode::cached));
    CHECK(*read_whole(*file) == bytes);
}

TEST_CASE("a cancelled completion is a failure of that request alone") {
    SimDisk disk;
    const auto file = make(disk, "f");
    auto queue = *disk.make_queue(4, nullptr);
    disk.fail({.call = Call::write, .result = -ECANCELED});
    const auto bytes = pattern(2);
    for (std::uint64_t i = 0; i < 2; ++i) {
        const Bytes one = Bytes(bytes).subspan(i, 1);
        queue->submit({io::Request::Kind::write, WriteMode::durable, file.get(), one, i, i});
    }
    CHECK(queue->wait().result.error().system_error() == ECANCELED);
    CHECK(queue->wait().result);
}

TEST_CASE("a full disk refuses what grows files and takes the rest") {
    SimDisk disk;
    const auto file = make(disk, "f");
    const auto direct = make(disk, "d", true);
    disk.set_capacity(10000);
    CHECK(file->write(pattern(5000), 0, WriteMode::durable));
    alignas(4096) static std::byte blocks[2 * 4096];
    CHECK(direct->write(blocks, 0, WriteMode::durable).error().code() == Errc::no_space);
    CHECK(*direct->size() == 4096);  // the part that fits
    CHECK(file->write(pattern(5000), 4000, WriteMode::durable).error().code() == Errc::no_space);
    CHECK(disk.used_bytes() == 10000);
    CHECK(file->write(pattern(5000), 0, WriteMode::durable));
    CHECK(disk.remove("d"));
    CHECK(file->write(pattern(5000), 4000, WriteMode::durable));
}

TEST_CASE("the clock is what the test says, and may go back") {
    SimDisk disk;
    disk.set_clock(1000, 10);
    CHECK(disk.now().value == 1000);
    CHECK(disk.now().value == 1010);
    disk.set_clock(500);
    CHECK(disk.now().value == 500);
    const std::uint64_t before = disk.monotonic_ns();
    disk.advance(7);
    CHECK(disk.now().value == 507);
    CHECK(disk.monotonic_ns() == before + 7);
}

TEST_CASE("random bits come from the seed") {
    SimDisk one(1);
    SimDisk again(1);
    SimDisk two(2);
    const std::uint64_t bits = one.random();
    CHECK(bits == again.random());
    CHECK(bits != two.random());
    CHECK(bits != one.random());
}

TEST_CASE("contents can be damaged") {
    SimDisk disk;
    disk.replace("f", 0, as_bytes("abcdef"));
    disk.flip_bit("f", 8 + 1);
    CHECK(text(disk, "f") == "a`cdef");
    disk.replace("f", 5, as_bytes("xyz"));
    disk.truncate("f", 7);
    CHECK(text(disk, "f") == "a`cdexy");
    CHECK(text(*disk.after_crash(3), "f") == "a`cdexy");
    disk.erase("f");
    CHECK(disk.names().empty());
    CHECK(disk.after_crash(1)->names().empty());
}

TEST_CASE("a clone goes its own way") {
    SimDisk disk;
    const auto file = make(disk, "f");
    CHECK(file->write(as_bytes("first"), 0, WriteMode::cached));
    const auto copy = disk.clone();
    CHECK(file->write(as_bytes("later"), 0, WriteMode::durable));
    CHECK(text(*copy, "f") == "first");
    CHECK((*copy->open("f", {.write = true}))->write(as_bytes("other"), 0, WriteMode::cached));
    CHECK(text(disk, "f") == "later");
    CHECK(copy->io_count() == disk.io_count());
}

}  // namespace
}  // namespace braid::test
