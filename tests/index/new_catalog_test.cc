#include "index/new_catalog.h"

#include <doctest/doctest.h>

#include "index/catalog_record.h"
#include "segment/checksum.h"
#include "tests/index/sample_catalog.h"
#include "tests/segment/sample.h"
#include "tests/sim/sim_disk.h"

using namespace braid;
using index::CatalogEnd;
using index::CatalogRecord;
using index::CatalogRecordKind;
using sim::SimDisk;

namespace {

CatalogRecord sample_part(std::uint64_t number) {
    const CatalogRecord whole = test::sample_drain(number);
    CatalogRecord part;
    part.kind = CatalogRecordKind::part;
    part.next_space = whole.next_space;
    part.next_segment = whole.next_segment;
    part.names = whole.names;
    part.segments = whole.segments;
    part.trims = whole.trims;
    return part;
}

/// Of a catalog that was begun anew behind record 6 of file 3: two parts, a snapshot, a drain.
std::vector<CatalogRecord> sample_records() {
    return {sample_part(1), sample_part(2), test::sample_snapshot(), test::sample_drain(3)};
}

const CatalogEnd end_before{3, 4096, 7, 0x1122334455667788};

struct Loaded {
    std::vector<CatalogRecord> records;
    Result<index::LoadedCatalog> catalog;
};

Loaded load(io::Disk& disk) {
    std::vector<CatalogRecord> records;
    auto catalog = index::load_catalog(disk, [&](const CatalogRecord& record) -> Result<void> {
        records.push_back(record);
        return {};
    });
    return {std::move(records), std::move(catalog)};
}

bool is_corrupt(io::Disk& disk) {
    const Loaded loaded = load(disk);
    return !loaded.catalog && loaded.catalog.error().code() == Errc::corrupt;
}

Result<void> write_parts(io::Disk& disk, CatalogEnd& end) {
    auto file = index::NewCatalog::begin(disk, test::sample_uuid, end.file + 1);
    if (!file) return file.error();
    for (const std::uint64_t number : {1, 2})
        if (auto added = file->add(sample_part(number)); !added) return added;
    return file->finish(test::sample_snapshot(), end);
}

/// Its bytes one record behind the other, each as it is first encoded behind those given.
struct Sample {
    SimDisk disk;
    CatalogEnd end = end_before;
    std::string name = "catalog-000004";
    std::uint64_t drain_at = 0;

    Sample() {
        REQUIRE(write_parts(disk, end));
        drain_at = end.offset;
        put(encoded(test::sample_drain(3), end), drain_at);
    }
    static std::vector<std::byte> encoded(const CatalogRecord& record, CatalogEnd& end) {
        return index::encode_catalog_record(record, test::sample_uuid, end);
    }
    void put(Bytes bytes, std::uint64_t offset) {
        auto file = disk.open(name, {.write = true});
        REQUIRE(file);
        REQUIRE((*file)->write(bytes, offset, io::WriteMode::cached));
        REQUIRE((*file)->sync());
    }
    /// Puts records of these kinds into the place of all there are.
    void put_all(std::initializer_list<CatalogRecordKind> kinds) {
        disk.truncate(name, segment::file_header_bytes);
        CatalogEnd at{4, segment::file_header_bytes, 1, 0};
        for (const CatalogRecordKind kind : kinds) {
            CatalogRecord record = test::sample_drain(1);
            if (kind == CatalogRecordKind::part) record = sample_part(1);
            record.kind = kind;
            const std::uint64_t offset = at.offset;
            put(encoded(record, at), offset);
        }
    }
};

}  // namespace

TEST_CASE("a catalog in parts comes back in order, its snapshot numbered behind the file before") {
    Sample sample;
    const Loaded loaded = load(sample.disk);
    REQUIRE_MESSAGE(loaded.catalog, loaded.catalog.error().message());
    CHECK(loaded.records == sample_records());
    const CatalogEnd& end = loaded.catalog->end;
    CHECK(end.file == 4);
    CHECK(end.offset == sample.end.offset);
    CHECK(end.next_record == 9);
    CHECK(end.last_checksum == sample.end.last_checksum);
    CHECK(loaded.catalog->snapshot_end == sample.drain_at);
    CHECK(loaded.catalog->doubtful_offset == sample.drain_at);
}

TEST_CASE("every flipped bit of parts and snapshot is corrupt, and so is each cut in them") {
    Sample sample;
    for (std::uint64_t bit = 0; bit < sample.drain_at * 8; ++bit) {
        CAPTURE(bit);
        sample.disk.flip_bit(sample.name, bit);
        REQUIRE(is_corrupt(sample.disk));
        sample.disk.flip_bit(sample.name, bit);
    }
    for (std::uint64_t size = sample.drain_at; size-- > 0;) {
        CAPTURE(size);
        sample.disk.truncate(sample.name, size);
        REQUIRE(is_corrupt(sample.disk));
    }
}

TEST_CASE("parts come before the snapshot, all of them, and drains behind it") {
    constexpr auto part = CatalogRecordKind::part;
    constexpr auto snapshot = CatalogRecordKind::snapshot;
    constexpr auto drain = CatalogRecordKind::drain;
    Sample sample;
    sample.put_all({part, part, snapshot, drain});
    CHECK(load(sample.disk).catalog);
    sample.put_all({snapshot, drain});
    CHECK(load(sample.disk).catalog);
    for (const auto& kinds : {std::initializer_list<CatalogRecordKind>{part, part},
                              {part, drain},
                              {drain, snapshot},
                              {snapshot, part},
                              {part, snapshot, drain, part},
                              {part, snapshot, snapshot}}) {
        sample.put_all(kinds);
        CHECK(is_corrupt(sample.disk));
    }
}

