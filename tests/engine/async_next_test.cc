#include <doctest/doctest.h>

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <braid/asio.hpp>
#include <deque>
#include <functional>
#include <thread>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

namespace asio = boost::asio;

/// Follows until so many entries have come, one `async_next` after the other.
class Chain {
public:
    Chain(asio::io_context& context, Follower follower, std::uint64_t wanted)
        : context_(context), follower_(std::move(follower)), wanted_(wanted) {}

    void go_on() {
        async_next(follower_, asio::bind_executor(context_, [this](const Result<Entry>& entry) {
                       if (!entry) {
                           error = entry.error().code();
                           return;
                       }
                       positions.push_back(entry->position.value);
                       if (positions.size() < wanted_) go_on();
                   }));
    }

    std::vector<std::uint64_t> positions;
    std::optional<Errc> error;

private:
    asio::io_context& context_;
    Follower follower_;
    std::uint64_t wanted_;
};

}  // namespace

TEST_CASE("asio threads: async_next gives history, then what comes, in order and once") {
    StoreFixture fixture;
    must_append(*fixture, "sp", "sg0", 1, 20);
    asio::io_context context;
    std::deque<Chain> chains;
    for (int n = 0; n < 20; ++n) chains.emplace_back(context, fixture->follow_all(), 120);
    for (int n = 0; n < 20; ++n)
        chains.emplace_back(context, fixture->follow_segment("sp", "sg1"), 50);
    for (Chain& chain : chains) chain.go_on();
    std::thread writer([&] {
        for (std::uint64_t n = 1; n <= 50; ++n) {
            must_append(*fixture, "sp", "sg1", n, n);
            must_append(*fixture, "sp", "sg2", n, n, Durability::buffered);
        }
        must(fixture->sync());
    });
    context.run();
    writer.join();
    for (std::size_t n = 0; n < chains.size(); ++n) {
        CHECK_FALSE(chains[n].error);
        if (n < 20)
            CHECK(chains[n].positions == numbers(1, 120));
        else
            CHECK(chains[n].positions.size() == 50);
    }
}

TEST_CASE("asio threads: async_next tells the close") {
    StoreFixture fixture;
    asio::io_context context;
    Chain chain(context, fixture->follow_space("sp"), 10);
    chain.go_on();
    context.poll();
    CHECK(chain.positions.empty());
    fixture.close();
    context.run();
    CHECK(chain.error == Errc::closed);
}

TEST_CASE("R-19 asio threads: a cancelled async_next is told, and no entry is lost") {
    StoreFixture fixture;
    asio::io_context context;
    Follower follower = fixture->follow_all();
    std::uint64_t cancelled = 0;
    std::uint64_t next = 1;
    for (std::uint64_t n = 1; n <= 100; ++n) {
        asio::cancellation_signal signal;
        bool called = false;
        async_next(follower, asio::bind_executor(
                                 context, asio::bind_cancellation_slot(
                                              signal.slot(), [&](const Result<Entry>& entry) {
                                                  called = true;
                                                  if (entry)
                                                      CHECK(entry->position == next++);
                                                  else if (entry.error().code() == Errc::cancelled)
                                                      ++cancelled;
                                              })));
        if (n % 2 == 0) must_append(*fixture, "sp", "sg", n / 2, n / 2);
        if (n % 3 == 0) context.poll();
        signal.emit(asio::cancellation_type::total);
        context.restart();
        context.run();
        CHECK(called);
    }
    CHECK(cancelled > 0);
    while (const auto* entry = follower.try_next()) CHECK(must(*entry).position == next++);
    CHECK(next == 51);
}

TEST_CASE("R-19 asio threads: who reads one of 300 and cancels is through at once") {
    StoreFixture fixture;
    must_append(*fixture, "sp", "sg", 1, 300);
    asio::io_context context;
    asio::cancellation_signal signal;
    Follower follower = fixture->follow_segment("sp", "sg");
    std::uint64_t delivered = 0;
    bool is_cancelled = false;
    std::optional<Errc> error;
    std::function<void()> go_on = [&] {
        async_next(follower,
                   asio::bind_executor(context, asio::bind_cancellation_slot(
                                                    signal.slot(), [&](const Result<Entry>& entry) {
                                                        if (!entry)
                                                            error = entry.error().code();
                                                        else if (++delivered, !is_cancelled)
                                                            go_on();
                                                    })));
    };
    go_on();
    while (delivered == 0) context.run_one();
    is_cancelled = true;
    signal.emit(asio::cancellation_type::total);
    const auto start = std::chrono::steady_clock::now();
    context.run();
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(3));
    CHECK(delivered <= 300);
    CHECK((!error || *error == Errc::cancelled));
}

TEST_CASE("asio threads: futures of many followers come when their segment does") {
    StoreFixture fixture;
    std::deque<Follower> followers;
    std::vector<std::future<Result<Entry>>> futures;
    for (int n = 0; n < 100; ++n) {
        followers.push_back(fixture->follow_segment("sp", "sg" + std::to_string(n)));
        futures.push_back(async_next(followers.back(), asio::use_future));
    }
    for (int n = 99; n >= 0; --n) must(fixture->append("sp", "sg" + std::to_string(n), "x"));
    for (int n = 0; n < 100; ++n)
        CHECK(must(futures[static_cast<std::size_t>(n)].get()).position == 100 - n);
}

}  // namespace braid::test
