// A Processor in a program of Boost.Asio: reading, processing and committing run on a thread of the
// pool, so that no thread of the program's waits for the disk.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <braid/asio.hpp>
#include <braid/braid.hpp>
#include <string>

#include "examples/example.h"

namespace asio = boost::asio;

namespace {

constexpr std::uint64_t orders = 250;

braid::Result<void> bill(braid::ProcessorInput& batch, braid::Transaction& output) {
    while (const braid::Entry* order = batch.next())
        output.append("invoices", "all", std::string("of ") + std::string(order->text()));
    return {};
}

asio::awaitable<void> bill_all(braid::Processor& processor, std::uint64_t& billed) {
    while (processor.cursor() < orders) {
        auto batch =
            braid::async_run_once(processor, bill, std::chrono::seconds(0), asio::use_awaitable);
        auto done = co_await std::move(batch);  // this thread does something else meanwhile
        billed += example::value(std::move(done));
    }
}

}  // namespace

int main(int argc, char** argv) {
    braid::Store store = example::open(example::directory(argc, argv));
    for (std::uint64_t i = 0; i < orders; ++i)
        example::value(
            store.append("orders", "shop", std::to_string(i), {}, braid::Durability::buffered));
    if (!store.sync()) return 1;

    auto processor = example::value(braid::Processor::open(store, "billing", "orders"));
    asio::io_context context;
    std::uint64_t billed = 0;
    asio::co_spawn(context, bill_all(processor, billed), asio::detached);
    context.run();
    example::expect(billed == orders, "every order is billed");
    const auto billing = example::value(store.consumer("billing"));
    example::expect(billing && billing->position("orders") == orders, "and its progress is kept");
    return 0;
}
