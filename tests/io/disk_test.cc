#include "io/disk.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <thread>

#include "io/backend.h"
#include "io/posix_disk.h"
#include "io/uring_queue.h"
#include "tests/io/scripted_file.h"
#include "tests/io/temporary_directory.h"

namespace braid::test {
namespace {

using io::Backend;
using io::WriteMode;

std::unique_ptr<io::Disk> open(const TemporaryDirectory& directory) {
    auto disk = io::open_disk(directory.path(), backend(), false);
    REQUIRE_MESSAGE(disk, "open_disk failed");
    return std::move(*disk);
}

std::unique_ptr<io::File> make(io::Disk& disk, const std::string& name, Bytes bytes) {
    auto file = disk.open(name, {.write = true, .create = true});
    REQUIRE(file);
    REQUIRE((*file)->write(bytes, 0, WriteMode::durable));
    return std::move(*file);
}

TEST_CASE("what was written is read, mapped, sized and listed") {
    const TemporaryDirectory directory;
    const auto disk = open(directory);
    const auto bytes = pattern(10000);
    const auto file = make(*disk, "b", bytes);
    make(*disk, "a", as_bytes("xyz"));
    CHECK(file->sync());
    CHECK(*file->size() == 10000);
    CHECK(*read_whole(*file) == bytes);
    auto mapping = file->map(10000);
    REQUIRE(mapping);
    CHECK(as_text((*mapping)->bytes()) == as_text(bytes));
    CHECK((*file->map(0))->bytes().empty());
    CHECK(disk->sync_directory());
    const auto entries = disk->list();
    REQUIRE(entries);
    REQUIRE(entries->size() == 2);
    CHECK((*entries).at(0).name == "a");
    CHECK((*entries).at(0).bytes == 3);
    CHECK((*entries).at(1).bytes == 10000);
}

TEST_CASE("a mapping shows what is appended in place of zeros, and outlives the file's name") {
    const TemporaryDirectory directory;
    const auto disk = open(directory);
    auto file = make(*disk, "a", std::vector<std::byte>(4096));
    auto mapping = file->map(4096);
    REQUIRE(mapping);
    CHECK(file->write(as_bytes("later"), 100, WriteMode::cached));
    CHECK(as_text((*mapping)->bytes().subspan(100, 5)) == "later");
    CHECK(disk->remove("a"));
    file.reset();
    CHECK(as_text((*mapping)->bytes().subspan(100, 5)) == "later");
}

/// Through a queue and by the file's own call: both may have to do without the kernel's flag.
void check_uncached(io::Disk& disk, const std::string& name) {
    const auto bytes = pattern(3 << 20);
    const auto file = make(disk, name, {});
    auto queue = disk.make_queue(4, nullptr);
    REQUIRE(queue);
    (*queue)->submit({.mode = WriteMode::uncached, .file = file.get(), .bytes = bytes});
    CHECK((*queue)->wait().result);
    CHECK(file->write(as_bytes("behind"), bytes.size(), WriteMode::uncached));
    auto mapping = file->map(bytes.size());
    REQUIRE(mapping);
    CHECK(as_text((*mapping)->bytes()) == as_text(bytes));
    CHECK(file->sync());
    CHECK(as_text((*mapping)->bytes()) == as_text(bytes));  // whether it was dropped or not
    CHECK(file->write(as_bytes("anew"), 5000, WriteMode::uncached));
    CHECK(as_text((*mapping)->bytes().subspan(5000, 4)) == "anew");
    CHECK(as_text((*mapping)->bytes().first(5000)) == as_text(Bytes(bytes).first(5000)));
    CHECK(*file->size() == bytes.size() + 6);
}

TEST_CASE("what is written uncached is read and mapped as anything else") {
    const TemporaryDirectory directory;
    check_uncached(*open(directory), "f");
}

TEST_CASE("a file tells what the page cache has of it, where the system does") {
    const TemporaryDirectory directory;
    const auto file = make(*open(directory), "f", pattern(10'000));
    const auto cached = file->cached_bytes();
    // Before Linux 6.5 nothing is told, and some file systems keep what they cache elsewhere.
    if (!cached || *cached == 0) return;
    CHECK(*cached >= 10'000);
    CHECK(*cached < 1 << 20);
}

TEST_CASE("a file system that can't write uncached writes cached") {
    if (access("/dev/shm", W_OK) != 0) return;  // tmpfs refuses the flag
    std::string path = "/dev/shm/braid-XXXXXX";
    REQUIRE(mkdtemp(path.data()) != nullptr);
    {
        const auto disk = io::open_disk(path, backend(), false);
        REQUIRE(disk);
        check_uncached(**disk, "f");
        CHECK((*disk)->remove("f"));
    }
    rmdir(path.c_str());
}

TEST_CASE("files are renamed over others, removed, emptied, and missing ones are not_found") {
    const TemporaryDirectory directory;
    const auto disk = open(directory);
    make(*disk, "a", as_bytes("new"));
    make(*disk, "b", as_bytes("old one"));
    CHECK(disk->rename("a", "b"));
    const auto file = disk->open("b", {.write = true});
    REQUIRE(file);
    CHECK(as_text(*read_whole(**file)) == "new");
    CHECK(disk->open("a", {}).error().code() == Errc::not_found);
    CHECK(disk->rename("a", "c").error().code() == Errc::not_found);
    CHECK(disk->remove("a").error().code() == Errc::not_found);
    REQUIRE(disk->open("b", {.write = true, .truncate = true}));
    CHECK(*(*file)->size() == 0);
    CHECK(disk->remove("b"));
    CHECK(disk->list()->empty());
}

TEST_CASE("a directory is made with its parents, and missing ones are not_found") {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/x/y//z/";
    CHECK(io::open_disk(path, backend(), false).error().code() == Errc::not_found);
    CHECK(io::open_disk(path, backend(), true));
    CHECK(io::open_disk(path, backend(), true));
    CHECK(io::open_disk(path, backend(), false));
    CHECK(io::open_disk("", backend(), true).error().code() == Errc::invalid_argument);
    make(*open(directory), "file", {});
    CHECK(io::open_disk(directory.path() + "/file", backend(), true).error().code() == Errc::io);
}

TEST_CASE("a directory without direct I/O is written cached") {
    // tmpfs refuses O_DIRECT before Linux 6.6 and takes it since; both must work.
    if (access("/dev/shm", W_OK) != 0) return;
    std::string path = "/dev/shm/braid-XXXXXX";
    REQUIRE(mkdtemp(path.data()) != nullptr);
    {
        const auto disk = io::open_disk(path, backend(), false);
        REQUIRE(disk);
        const auto file = (*disk)->open("f", {.write = true, .create = true, .direct = true});
        REQUIRE(file);
        alignas(4096) static std::byte block[4096];
        CHECK((*file)->write(block, 0, WriteMode::durable));
        CHECK((*disk)->remove("f"));
    }
    rmdir(path.c_str());
}

TEST_CASE("a lock is refused to everybody else, and free once it is let go") {
    const TemporaryDirectory directory;
    const auto disk = open(directory);
    const auto other = open(directory);
    auto lock = disk->lock("LOCK", 0);
    REQUIRE(lock);
    CHECK(disk->lock("LOCK", 0).error().code() == Errc::locked);
    CHECK(other->lock("LOCK", 5'000'000).error().code() == Errc::locked);
    auto queue = disk->make_queue(4, lock->get());
    REQUIRE(queue);
    (*queue).reset();
    (*lock).reset();
    CHECK(other->lock("LOCK", 0));
    CHECK(disk->list()->size() == 1);  // the file stays
}

TEST_CASE("a lock is waited for") {
    const TemporaryDirectory directory;
    const auto disk = open(directory);
    auto lock = disk->lock("LOCK", 0);
    REQUIRE(lock);
    std::thread waiter([&] { CHECK(disk->lock("LOCK", 60'000'000'000)); });
    (*lock).reset();
    waiter.join();
}

/// Takes the lock, makes a ring, closes the lock's descriptor, says so and waits to be killed.
[[noreturn]] void hold_by_ring_only(const std::string& path, int ready) {
    auto disk = io::open_disk(path, Backend::uring, false);
    auto lock = (*disk)->lock("LOCK", 0);
    auto queue = (*disk)->make_queue(4, lock->get());
    close(dynamic_cast<io::PosixLock&>(**lock).fd());
    const bool said = queue && write(ready, "r", 1) == 1;
    while (said) pause();
    _exit(1);
}

TEST_CASE("a ring keeps the lock held when the process has closed its file") {
    if (backend() == Backend::posix || io::probe_uring() != 0) return;
    const TemporaryDirectory directory;
    int ready[2];
    REQUIRE(pipe(ready) == 0);
    std::cout.flush();  // or the child prints it again
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) hold_by_ring_only(directory.path(), ready[1]);
    char byte = 0;
    close(ready[1]);
    REQUIRE(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    const auto disk = open(directory);
    CHECK(disk->lock("LOCK", 20'000'000).error().code() == Errc::locked);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    CHECK(disk->lock("LOCK", 10'000'000'000));
}

TEST_CASE("the automatic choice falls back to plain calls and says why") {
    const auto works = io::choose_backend(Backend::automatic, 0);
    CHECK(works->uring);
    CHECK(works->description == "uring");
    const auto denied = io::choose_backend(Backend::automatic, EPERM);
    CHECK_FALSE(denied->uring);
    CHECK(denied->description ==
          "posix (io_uring: Operation not permitted: denied by the sysctl kernel.io_uring_disabled "
          "or by a container's seccomp profile)");
    CHECK(io::choose_backend(Backend::posix, EPERM)->description == "posix");
}

TEST_CASE("insisting on io_uring where it is denied is an error with the likely cause") {
    const auto cause = [](int error) {
        const auto denied = io::choose_backend(Backend::uring, error).error();
        CHECK(denied.code() == Errc::io);
        CHECK(denied.system_error() == error);
        return denied.message();
    };
    CHECK(cause(EPERM).find("seccomp") != std::string::npos);
    CHECK(cause(ENOSYS).find("kernel has no io_uring") != std::string::npos);
    CHECK(cause(ENOMEM).find("ulimit -l") != std::string::npos);
    CHECK(cause(EMFILE).find("ulimit -n") != std::string::npos);
    CHECK(cause(EIO).find("Input/output error") != std::string::npos);
}

TEST_CASE("the disk says which way it writes") {
    const TemporaryDirectory directory;
    const auto plain = io::open_disk(directory.path(), Backend::posix, false);
    CHECK((*plain)->backend() == "posix");
    if (io::probe_uring() != 0) return;
    const auto ring = io::open_disk(directory.path(), Backend::automatic, false);
    CHECK((*ring)->backend() == "uring");
}

TEST_CASE("a ring denied later on is replaced by plain calls, or is an error if insisted on") {
    if (io::probe_uring() != 0) return;
    const TemporaryDirectory directory;
    const auto automatic = io::open_disk(directory.path(), Backend::automatic, false);
    const auto insisting = io::open_disk(directory.path(), Backend::uring, false);
    rlimit limit{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const rlimit none{3, limit.rlim_max};  // no descriptor left for a ring
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto fallen_back = (*automatic)->make_queue(4, nullptr);
    const auto refused = (*insisting)->make_queue(4, nullptr);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(fallen_back);
    CHECK((*automatic)->backend() ==
          "posix (io_uring: Too many open files: the limit of open files (ulimit -n) is reached)");
    CHECK(refused.error().system_error() == EMFILE);
}

TEST_CASE("clocks and random bits") {
    const TemporaryDirectory directory;
    const auto disk = open(directory);
    CHECK(disk->now().value > 1'600'000'000'000'000'000);
    const std::uint64_t before = disk->monotonic_ns();
    CHECK(disk->monotonic_ns() >= before);
    CHECK(disk->random() != disk->random());
}

}  // namespace
}  // namespace braid::test
