// One commit over several segments, with expectations: it is there wholly, or not at all.

#include <vector>

#include "examples/example.h"

namespace {

// Moves money: both accounts change, or neither does. `seen` is the last entry of the account that
// was looked at before the decision.
braid::Result<braid::Receipt> transfer(braid::Store& store, braid::Sequence seen) {
    auto transaction = store.begin();
    transaction.append("accounts", "ann", "-10", {.expect = braid::expect::last(seen)});
    transaction.append("accounts", "ben", "+10");
    transaction.append("journal", "transfers", "ann to ben: 10");
    return transaction.commit();
}

}  // namespace

int main(int argc, char** argv) {
    braid::Store store = example::open(example::directory(argc, argv));
    example::value(store.append("accounts", "ann", "+100", {.expect = braid::expect::none()}));

    const braid::Sequence seen = example::value(store.status("accounts", "ann")).last_sequence;
    const braid::Receipt receipt = example::value(transfer(store, seen));
    example::expect(receipt.segments.size() == 3, "the transfer wrote to three segments");
    example::expect(receipt.last_position - receipt.first_position == 2,
                    "its positions follow each other");

    // The same decision again rests on what is no longer true.
    const auto refused = transfer(store, seen);
    example::expect(!refused && refused.error().code() == braid::Errc::conflict,
                    "the second transfer is a conflict");
    const std::vector<braid::Conflict> conflicts = refused.error().conflicts();
    example::expect(conflicts.size() == 1 && conflicts[0].segment == "ann",
                    "the conflict names the account that has changed");
    std::printf("   %s\n", refused.error().message().c_str());

    const auto ben = example::value(store.peek("accounts", "ben"));
    example::expect(ben && (*ben)->sequence == 1, "nothing of the refused transfer was written");

    // A decision that rests on what was only read: refused if that has got entries since.
    const braid::Position read = store.stat().committed;
    const auto decide = [&store, read] {
        return store.begin()
            .require("accounts", "ben", braid::expect::untouched(read))
            .require("accounts", "eve", braid::expect::none())
            .append("journal", "audits", "ben is sound, and there is no eve")
            .commit();
    };
    example::value(decide());
    example::value(store.append("accounts", "ben", "-1"));
    const auto late = decide();
    example::expect(!late && late.error().code() == braid::Errc::conflict,
                    "what the second audit rests on was touched since");
    return store.close() ? 0 : 1;
}
