// Runs a store until its file system is full, frees space, and goes on in the same process; then
// opens it while it is full, and when it isn't any more (rules 14 and 15 of docs/testing.md).
//
//   full_disk_test --directory DIRECTORY [--io uring|posix] [--limit files] [--seed N]
//
// DIRECTORY must be a file system of its own; with `--limit files` it is any, and the length of
// files is limited instead. The last line is `N passed, N failed`.

#include <fmt/format.h>

#include <atomic>
#include <braid/braid.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/full/space.h"

namespace {

namespace fs = std::filesystem;
using namespace braid;
using full::Space;
using Clock = std::chrono::steady_clock;

struct Arguments {
    std::string directory;
    Io io = Io::automatic;
    bool limit = false;
    std::uint64_t seed = std::random_device()();
};

constexpr std::uint64_t room_bytes = 12 << 20;        // left for the store by the ballast
constexpr std::uint64_t file_bytes_max = 1200 << 10;  // with `--limit files`
constexpr unsigned refusals_wanted = 25;              // one after the other: it is full
constexpr unsigned commits_max = 200'000;
constexpr std::chrono::seconds recovery_max{20};  // of space that was given back

/// Ends the program with a sentence.
[[noreturn]] void fail(std::string_view what) {
    fmt::print("FAILED: {}\n0 passed, 1 failed\n", what);
    std::fflush(stdout);
    std::_Exit(1);
}

void must(const Result<void>& result, std::string_view what) {
    if (!result) fail(fmt::format("{}: {}", what, result.error().message()));
}

std::string payload_of(std::uint64_t id, std::size_t bytes) {
    std::string payload = fmt::format("{} ", id);
    payload.resize(std::max(payload.size(), bytes), static_cast<char>('a' + id % 26));
    return payload;
}

class FullDiskTest {
public:
    FullDiskTest(const Arguments& arguments, Space& space)
        : arguments_(arguments), space_(space), random_(arguments.seed) {}

    void run() {
        take_space();
        open();
        fill();
        space_.give_back();
        go_on();
        close_and_check();
        take_space();
        open_while_full();
        space_.give_back();
        open();
        go_on();
        close_and_check();
        fmt::print("{}: {} transactions, {} refused for lack of space\n", backend_,
                   payloads_.size(), refused_);
    }

private:
    [[nodiscard]] Options options(bool read_only = false) const {
        Options options;
        options.create = !read_only;
        options.read_only = read_only;
        options.io = arguments_.io;
        options.log_file_bytes = 1 << 20;
        options.log_bytes_max = 8 << 20;
        options.tail_bytes_max = 2 << 20;
        options.arena_chunk_bytes = 64 << 10;
        options.piece_bytes_min = 64 << 10;
        return options;
    }

    [[nodiscard]] std::string directory() const { return arguments_.directory + "/store"; }

    void take_space() { space_.leave(arguments_.limit ? file_bytes_max : room_bytes); }

    void open() {
        auto opened = Store::open(directory(), options());
        if (!opened) fail("opening: " + opened.error().message());
        store_ = std::make_unique<Store>(std::move(*opened));
        backend_ = store_->stat().io;
    }

    /// A commit, its answer awaited; asynchronous ones are written by the log's thread.
    Result<Receipt> commit(const std::string& payload) {
        Transaction transaction = store_->begin();
        transaction.append("space", fmt::format("segment-{}", payloads_.size() % 5), payload);
        const auto way = random_() % 8;
        if (way == 0) return transaction.commit();
        if (way < 7) return transaction.commit(Durability::buffered);
        std::atomic<bool> done{false};
        std::optional<Result<Receipt>> answer;
        transaction.commit_async([&](Result<Receipt> result) {
            answer.emplace(std::move(result));
            done = true;
            done.notify_one();
        });
        done.wait(false);
        return std::move(*answer);
    }

