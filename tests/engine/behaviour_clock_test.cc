// What the clock does doesn't matter to order: on a simulated disk, whose clock the test sets.
#include "engine/engine.h"
#include "engine/transaction_body.h"
#include "tests/engine/store_fixture.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::uint64_t start_ns = 1'700'000'000 * second_ns;

/// An engine without threads on a disk in memory.
class ClockedStore {
public:
    ClockedStore() {
        disk_.set_clock(start_ns);
        open();
    }

    sim::SimDisk& disk() noexcept { return disk_; }

    void reopen() {
        must(engine_->close());
        engine_.reset();
        open();
    }

    Receipt append(std::string_view segment, std::string_view payload) {
        TransactionBody body(engine_->options());
        body.append("sp", segment, as_bytes(payload), {});
        return must(engine_->commit(body, Durability::durable));
    }

    std::vector<Seen> read_after(std::uint64_t position) {
        EntryBounds bounds;
        bounds.after = position;
        const std::unique_ptr<ReaderBody> reader =
            engine_->read_spaces(std::vector<SpaceCursor>{{"sp", 0}}, bounds);
        std::vector<Seen> result;
        while (const Result<Entry>* next = reader->next()) {
            REQUIRE(next->has_value());
            result.push_back(seen(**next));
        }
        return result;
    }

private:
    void open() {
        engine_ = must(Engine::open(disk_.borrow(), small_options(), Engine::Threads::none));
    }

    sim::SimDisk disk_{1};
    std::shared_ptr<Engine> engine_;
};

}  // namespace

TEST_CASE("S-11 a commit at the same instant is not hidden behind a cursor") {
    ClockedStore store;
    store.append("z", "1");
    const std::vector<Seen> first = store.read_after(0);
    REQUIRE(first.size() == 1);
    store.append("a", "1");
    const std::vector<Seen> rest = store.read_after(first.back().position);
    REQUIRE(rest.size() == 1);
    CHECK(rest[0].segment == "a");
    CHECK(rest[0].timestamp == first[0].timestamp);
}

TEST_CASE("S-12 a clock that steps back hides nothing and timestamps don't decrease") {
    ClockedStore store;
    std::uint64_t cursor = 0;
    std::uint64_t timestamp = 0;
    for (std::uint64_t i = 0; i < 6; ++i) {
        store.disk().set_clock(start_ns + 60 * second_ns - 10 * second_ns * i);
        if (i == 3) store.reopen();
        store.append("a", test_data(i));
        const std::vector<Seen> rest = store.read_after(cursor);
        REQUIRE(rest.size() == 1);
        CHECK(rest[0].payload == test_data(i));
        CHECK(rest[0].timestamp >= timestamp);
        timestamp = rest[0].timestamp;
        cursor = rest[0].position;
    }
    CHECK(timestamp == start_ns + 60 * second_ns);
    store.disk().set_clock(start_ns + 120 * second_ns);
    CHECK(store.append("a", "later").timestamp == start_ns + 120 * second_ns);
}

}  // namespace braid::test
