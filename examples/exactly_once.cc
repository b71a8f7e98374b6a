// Reads one space and writes another, each entry exactly once, however often it is killed.
//
//   exactly_once DIRECTORY            a small run of all of it
//   exactly_once DIRECTORY live       makes work and does it until it is killed
//   exactly_once DIRECTORY finish     does what is left, and proves that nothing is missing or
//   double
//
// tools/check-exactly-once.sh kills it 200 times.

#include "examples/example.h"

namespace {

// Output N says which order it is of; its sequence must be N, too.
braid::Result<void> bill(braid::ProcessorInput& batch, braid::Transaction& output) {
    while (const braid::Entry* order = batch.next())
        output.append("invoices", "all",
                      "of order " + std::to_string(order->position.value) + ": " +
                          std::string(order->text()));
    return {};
}

void add_orders(braid::Store& store, int count) {
    for (int i = 0; i < count; ++i)
        example::value(store.append("orders", "shop-" + std::to_string(i % 5), "lamp", {},
                                    braid::Durability::buffered));
    if (!store.sync()) std::exit(1);
}

void process(braid::Store& store) {
    auto billing = example::value(braid::Processor::open(store, "billing", "orders"));
    while (example::value(billing.run_once(bill)) != 0) {
    }
}

// Each order has one invoice, in the orders' order.
void prove(braid::Store& store) {
    auto orders = store.read_space("orders");
    auto invoices = store.read_segment("invoices", "all");
    std::uint64_t count = 0;
    while (const auto* order = orders.next()) {
        const auto* invoice = invoices.next();
        const std::string expected = "of order " + std::to_string((**order).position.value) + ": ";
        if (invoice == nullptr || !(**invoice).text().starts_with(expected)) {
            std::printf("NOT SO: order %llu has its invoice\n",
                        static_cast<unsigned long long>((**order).position.value));
            std::exit(1);
        }
        ++count;
    }
    example::expect(invoices.next() == nullptr, "no invoice is there twice");
    std::printf("%llu orders, each with one invoice\n", static_cast<unsigned long long>(count));
}

}  // namespace

int main(int argc, char** argv) {
    const std::string directory = example::directory(argc, argv) + "/store";
    const std::string mode = argc > 2 ? argv[2] : "";
    braid::Store store = example::open(directory);
    for (int round = 0; mode == "live" || round == 0; ++round) {
        if (mode != "finish") add_orders(store, 250);
        process(store);
    }
    prove(store);
    return 0;
}