    /// Commits one. What is refused got no number (rule 14), and is forgotten.
    bool commit_one() {
        const std::size_t bytes = random_() % 16 == 0 ? 100'000 : random_() % 8'000;
        std::string payload = payload_of(payloads_.size(), bytes);
        const Position before = store_->stat().sequenced;
        const auto receipt = commit(payload);
        if (!receipt) {
            if (receipt.error().code() != Errc::no_space)
                fail("a commit on a full disk: " + receipt.error().message());
            if (store_->stat().sequenced != before) fail("a refused commit took a number");
            ++refused_;
            return false;
        }
        payloads_.push_back(std::move(payload));
        if (receipt->first_position != payloads_.size())
            fail(fmt::format("position {} where {} follows", receipt->first_position.value,
                             payloads_.size()));
        return true;
    }

    void fill() {
        unsigned in_a_row = 0;
        for (unsigned i = 0; i < commits_max && in_a_row < refusals_wanted; ++i)
            in_a_row = commit_one() ? 0 : in_a_row + 1;
        if (in_a_row < refusals_wanted) fail("the disk is never full");
        check_contents(*store_);
    }

    /// There is space again: the same process commits, without being opened anew.
    void go_on() {
        const auto end = Clock::now() + recovery_max;
        while (!commit_one())
            if (Clock::now() > end) fail("there is space again, and commits are still refused");
        for (unsigned i = 0; i < 200; ++i)
            if (!commit_one()) fail("refused again, though there is space");
        check_contents(*store_);
    }

    void close_and_check() {
        must(store_->close(), "closing");
        store_.reset();
        open();
        check_contents(*store_);
        const auto report = store_->verify();
        if (!report) fail("verify: " + report.error().message());
        for (const Damage& damage : report->damages)
            fail(fmt::format("{} at offset {}: {}", damage.file, damage.offset, damage.what));
        must(store_->close(), "closing");
        store_.reset();
    }

    /// A reader always finds everything. A writer needs room for a log file, or says so.
    void open_while_full() {
        space_.leave(0);
        {
            const auto reader = Store::open(directory(), options(true));
            if (!reader) fail("reading a full disk: " + reader.error().message());
            check_contents(*reader);
        }
        const auto writer = Store::open(directory(), options());
        if (writer) check_contents(*writer);
        if (!writer && writer.error().code() != Errc::no_space)
            fail("opening on a full disk: " + writer.error().message());
    }

    void check_contents(const Store& store) const {
        std::uint64_t read = 0;
        Reader reader = store.read_all();
        while (const auto* entry = reader.next()) {
            if (!*entry) fail("reading: " + entry->error().message());
            if (read == payloads_.size()) fail("an entry that was never acknowledged");
            if ((*entry)->position != read + 1 || (*entry)->text() != payloads_[read])
                fail(fmt::format("position {} holds something else", read + 1));
            ++read;
        }
        if (read != payloads_.size())
            fail(fmt::format("{} entries of {} acknowledged", read, payloads_.size()));
    }

    const Arguments& arguments_;
    Space& space_;
    std::mt19937_64 random_;
    std::unique_ptr<Store> store_;
    std::string backend_;
    std::vector<std::string> payloads_;  // acknowledged, by position − 1
    std::uint64_t refused_ = 0;
};

bool parse(int argc, char** argv, Arguments& arguments) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const std::string value = argv[i + 1];
        if (name == "--directory") {
            arguments.directory = value;
        } else if (name == "--io") {
            arguments.io = value == "uring" ? Io::uring : Io::posix;
        } else if (name == "--limit") {
            arguments.limit = value == "files";
        } else if (name == "--seed") {
            arguments.seed = std::stoull(value);
        } else {
            return false;
        }
    }
    return argc % 2 == 1 && !arguments.directory.empty();
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    if (!parse(argc, argv, arguments)) {
        std::fputs(
            "usage: full_disk_test --directory DIRECTORY [--io uring|posix] [--limit files] "
            "[--seed N]\n",
            stderr);
        return 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    fmt::print("seed {}\n", arguments.seed);
    fs::remove_all(arguments.directory + "/store");
    full::BallastSpace ballast(arguments.directory);
    full::LimitedSpace limited;
    Space& space = arguments.limit ? static_cast<Space&>(limited) : ballast;
    FullDiskTest(arguments, space).run();
    fs::remove_all(arguments.directory + "/store");
    fmt::print("1 passed, 0 failed\n");
    return 0;
}