TEST_CASE("a part with more than segments is corrupt") {
    Sample sample;
    sample.disk.truncate(sample.name, segment::file_header_bytes);
    CatalogEnd at{4, segment::file_header_bytes, 1, 0};
    CatalogRecord part = sample_part(1);
    part.noted = test::sample_drain(1).noted;
    std::uint64_t offset = at.offset;
    sample.put(Sample::encoded(part, at), offset);
    at.next_record = 8;
    offset = at.offset;
    sample.put(Sample::encoded(test::sample_snapshot(), at), offset);
    CHECK(is_corrupt(sample.disk));
}

TEST_CASE("a record whose length can't be is corrupt, whatever its header's checksum") {
    Sample sample;
    for (std::uint64_t less = 1; less <= 64; ++less) {
        CAPTURE(less);
        index::CatalogRecordHeader header{};
        header.number = 1;
        header.kind = static_cast<std::uint32_t>(CatalogRecordKind::part);
        header.magic = index::catalog_record_magic;
        header.body_bytes = std::uint64_t{0} - less;
        const Bytes bytes = std::as_bytes(std::span(&header, 1));
        header.checksum =
            segment::checksum(bytes.subspan(8), index::catalog_seed(test::sample_uuid, 4));
        sample.put(bytes, segment::file_header_bytes);
        CHECK(is_corrupt(sample.disk));
    }
}

TEST_CASE("parts that are missing, repeated, or of another file are corrupt") {
    CatalogEnd at{4, segment::file_header_bytes, 1, 0};
    const auto first = Sample::encoded(sample_part(1), at);
    const auto second = Sample::encoded(sample_part(2), at);
    CatalogEnd behind = at;
    behind.next_record = 7;
    const auto snapshot = Sample::encoded(test::sample_snapshot(), behind);
    CatalogEnd other{5, segment::file_header_bytes, 1, 0};
    const auto foreign = Sample::encoded(sample_part(1), other);
    using Records = std::vector<const std::vector<std::byte>*>;
    const auto is_taken = [&](const Records& records) {
        Sample sample;
        sample.disk.truncate(sample.name, segment::file_header_bytes);
        std::uint64_t offset = segment::file_header_bytes;
        for (const auto* record : records) {
            sample.put(*record, offset);
            offset += record->size();
        }
        return !is_corrupt(sample.disk);
    };
    CHECK(is_taken({&first, &second, &snapshot}));
    CHECK_FALSE(is_taken({&second, &snapshot}));
    CHECK_FALSE(is_taken({&first, &snapshot}));
    CHECK_FALSE(is_taken({&first, &first, &second, &snapshot}));
    CHECK_FALSE(is_taken({&second, &first, &snapshot}));
    CHECK_FALSE(is_taken({&foreign, &second, &snapshot}));
}

TEST_CASE("room for one space's names in all parts is asked for at first, if it can be") {
    struct Items : index::CatalogItems {
        std::vector<std::size_t> expected;
        std::size_t named = 0;
        std::size_t expected_before_names = 0;
        void expect_names(std::size_t count) override { expected.push_back(count); }
        const char* take(const segment::SpaceNamed&) override { return nullptr; }
        const char* take(std::span<const segment::SegmentNameView> names) override {
            if (named == 0) expected_before_names = expected.front();
            named += names.size();
            return nullptr;
        }
        const char* take(std::span<const index::SegmentUpdate>) override { return nullptr; }
    };
    const auto expected_with = [](SegmentId next_segment, SpaceId next_space) {
        SimDisk disk;
        CatalogEnd end = end_before;
        auto file = index::NewCatalog::begin(disk, test::sample_uuid, 4);
        REQUIRE(file);
        REQUIRE(file->add(sample_part(1)));
        CatalogRecord snapshot;
        snapshot.kind = CatalogRecordKind::snapshot;
        snapshot.next_space = next_space;
        snapshot.next_segment = next_segment;
        REQUIRE(file->finish(snapshot, end));
        Items items;
        REQUIRE(index::load_catalog(
            disk, [](const CatalogRecord&) { return Result<void>(); }, items));
        return items.expected_before_names;
    };
    CHECK(expected_with(31, 2) == 30);
    CHECK(expected_with(~std::uint64_t{0}, 2) < 1000);
    CHECK(expected_with(31, 3) == 0);  // each space has a table of its own
}

TEST_CASE("a power cut anywhere while parts are written leaves the old catalog or the new one") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed)
        for (std::uint64_t cut = 1; cut <= 14; ++cut) {
            CAPTURE(seed);
            CAPTURE(cut);
            SimDisk disk;
            CatalogEnd end{2, 0, 6, 0};
            REQUIRE(
                index::write_catalog_file(disk, test::sample_snapshot(), test::sample_uuid, end));
            disk.cut_power_at(disk.io_count() + cut);
            const bool done = write_parts(disk, end).has_value();
            CHECK(end.file == (done ? 4 : 3));
            const auto after = disk.power_loss_now(seed);
            const Loaded loaded = load(*after);
            REQUIRE_MESSAGE(loaded.catalog, loaded.catalog.error().message());
            const bool is_new = loaded.catalog->end.file == 4;
            if (done) CHECK(is_new);
            CHECK(loaded.records.size() == (is_new ? 3 : 1));
            CHECK(loaded.catalog->end.next_record == (is_new ? 8 : 7));
            CatalogEnd next = loaded.catalog->end;
            REQUIRE(write_parts(*after, next));
            CHECK(load(*after).records.size() == 3);
        }
}
