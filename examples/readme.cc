#include <braid/braid.hpp>
#include <iostream>

int main(int argc, char** argv) {
    auto store = braid::Store::open(argc > 1 ? argv[1] : "data", {.create = true});
    if (!store) return std::cerr << store.error().message() << '\n', 1;

    auto order = store->begin();  // one commit over two segments of two spaces
    order.append("orders", "eu-1", "two lamps", {.metadata = {{"type", "placed"}}});
    order.append("stock", "lamps", "-2");
    auto receipt = order.commit();  // returns when it is on the disk
    if (!receipt) return std::cerr << receipt.error().message() << '\n', 1;

    auto reader = store->read_space("orders", {.after = 0});  // all segments, in commit order
    while (auto next = reader.next()) {
        if (!*next) return std::cerr << next->error().message() << '\n', 1;
        const braid::Entry& entry = **next;
        std::cout << entry.position.value << ' ' << entry.segment << ": " << entry.text() << '\n';
    }
    std::cout << "resume after position " << reader.cursor().value << '\n';
}
