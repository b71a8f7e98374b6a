#include "index/new_catalog.h"

#include <doctest/doctest.h>

#include "tests/index/sample_catalog.h"
#include "tests/segment/sample.h"
#include "tests/sim/sim_disk.h"

using namespace braid;
using index::CatalogEnd;
using index::CatalogRecord;
using sim::SimDisk;

namespace {

struct Loaded {
    std::vector<CatalogRecord> records;
    std::optional<Errc> error;
    std::string message;
    index::LoadedCatalog catalog;
};

Loaded load(io::Disk& disk) {
    Loaded loaded;
    auto result = index::load_catalog(disk, [&](const CatalogRecord& record) -> Result<void> {
        loaded.records.push_back(record);
        return {};
    });
    if (result) {
        loaded.catalog = *std::move(result);
    } else {
        loaded.error = result.error().code();
        loaded.message = result.error().message();
    }
    return loaded;
}

// Writes a record where the catalog ends, durably, and returns its offset.
std::uint64_t append(io::Disk& disk, const CatalogRecord& record, CatalogEnd& end) {
    const std::string name = index::catalog_name(end.file);
    const std::uint64_t offset = end.offset;
    const auto bytes = index::encode_catalog_record(record, test::sample_uuid, end);
    auto file = disk.open(name, {.write = true});
    REQUIRE(file);
    REQUIRE((*file)->write(bytes, offset, io::WriteMode::cached));
    REQUIRE((*file)->sync());
    return offset;
}

// A catalog of a snapshot and two drains.
struct Sample {
    SimDisk disk;
    CatalogEnd end;
    std::uint64_t first_drain = 0;
    std::uint64_t second_drain = 0;
    std::string name = "catalog-000001";

    Sample() {
        REQUIRE(index::write_catalog_file(disk, test::sample_snapshot(), test::sample_uuid, end));
        first_drain = append(disk, test::sample_drain(2), end);
        second_drain = append(disk, test::sample_drain(3), end);
    }
};

std::vector<CatalogRecord> sample_records(std::size_t count) {
    std::vector<CatalogRecord> records = {test::sample_snapshot(), test::sample_drain(2),
                                          test::sample_drain(3)};
    records.resize(count);
    return records;
}

}  // namespace

TEST_CASE("a directory without a catalog has none") {
    SimDisk disk;
    CHECK(load(disk).error == Errc::not_found);
}

TEST_CASE("a snapshot and drains come back in order, with the end and the doubtful record") {
    Sample sample;
    const Loaded loaded = load(sample.disk);
    REQUIRE_MESSAGE(!loaded.error, loaded.message);
    CHECK(loaded.records == sample_records(3));
    CHECK(loaded.catalog.store == test::sample_uuid);
    CHECK(loaded.catalog.end.file == 1);
    CHECK(loaded.catalog.end.offset == sample.end.offset);
    CHECK(loaded.catalog.end.next_record == 4);
    CHECK(loaded.catalog.end.last_checksum == sample.end.last_checksum);
    CHECK(loaded.catalog.torn_bytes == 0);
    CHECK(loaded.catalog.doubtful_offset == sample.second_drain);
    const auto bytes = sample.disk.contents(sample.name);
    CHECK(
        loaded.catalog.doubtful ==
        std::vector(bytes.begin() + static_cast<std::ptrdiff_t>(sample.second_drain), bytes.end()));
}

TEST_CASE("a lone snapshot leaves nothing in doubt") {
    SimDisk disk;
    CatalogEnd end;
    REQUIRE(index::write_catalog_file(disk, test::sample_snapshot(), test::sample_uuid, end));
    const Loaded loaded = load(disk);
    CHECK(loaded.records == sample_records(1));
    CHECK(loaded.catalog.doubtful.empty());
    CHECK(loaded.catalog.end.next_record == 2);
}

TEST_CASE("a loaded catalog can be gone on with") {
    Sample sample;
    CatalogEnd end = load(sample.disk).catalog.end;
    append(sample.disk, test::sample_drain(4), end);
    CHECK(load(sample.disk).records.size() == 4);
}

TEST_CASE("a new catalog file takes the place of the older ones") {
    Sample sample;
    CatalogEnd end = sample.end;
    REQUIRE(
        index::write_catalog_file(sample.disk, test::sample_snapshot(), test::sample_uuid, end));
    CHECK(end.file == 2);
    CHECK(end.next_record == sample.end.next_record + 1);
    CHECK(sample.disk.names() == std::vector<std::string>{"catalog-000002"});
    append(sample.disk, test::sample_drain(2), end);
    const Loaded loaded = load(sample.disk);
    CHECK(loaded.records == sample_records(2));
    CHECK(loaded.catalog.end.next_record == end.next_record);
}

