#include "wal/log_check.h"

#include <algorithm>

#include "tests/wal/log_user.h"

using namespace braid;
using namespace braid::wal;
using namespace braid::wal::test;

namespace {

std::size_t problems(io::Disk& disk, std::uint64_t drained) {
    const auto checks = check_log(disk, store, drained);
    REQUIRE(checks);
    return static_cast<std::size_t>(
        std::count_if(checks->begin(), checks->end(),
                      [](const LogFileCheck& check) { return check.problem.has_value(); }));
}

}  // namespace

TEST_CASE("what an unfinished opening wrote into a closed file that isn't needed is no damage") {
    sim::SimDisk disk(1);
    LogUser user(disk);
    REQUIRE(user.open());
    REQUIRE(user.append());
    REQUIRE(user.roll());
    REQUIRE(user.append());
    CHECK(problems(disk, 0) == 0);
    // The carried batches of another opening, whose header was never written (O2).
    const std::vector<std::byte> carried(io::block_bytes, std::byte{7});
    disk.replace(log_name(1), io::block_bytes, carried);
    CHECK(problems(disk, 0) == 1);
    CHECK(problems(disk, 1) == 0);
}
