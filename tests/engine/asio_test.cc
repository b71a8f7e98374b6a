#include <doctest/doctest.h>

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <braid/asio.hpp>
#include <deque>
#include <latch>
#include <thread>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

namespace asio = boost::asio;

Transaction one(Store& store, std::string_view payload) {
    Transaction transaction = store.begin();
    transaction.append("sp", "sg", payload);
    return transaction;
}

TEST_CASE("asio threads: a future gets the receipt") {
    with_every_size([](StoreFixture& fixture) {
        Transaction transaction = one(*fixture, "a");
        const Result<Receipt> receipt = async_commit(transaction, asio::use_future).get();
        REQUIRE(receipt);
        CHECK(receipt->last_position == 1);
        CHECK(fixture->peek("sp", "sg", Level::durable)->has_value());
    });
}

TEST_CASE("asio threads: the handler runs on its own executor, and not within the call") {
    StoreFixture fixture;
    asio::io_context context;
    Transaction transaction = one(*fixture, "a");
    Transaction refused = fixture->begin();
    refused.append("", "sg", "a");  // known to be wrong at once
    std::vector<std::optional<Errc>> codes;
    std::thread::id ran_on;
    for (Transaction* each : {&transaction, &refused}) {
        async_commit(*each, asio::bind_executor(context, [&](const Result<Receipt>& receipt) {
            ran_on = std::this_thread::get_id();
            codes.push_back(receipt ? std::nullopt : std::optional(receipt.error().code()));
        }));
    }
    must(fixture->sync());
    CHECK(codes.empty());
    CHECK(context.run() == 2);  // it was at work until both had come
    CHECK(ran_on == std::this_thread::get_id());
    std::sort(codes.begin(), codes.end());
    CHECK(codes == std::vector<std::optional<Errc>>{std::nullopt, Errc::invalid_argument});
}

asio::awaitable<void> append_some(Store& store, std::uint64_t count, std::uint64_t& done) {
    Transaction transaction = store.begin();
    for (std::uint64_t i = 0; i < count; ++i) {
        transaction.append("sp", "sg", test_data(i));
        auto commit = async_commit(transaction, asio::use_awaitable);
        const Result<Receipt> receipt = co_await std::move(commit);
        if (receipt) ++done;
    }
}

TEST_CASE("asio threads: coroutines commit side by side") {
    with_every_size([](StoreFixture& fixture) {
        asio::io_context context;
        std::uint64_t done = 0;
        for (int i = 0; i < 16; ++i)
            asio::co_spawn(context, append_some(*fixture, 50, done), asio::detached);
        context.run();
        CHECK(done == 16 * 50);
        CHECK(sequences(entries(fixture->read_segment("sp", "sg"))) == numbers(1, 16 * 50));
    });
}

TEST_CASE("asio threads: thousands under way, beyond what memory has room for") {
    with_every_size([](StoreFixture& fixture) {
        constexpr std::size_t count = 5000;
        asio::thread_pool pool(2);
        std::deque<Transaction> transactions;
        std::atomic<std::uint64_t> good = 0;
        for (std::size_t i = 0; i < count; ++i) {
            transactions.push_back(one(*fixture, test_data(i)));
            async_commit(transactions.back(), asio::bind_executor(pool, [&](const auto& receipt) {
                             if (receipt) ++good;
                         }));
        }
        pool.join();
        CHECK(good == count);
        CHECK(entries(fixture->read_segment("sp", "sg")).size() == count);
    });
}

TEST_CASE("asio threads: the handler may destroy the transaction") {
    StoreFixture fixture;
    asio::thread_pool pool(2);
    std::atomic<std::uint64_t> good = 0;
    for (std::size_t i = 0; i < 500; ++i) {
        auto transaction = std::make_unique<Transaction>(one(*fixture, "a"));
        Transaction& started = *transaction;
        async_commit(started, Durability::buffered,
                     asio::bind_executor(
                         pool, [&good, kept = std::move(transaction)](const auto& receipt) mutable {
                             kept.reset();
                             if (receipt) ++good;
                         }));
    }
    pool.join();
    CHECK(good == 500);
}

TEST_CASE("asio threads: who cancels a commit that is under way only stops waiting") {
    StoreFixture fixture;
    asio::io_context context;
    std::uint64_t stopped = 0;
    constexpr std::uint64_t count = 100;
    std::deque<Transaction> transactions;
    std::deque<asio::cancellation_signal> signals;
    for (std::uint64_t i = 0; i < count; ++i) {
        transactions.push_back(one(*fixture, "a"));
        signals.emplace_back();
        async_commit(transactions.back(),
                     asio::bind_cancellation_slot(
                         signals.back().slot(),
                         asio::bind_executor(context, [&](const Result<Receipt>& receipt) {
                             if (receipt) return;
                             CHECK(receipt.error().code() == Errc::unknown_outcome);
                             ++stopped;
                         })));
        // What a total cancellation promises, that nothing happens, can't be had any more.
        signals.back().emit(asio::cancellation_type::total);
        signals.back().emit(asio::cancellation_type::terminal);
    }
    CHECK(context.run() == count);
    MESSAGE(stopped << " of " << count << " weren't waited for");
    REQUIRE(fixture->sync());
    CHECK(sequences(entries(fixture->read_segment("sp", "sg"))) == numbers(1, count));
}

/// All threads of Asio's system executor, busy until this goes.
class BusyPool {
public:
    BusyPool() {
        for (int i = 0; i < tasks; ++i)
            asio::post(asio::system_executor(), [this] {
                release_.wait();
                gone_.count_down();
            });
    }
    ~BusyPool() {
        release_.count_down();
        gone_.wait();
    }
    BusyPool(const BusyPool&) = delete;
    BusyPool& operator=(const BusyPool&) = delete;

private:
    static constexpr int tasks = 256;  // more than it has threads
    std::latch release_{1};
    std::latch gone_{tasks};
};

TEST_CASE("asio threads: a commit that finds no room waits on a thread of the pool") {
    FullStore full;
    Transaction large = full.large();
    const Result<Receipt> receipt = async_commit(large, asio::use_future).get();
    REQUIRE(receipt);
    CHECK(receipt->last_position == full.last_position + 1);
}

TEST_CASE("asio threads: a commit cancelled while it waits for room writes nothing") {
    FullStore full;
    Transaction large = full.large();
    asio::io_context context;
    asio::cancellation_signal signal;
    std::optional<Errc> told;
    {
        const BusyPool busy;
        async_commit(large,
                     asio::bind_cancellation_slot(
                         signal.slot(), asio::bind_executor(context, [&](const auto& receipt) {
                             told = code(receipt);
                         })));
        signal.emit(asio::cancellation_type::partial);
        CHECK(context.run() == 1);
    }
    CHECK(told == Errc::cancelled);
    must(full.store->sync());
    CHECK(entries(full.store->read_all()).back().position == full.last_position);
    // It is as it was.
    CHECK(must(large.commit()).last_position == full.last_position + 1);
}

}  // namespace
}  // namespace braid::test