TEST_CASE("only exact names are catalog files") {
    const std::vector<io::DirectoryEntry> files = {{"catalog-000010"},
                                                   {"catalog-000002"},
                                                   {"catalog-1234567"},
                                                   {"catalog-000003.new"},
                                                   {"catalog-3"},
                                                   {"catalog-0000004"},
                                                   {"catalog-000000"},
                                                   {"catalog-"},
                                                   {"xcatalog-000005"},
                                                   {"catalog-00000a"},
                                                   {"catalog--00001"},
                                                   {"catalog-+00001"},
                                                   {"catalog-99999999999999999999999"},
                                                   {"log-000001"},
                                                   {"catalog"}};
    CHECK(index::catalog_numbers(files) == std::vector<std::uint64_t>{2, 10, 1234567});
}

TEST_CASE("every flipped bit is corrupt, but for the last record, which is torn") {
    Sample sample;
    const std::size_t bits = sample.disk.contents(sample.name).size() * 8;
    for (std::size_t bit = 0; bit < bits; ++bit) {
        CAPTURE(bit);
        sample.disk.flip_bit(sample.name, bit);
        const Loaded loaded = load(sample.disk);
        if (bit / 8 < sample.second_drain) {
            REQUIRE(loaded.error == Errc::corrupt);
            REQUIRE(loaded.message.find(sample.name) != std::string::npos);
        } else {
            REQUIRE_FALSE(loaded.error);
            REQUIRE(loaded.records == sample_records(2));
            REQUIRE(loaded.catalog.torn_bytes == bits / 8 - sample.second_drain);
            REQUIRE(loaded.catalog.end.offset == sample.second_drain);
        }
        sample.disk.flip_bit(sample.name, bit);
    }
}

TEST_CASE("a file cut in the snapshot is corrupt, cut in a drain it is torn") {
    Sample sample;
    const auto bytes = sample.disk.contents(sample.name);
    for (std::size_t size = bytes.size(); size-- > 0;) {
        CAPTURE(size);
        sample.disk.truncate(sample.name, size);
        const Loaded loaded = load(sample.disk);
        if (size < sample.first_drain) {
            REQUIRE(loaded.error == Errc::corrupt);
            continue;
        }
        REQUIRE_FALSE(loaded.error);
        const bool second_gone = size < sample.second_drain;
        const std::uint64_t good = second_gone ? sample.first_drain : sample.second_drain;
        REQUIRE(loaded.records == sample_records(second_gone ? 1 : 2));
        REQUIRE(loaded.catalog.torn_bytes == size - good);
    }
}

TEST_CASE("zeros or noise behind the last record are torn") {
    Sample sample;
    std::vector<std::byte> tail(5000);
    SUBCASE("zeros") {}
    SUBCASE("noise") {
        std::mt19937_64 random(8);
        tail = test::random_bytes(random, 5000);
    }
    sample.disk.replace(sample.name, sample.end.offset, tail);
    const Loaded loaded = load(sample.disk);
    REQUIRE_MESSAGE(!loaded.error, loaded.message);
    CHECK(loaded.records == sample_records(3));
    CHECK(loaded.catalog.torn_bytes == 5000);
    CHECK(loaded.catalog.end.offset == sample.end.offset);
}

TEST_CASE("a zeroed record with a later one behind it is corrupt, with its offset") {
    Sample sample;
    const std::vector<std::byte> zeros(sample.second_drain - sample.first_drain);
    sample.disk.replace(sample.name, sample.first_drain, zeros);
    const Loaded loaded = load(sample.disk);
    CHECK(loaded.error == Errc::corrupt);
    CHECK(loaded.message.find(std::to_string(sample.first_drain)) != std::string::npos);
}

