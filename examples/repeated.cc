// A commit whose answer was lost is sent again under the same id: it is done once, and the receipt
// of the second one says what the first one got.

#include "examples/example.h"

namespace {

// What a client may send more than once; it gives each order an id of its own.
braid::Result<braid::Receipt> place(braid::Store& store, const braid::TransactionId& id,
                                    std::string_view order) {
    return store.begin()
        .append("orders", "eu-1", order)
        .append("stock", "lamps", "-1")
        .set_id(id)
        .commit();
}

}  // namespace

int main(int argc, char** argv) {
    const std::string directory = example::directory(argc, argv) + "/store";
    const braid::TransactionId id{0x5a, 0x01};
    braid::Receipt first;
    {
        braid::Store store = example::open(directory);
        first = example::value(place(store, id, "a lamp"));
        example::expect(!first.repeated && first.segments.size() == 2,
                        "the receipt tells the sequences in both segments");
    }
    // The process ended before it could answer its client, who asks again.
    braid::Store store = example::value(braid::Store::open(directory));
    const braid::Receipt again = example::value(place(store, id, "a lamp"));
    example::expect(again.repeated, "it was done before");
    example::expect(
        again.transaction == first.transaction && again.first_position == first.first_position,
        "the same transaction, the same positions");
    example::expect(example::value(store.status("orders", "eu-1")).last_sequence == 1,
                    "there is one order");

    const auto other = place(store, id, "two lamps");
    example::expect(!other && other.error().code() == braid::Errc::conflict,
                    "an id stands for one content");
    return 0;
}
