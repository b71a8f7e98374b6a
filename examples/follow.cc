// A follower beside a writer: history first, then live, every entry once and in order.

#include <chrono>
#include <thread>

#include "examples/example.h"

namespace {

constexpr int before = 500;
constexpr int meanwhile = 500;

void write(braid::Store& store, int count) {
    for (int i = 0; i < count; ++i) {
        const std::string segment = "sensor-" + std::to_string(i % 5);
        example::value(
            store.append("readings", segment, std::to_string(i), {}, braid::Durability::buffered));
    }
    // A follower stops where a crash could still take something back: at what is durable.
    if (!store.sync()) std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
    braid::Store store = example::open(example::directory(argc, argv));
    write(store, before);

    std::thread writer([&store] { write(store, meanwhile); });
    auto follower = store.follow_space("readings", {.after = 0});
    std::uint64_t seen = 0;
    bool in_order = true;
    while (seen < before + meanwhile) {
        const auto* next = follower.next(std::chrono::seconds(10));
        if (next == nullptr || !*next) break;
        in_order = in_order && (**next).position == ++seen;
    }
    writer.join();

    example::expect(seen == before + meanwhile,
                    "the follower saw what was written before and during");
    example::expect(in_order, "every entry came once, in order");
    example::expect(follower.try_next() == nullptr, "and nothing more");
    return store.close() ? 0 : 1;
}
