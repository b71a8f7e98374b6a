#include <cstring>
#include <filesystem>
#include <fstream>

#include "segment/checksum.h"
#include "segment/file_header.h"
#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

/// Puts another format version into the header of a file, under a sound checksum. False for a file
/// that has no header, as one that was made and never begun.
bool set_version(const std::filesystem::path& path, std::uint16_t version) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    segment::FileHeader header{};
    const auto bytes = std::as_writable_bytes(std::span(&header, 1));
    file.read(reinterpret_cast<char*>(bytes.data()), bytes.size());
    if (!file || header.magic != segment::file_magic) return false;
    header.version = version;
    header.checksum = segment::checksum(bytes.subspan(sizeof header.checksum), 0);
    file.seekp(0);
    file.write(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return file.good();
}

/// Of every file of a closed store; how many had one.
std::size_t set_versions(const std::string& directory, std::uint16_t version) {
    std::size_t changed = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory))
        if (set_version(file.path(), version)) ++changed;
    return changed;
}

TEST_CASE(
    "a store of an older format version is read, goes on with large bodies, and is gathered") {
    // It has nothing that version 2 brought: no consumers, leases, ids, nor commits without
    // entries. Nor what version 3 did: large bodies. Nor gathered packs, as version 4. Of version 5
    // it has a catalog in parts, which is read whatever the version.
    for (const std::uint16_t version :
         {std::uint16_t{1}, std::uint16_t{2}, std::uint16_t{3}, std::uint16_t{4}}) {
        Options options = version == 1 ? default_options() : small_options();
        options.gather_packs = 0;
        CAPTURE(version);
        StoreFixture store(options);
        for (std::uint64_t i = 0; i < 20; ++i)
            must_append(*store, "sp", "seg" + std::to_string(i % 3), i / 3 * 50 + 1,
                        i / 3 * 50 + 50);
        const auto before = entries(store->read_space("sp", {}));
        REQUIRE(before.size() == 1000);
        store.close();
        REQUIRE(set_versions(store.directory(), version) >= 3);

        Options with_bodies = options;
        with_bodies.large_body_bytes = 16;
        {
            auto later = must(Store::open(store.directory(), with_bodies));
            CHECK(entries(later.read_space("sp", {})) == before);
            must(later.drain());
            auto transaction = later.begin();
            transaction.append("sp", "seg0", "large in version 3", {});
            transaction.set_consumer("worker", Source("sp"), before.back().position);
            must(transaction.commit());
            must(later.gather());
            CHECK(later.stat().packs == 1);
            must(later.close());
        }
        store.open();
        auto after = entries(store->read_space("sp", {}));
        REQUIRE(after.size() == 1001);
        CHECK(after.back().payload == "large in version 3");
        CHECK(store->stat().bodies == 1);
        after.pop_back();
        CHECK(after == before);
        CHECK(must(store->verify()).damages.empty());
    }
}

TEST_CASE("a log of format version 1 that wasn't closed is recovered") {
    StoreFixture store;
    store.in_killed_process([&](Store& other) {
        return append_range(other, "sp", "seg", 1, 50).has_value() &&
               set_versions(store.directory(), 1) >= 2;
    });
    CHECK(entries(store->read_space("sp", {})).size() == 50);
    CHECK(store->stat().recovered_transactions == 1);
}

TEST_CASE("a file of a newer format is refused by name") {
    StoreFixture store;
    must_append(*store, "sp", "seg", 1, 50);
    store.close();
    set_versions(store.directory(), segment::format_version + 1);
    const auto refused = Store::open(store.directory(), store.options());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == Errc::unsupported_version);
}

}  // namespace
}  // namespace braid::test
