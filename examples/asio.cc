// Commits from a coroutine of Boost.Asio: thousands may be under way from one thread, which never
// waits for the disk.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <braid/asio.hpp>
#include <braid/braid.hpp>
#include <string>

#include "examples/example.h"

namespace asio = boost::asio;

asio::awaitable<void> sell(braid::Store& store, std::string customer, int lamps, int& sold) {
    auto transaction = store.begin();
    for (int i = 0; i < lamps; ++i) {
        transaction.append("orders", customer, "a lamp").append("stock", "lamps", "-1");
        auto commit = braid::async_commit(transaction, asio::use_awaitable);
        auto receipt = co_await std::move(commit);  // the thread does something else meanwhile
        if (receipt) ++sold;
    }
}

int main(int argc, char** argv) {
    braid::Store store = example::open(example::directory(argc, argv));
    asio::io_context context;
    int sold = 0;
    for (int i = 0; i < 100; ++i)
        asio::co_spawn(context, sell(store, "customer-" + std::to_string(i), 10, sold),
                       asio::detached);
    context.run();  // on this thread alone
    example::expect(sold == 1000, "a hundred coroutines committed a thousand times");
    const auto stock = example::value(store.status("stock", "lamps"));
    example::expect(stock.last_sequence == 1000, "every order took a lamp out of stock");
    std::printf("%llu commits shared %llu flushes\n",
                static_cast<unsigned long long>(store.metrics().commits),
                static_cast<unsigned long long>(store.metrics().batches));
}
