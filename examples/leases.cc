// A lease: one of several workers at a time does the work, and one that was replaced can't write.

#include "examples/example.h"

int main(int argc, char** argv) {
    using std::chrono::milliseconds;
    const std::string directory = example::directory(argc, argv) + "/store";
    braid::Store store = example::open(directory);

    const braid::Lease ann = example::value(store.acquire_lease("reports", "ann", milliseconds(1)));
    const auto report = [&store](const braid::Lease& lease, std::string_view text) {
        return store.begin()
            .require_lease("reports", lease.token)
            .append("reports", "daily", text)
            .commit();
    };
    example::value(report(ann, "by ann"));
    example::expect(store.renew_lease("reports", ann.token).has_value(),
                    "who holds a lease may hold it longer");

    // Ann stops for a while, and when her time is over, bob gets the lease.
    braid::Result<braid::Lease> bob =
        store.acquire_lease("reports", "bob", std::chrono::minutes(1));
    while (!bob && bob.error().code() == braid::Errc::conflict)
        bob = store.acquire_lease("reports", "bob", std::chrono::minutes(1));
    example::expect(bob && bob->token > ann.token, "the next holder has a higher token");

    // She goes on and knows nothing of it; but her token is not the newest one any more.
    const auto late = report(ann, "by ann, too late");
    example::expect(!late && late.error().code() == braid::Errc::conflict,
                    "a holder who was replaced can't write");
    example::value(report(*bob, "by bob"));
    example::expect(example::value(store.status("reports", "daily")).last_sequence == 2,
                    "each report was written under a lease");

    example::expect(store.release_lease("reports", bob->token).has_value() &&
                        !example::value(store.lease("reports")),
                    "a lease that is released is free");
    return 0;
}
