// A store that is closed by one thread while others trim, drain and wait for room; also run under
// ThreadSanitizer, which finds the case by the word "concurrent".
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <thread>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

/// Every file of a directory with what it holds.
std::map<std::string, std::string> contents(const std::string& directory) {
    std::map<std::string, std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
        std::ifstream stream(file.path(), std::ios::binary);
        files[file.path().filename()] = {std::istreambuf_iterator<char>(stream), {}};
    }
    return files;
}

/// Calls again and again, on a thread of its own, until it is told that the store is closed.
class UntilClosed {
public:
    template <class Call>
    void run(Call call) {
        threads_.emplace_back([this, call] {
            for (std::uint64_t i = 1;; ++i, ++calls_) {
                const auto result = call(i);
                if (result) continue;
                if (result.error().code() == Errc::closed) return;
                ++wrong_;
            }
        });
    }
    void await_calls(std::uint64_t count) const {
        while (calls_ < count) std::this_thread::yield();
    }
    /// Answers that were neither yes nor `closed`.
    [[nodiscard]] std::uint64_t join() {
        for (std::thread& thread : threads_) thread.join();
        return wrong_;
    }

private:
    std::atomic<std::uint64_t> calls_ = 0;
    std::atomic<std::uint64_t> wrong_ = 0;
    std::vector<std::thread> threads_;
};

TEST_CASE("concurrent: who comes too late for a close writes nothing any more") {
    Options options = small_options();
    options.metrics_interval = {};
    const std::string payload(3000, 'x');
    for (int round = 0; round < (sanitized ? 10 : 40); ++round) {
        StoreFixture fixture(options);
        must_append(fixture.store(), "sp", "a", 1, 100);
        UntilClosed late;
        for (int i = 0; i < 3; ++i)
            late.run([&](auto) {
                return fixture->append("sp", "b", payload, {}, Durability::buffered);
            });
        for (int i = 0; i < 2; ++i) late.run([&](auto) { return fixture->drain(); });
        late.run([&](std::uint64_t i) {
            return fixture->trim("sp", "a", Sequence(std::min<std::uint64_t>(i, 90)));
        });
        late.await_calls(60);
        CHECK(fixture->close().has_value());
        const auto left = contents(fixture.directory());
        CHECK(late.join() == 0);
        CHECK(bool(contents(fixture.directory()) == left));
        fixture.reopen();
        CHECK(must(fixture->verify()).damages.empty());
    }
}

}  // namespace
}  // namespace braid::test
