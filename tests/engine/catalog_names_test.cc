// What a catalog says of names must fit together, or opening refuses it: room is made for what it
// says.
#include <functional>
#include <limits>

#include "engine/engine.h"
#include "engine/transaction_body.h"
#include "index/new_catalog.h"
#include "tests/engine/store_fixture.h"
#include "tests/main.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

using Lie = std::function<void(index::CatalogRecord&)>;

/// The answer to opening a store with one segment, whose catalog says what `lie` makes of it.
Result<void> open_with(const Lie& lie) {
    sim::SimDisk disk;
    Options options;
    options.create = true;
    {
        const auto engine = must(Engine::open(disk.borrow(), options, Engine::Threads::none));
        TransactionBody body(engine->options());
        body.append("sp", "a", as_bytes("x"), {});
        must(engine->commit(body, Durability::durable));
        must(engine->close());
    }
    index::CatalogRecord record;  // of the one drain: all that there is
    auto loaded = must(index::load_catalog(*disk.borrow(), [&](const index::CatalogRecord& each) {
        record = each;
        return Result<void>();
    }));
    record.kind = index::CatalogRecordKind::snapshot;
    lie(record);
    must(index::write_catalog_file(*disk.borrow(), record, loaded.store, loaded.end));
    const auto engine = Engine::open(disk.borrow(), options, Engine::Threads::none);
    if (!engine) return engine.error();
    return {};
}

void check_refused(const Lie& lie) {
    const Result<void> opened = open_with(lie);
    REQUIRE(!opened);
    CHECK(opened.error().code() == Errc::corrupt);
    CHECK(opened.error().message().find("the catalog speaks of") != std::string::npos);
}

TEST_CASE("a catalog whose names have other numbers than they can is refused") {
    if (io() == Io::posix) return;  // a disk in memory has no I/O path: once is enough
    must(open_with([](auto&) {}));
    constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
    for (const std::uint64_t number :
         {std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{1} << 40, largest}) {
        CAPTURE(number);
        check_refused([&](index::CatalogRecord& record) { record.next_space = number; });
        check_refused([&](index::CatalogRecord& record) { record.next_segment = number; });
        if (number == 1) continue;
        check_refused([&](index::CatalogRecord& record) {
            record.names[0] = segment::SpaceNamed{number, "sp"};
            record.names[1] = segment::SegmentNamed{1, number, "a"};
            record.next_space = number + 1;
        });
        check_refused([&](index::CatalogRecord& record) {
            record.names[1] = segment::SegmentNamed{number, 1, "a"};
            record.next_segment = number + 1;
        });
    }
}

}  // namespace
}  // namespace braid::test
