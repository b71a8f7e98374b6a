// However many files a store has, it keeps few of them open.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

/// While it lives this process has descriptors 0 to `count` − 1 only.
class DescriptorLimit {
public:
    explicit DescriptorLimit(rlim_t count) {
        REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const rlimit fewer{std::min(count, before_.rlim_cur), before_.rlim_max};
        REQUIRE(setrlimit(RLIMIT_NOFILE, &fewer) == 0);
    }
    ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
    DescriptorLimit(const DescriptorLimit&) = delete;
    DescriptorLimit& operator=(const DescriptorLimit&) = delete;

private:
    rlimit before_{};
};

std::size_t open_files(const std::string& directory) {
    std::size_t count = 0;
    for (const auto& link : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code error;
        const auto target = std::filesystem::read_symlink(link.path(), error);
        if (!error && target.string().starts_with(directory)) ++count;
    }
    return count;
}

std::size_t files(const std::string& directory, std::string_view prefix) {
    std::size_t count = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory))
        if (file.path().filename().string().starts_with(prefix)) ++count;
    return count;
}

/// Tails of 4 MiB, so that one drain may write many pieces; log files of 16 KiB, so that what
/// isn't flushed yet would take many of them.
Options many_files() {
    Options options = small_options();
    options.tail_bytes_max = 4 << 20;
    options.log_bytes_max = 16 << 20;
    options.open_files_max = 1024;
    return options;
}

constexpr std::uint64_t segments = 200;

void check_segments(Store& store, std::uint64_t records) {
    for (std::uint64_t i = 0; i < segments; ++i) {
        const auto found = entries(store.read_segment("sp", fmt::format("s{}", i)));
        REQUIRE(found.size() == records);
        CHECK(found.back().payload == fmt::format("{:0>6000}", i));
    }
}

TEST_CASE("64 descriptors are enough for hundreds of pieces, packs and log files") {
    for (const ReadMode mode : {ReadMode::mapped, ReadMode::copied}) {
        Options options = many_files();
        options.read_mode = mode;
        const DescriptorLimit limit(64);
        StoreFixture store(options);
        for (std::uint64_t records = 1; records <= 2; ++records) {
            auto transaction = store->begin();
            for (std::uint64_t i = 0; i < segments; ++i) {
                if (i % 50 == 49) {
                    must(transaction.commit(Durability::buffered));
                    transaction = store->begin();
                }
                transaction.append("sp", fmt::format("s{}", i), fmt::format("{:0>6000}", i));
            }
            must(transaction.commit(Durability::buffered));
            must(store->drain());
            check_segments(*store, records);
        }
        for (int i = 0; i < 5'000; ++i)
            must(store->append("sp", "small", "x", {}, Durability::buffered));
        must(store->drain());
        CHECK(files(store.directory(), "segment-") >= segments);
        CHECK(open_files(store.directory()) <= 8);  // the lock, the catalog, a few log files
        store.reopen();
        check_segments(*store, 2);
        CHECK(entries(store->read_all()).size() == 2 * segments + 5'000);
        CHECK(must(store->verify()).damages.empty());
        CHECK(open_files(store.directory()) <= 8);
    }
}

Options gathered_when_asked() {
    Options options = many_files();
    options.gather_packs = 0;
    return options;
}

constexpr std::uint64_t packs = 80;

void fill_packs(Store& store) {
    for (std::uint64_t i = 1; i <= packs; ++i) {
        must_append(store, "sp", "a", i, i);
        must(store.drain());
    }
}

/// Takes descriptors, all but so many, for as long as it lives.
class Taken {
public:
    explicit Taken(std::size_t left) {
        for (int fd = 0; (fd = ::dup(STDERR_FILENO)) >= 0;) taken_.push_back(fd);
        REQUIRE(taken_.size() >= left);
        for (; left > 0; --left) give_back();
    }
    ~Taken() {
        while (!taken_.empty()) give_back();
    }
    Taken(const Taken&) = delete;
    Taken& operator=(const Taken&) = delete;

private:
    void give_back() {
        ::close(taken_.back());
        taken_.pop_back();
    }
    std::vector<int> taken_;
};

TEST_CASE("where somebody else has taken the descriptors, fewer packs are gathered at a time") {
    for (const std::size_t left : {8U, 10U, 12U, 13U, 16U}) {
        CAPTURE(left);
        const DescriptorLimit limit(48);
        StoreFixture store(gathered_when_asked());
        fill_packs(*store);
        CHECK(files(store.directory(), "pack-") == packs);
        {
            const Taken others(left);
            must(store->gather());
        }
        CHECK(files(store.directory(), "pack-") < 10);
        CHECK(sequences(entries(store->read_segment("sp", "a"))) == numbers(1, packs));
        CHECK(open_files(store.directory()) <= 8);
        CHECK(must(store->verify()).damages.empty());
    }
}

TEST_CASE("concurrent: a gathering leaves descriptors to those who read meanwhile") {
    constexpr std::size_t descriptors = 48;
    const DescriptorLimit limit(descriptors);
    StoreFixture store(gathered_when_asked());
    fill_packs(*store);
    std::atomic<bool> is_gathered{false};
    std::thread gatherer([&] {
        must(store->gather());
        is_gathered = true;
    });
    std::size_t most = 0;
    while (!is_gathered) most = std::max(most, open_files(store.directory() + "/pack-"));
    gatherer.join();
    CHECK(most > 2);
    CHECK(most <= descriptors / 4 + 1);  // and the one that it writes
}

}  // namespace
}  // namespace braid::test