TEST_CASE("a record that is missing, repeated or of another file is corrupt or torn") {
    Sample sample;
    const auto bytes = sample.disk.contents(sample.name);
    const Bytes first =
        Bytes(bytes).subspan(sample.first_drain, sample.second_drain - sample.first_drain);
    const Bytes second = Bytes(bytes).subspan(sample.second_drain);
    SUBCASE("missing") {
        sample.disk.truncate(sample.name, sample.first_drain);
        sample.disk.replace(sample.name, sample.first_drain, second);
        CHECK(load(sample.disk).error == Errc::corrupt);
    }
    SUBCASE("repeated") {
        sample.disk.replace(sample.name, bytes.size(), first);
        CHECK(load(sample.disk).error == Errc::corrupt);
    }
    SUBCASE("of another file") {
        CatalogEnd other = sample.end;
        other.file = 2;
        const auto foreign =
            index::encode_catalog_record(test::sample_drain(4), test::sample_uuid, other);
        sample.disk.replace(sample.name, bytes.size(), foreign);
        CHECK(load(sample.disk).catalog.torn_bytes == foreign.size());
    }
    SUBCASE("with another predecessor") {
        CatalogEnd other = sample.end;
        ++other.last_checksum;
        sample.disk.replace(
            sample.name, bytes.size(),
            index::encode_catalog_record(test::sample_drain(4), test::sample_uuid, other));
        CHECK(load(sample.disk).error == Errc::corrupt);
    }
    SUBCASE("a second snapshot") {
        append(sample.disk, test::sample_snapshot(), sample.end);
        CHECK(load(sample.disk).error == Errc::corrupt);
    }
}

TEST_CASE("a catalog under another file's name is corrupt") {
    Sample sample;
    REQUIRE(sample.disk.rename("catalog-000001", "catalog-000002"));
    CHECK(load(sample.disk).error == Errc::corrupt);
}

TEST_CASE("an error of whoever takes the records ends the loading") {
    Sample sample;
    int calls = 0;
    const auto result = index::load_catalog(sample.disk, [&](const CatalogRecord&) -> Result<void> {
        ++calls;
        return Error(Errc::failed, "no more");
    });
    REQUIRE_FALSE(result);
    CHECK(result.error().message() == "catalog-000001 at offset 128: no more");
    CHECK(calls == 1);
}

TEST_CASE("a read error is an error, never a torn tail") {
    Sample sample;
    sample.disk.fail({.call = sim::Call::read, .onwards = true});
    CHECK(load(sample.disk).error == Errc::io);
}

TEST_CASE("a power cut anywhere while a new file is written leaves the old state or the new one") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed)
        for (std::uint64_t cut = 1; cut <= 12; ++cut) {
            CAPTURE(seed);
            CAPTURE(cut);
            Sample sample;
            sample.disk.cut_power_at(sample.disk.io_count() + cut);
            CatalogEnd end = sample.end;
            const bool done = index::write_catalog_file(sample.disk, test::sample_snapshot(),
                                                        test::sample_uuid, end)
                                  .has_value();
            const auto after = sample.disk.power_loss_now(seed);
            const Loaded loaded = load(*after);
            REQUIRE_MESSAGE(!loaded.error, loaded.message);
            const std::size_t expected = loaded.catalog.end.file == 1 ? 3 : 1;
            CHECK(loaded.records == sample_records(expected));
            if (done) CHECK(loaded.catalog.end.file == 2);
            CHECK(end.file == (done ? 2 : 1));
            // Whatever is left over is in nobody's way.
            CatalogEnd next = loaded.catalog.end;
            REQUIRE(index::write_catalog_file(*after, test::sample_snapshot(), test::sample_uuid,
                                              next));
            CHECK(load(*after).records == sample_records(1));
        }
}

TEST_CASE("a write that fails leaves the end as it was, and the next one goes through") {
    for (const sim::Call call : {sim::Call::open, sim::Call::write, sim::Call::sync,
                                 sim::Call::rename, sim::Call::sync_directory}) {
        Sample sample;
        sample.disk.fail({.call = call});
        CatalogEnd end = sample.end;
        CHECK_FALSE(index::write_catalog_file(sample.disk, test::sample_snapshot(),
                                              test::sample_uuid, end));
        CHECK(end.file == 1);
        CHECK(end.offset == sample.end.offset);
        REQUIRE(index::write_catalog_file(sample.disk, test::sample_snapshot(), test::sample_uuid,
                                          end));
        CHECK(load(sample.disk).records == sample_records(1));
    }
}

TEST_CASE("an older file that can't be removed is no error") {
    Sample sample;
    sample.disk.fail({.call = sim::Call::remove});
    CatalogEnd end = sample.end;
    REQUIRE(
        index::write_catalog_file(sample.disk, test::sample_snapshot(), test::sample_uuid, end));
    CHECK(load(sample.disk).catalog.end.file == 2);
}
