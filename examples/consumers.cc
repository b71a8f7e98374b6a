// A consumer whose progress is committed with what came of it: neither can be there without the
// other.

#include "examples/example.h"

int main(int argc, char** argv) {
    const std::string directory = example::directory(argc, argv) + "/store";
    braid::Store store = example::open(directory);
    for (int order = 1; order <= 3; ++order)
        example::value(store.append("orders", "eu-1", std::to_string(order)));

    // Taking it over gives an epoch; whoever owned it before is refused from now on.
    const braid::Epoch epoch = example::value(store.take_consumer("billing"));
    auto reader = store.read_space("orders");
    while (const auto* next = reader.next()) {
        const braid::Entry& entry = **next;
        auto txn = store.begin();
        txn.append("invoices", "eu-1",
                   std::string("invoice of order ") + std::string(entry.text()));
        txn.set_consumer("billing", "orders", entry.position, {.epoch = epoch});
        example::value(txn.commit());
    }
    const auto billing = example::value(store.consumer("billing"));
    example::expect(billing && billing->position("orders") == 3, "the cursor stands at the end");
    example::expect(example::value(store.lag("orders", billing->position("orders"))) == 0,
                    "nothing is left to do");

    const auto again = store.set_consumer("billing", "orders", 1, {.epoch = epoch});
    example::expect(!again && again.error().code() == braid::Errc::conflict,
                    "a cursor goes back only when asked to");
    example::value(store.take_consumer("billing"));
    const auto replaced = store.set_consumer("billing", "orders", 3, {.epoch = epoch});
    example::expect(!replaced && replaced.error().code() == braid::Errc::conflict,
                    "an owner who was replaced is refused");

    // Several spaces as one stream: the consumer has a cursor in each of them.
    auto auditor =
        example::value(braid::Processor::open_spaces(store, "auditor", {"orders", "invoices"}));
    const auto note = [](braid::ProcessorInput& batch, braid::Transaction& output) {
        while (const braid::Entry* entry = batch.next())
            output.append("audit", "all", std::string(entry->space));
        return braid::Result<void>();
    };
    while (example::value(auditor.run_once(note)) != 0) {
    }
    example::expect(example::value(store.status("audit", "all")).last_sequence == 6,
                    "each order and each invoice is noted once");
    return 0;
}
