// The command's exit codes over a store in a directory; what is mended is tests/damage's business.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/io/temporary_directory.h"
#include "tests/main.h"
#include "tools/commands.h"
#include "tools/exit_code.h"

namespace braid::tools {
namespace {

/// A closed store with a pack.
void make_store(const std::string& directory) {
    Options options;
    options.create = true;
    options.io = test::io();
    auto store = Store::open(directory, options);
    REQUIRE(store);
    for (int i = 0; i < 3; ++i) REQUIRE(store->append("orders", "ann", "payload"));
    REQUIRE(store->close());
}

void flip(const std::string& file, std::int64_t offset, std::ios::seekdir from) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(offset, from);
    const int byte = stream.get();
    stream.seekp(offset, from);
    stream.put(static_cast<char>(byte ^ 1));
    REQUIRE(stream.good());
}

int repair(const std::string& directory, bool dry_run) {
    return run_repair({{directory, test::io()}, dry_run});
}

TEST_CASE("repair tells by its exit code whether damage is left") {
    test::TemporaryDirectory directory;
    const std::string& path = directory.path();
    make_store(path);
    CHECK(repair(path, true) == exit_done);
    flip(path + "/pack-000001", -20, std::ios::end);  // in the space order
    CHECK(run_verify({{path, test::io()}, true}) == exit_damage);
    CHECK(repair(path, true) == exit_damage);
    CHECK(!std::filesystem::exists(path + "/pack-000001.damaged-1"));
    CHECK(repair(path, false) == exit_done);
    CHECK(std::filesystem::exists(path + "/pack-000001.damaged-1"));
    CHECK(run_verify({{path, test::io()}, true}) == exit_done);
    flip(path + "/pack-000001", 200, std::ios::beg);  // in a frame
    CHECK(repair(path, false) == exit_damage);
    CHECK(repair(path + "/nothing", false) == exit_not_found);
}

}  // namespace
}  // namespace braid::tools
