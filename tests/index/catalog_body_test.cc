#include <doctest/doctest.h>

#include "segment/encoding.h"
#include "tests/index/sample_catalog.h"
#include "tests/segment/sample.h"

using namespace braid;
using index::CatalogRecord;
using index::CatalogRecordKind;

namespace {

std::vector<std::byte> body_of(const CatalogRecord& record) {
    std::vector<std::byte> body;
    index::encode_catalog_body(record, body);
    return body;
}

// A body of the counters and one entry of these bytes.
Result<CatalogRecord> with_entry(std::uint64_t type, Bytes content) {
    auto body = body_of({});
    segment::ByteWriter writer(body);
    writer.varint(type);
    writer.varint(content.size());
    writer.bytes(content);
    return index::decode_catalog_body(CatalogRecordKind::drain, body);
}

}  // namespace

TEST_CASE("a record's body comes back") {
    for (const CatalogRecord& record :
         {CatalogRecord(), test::sample_drain(1), test::sample_snapshot(), test::sample_gathering(),
          test::extreme_record()}) {
        auto decoded = index::decode_catalog_body(record.kind, body_of(record));
        REQUIRE_MESSAGE(decoded, decoded.error().message());
        CHECK(*decoded == record);
    }
}

TEST_CASE("a gathered pack has a checksum for each of its sections, and is told of once") {
    CatalogRecord record = test::sample_gathering();
    const auto decodes = [&](std::vector<std::byte> body) {
        return index::decode_catalog_body(CatalogRecordKind::gather, body).has_value();
    };
    REQUIRE(decodes(body_of(record)));
    // The entry twice, and its numbers out of order.
    auto twice = record;
    twice.gathered.push_back(twice.gathered.front());
    CHECK_FALSE(decodes(body_of(twice)));
    for (const auto& from : std::vector<std::vector<index::PackRange>>{
             {}, {{5, 5}, {1, 3}}, {{1, 9}}, {{0, 3}}, {{4, 3}}, {{1, 3}, {3, 4}}}) {
        auto wrong = record;
        wrong.gathered.front().from = from;
        CHECK_FALSE(decodes(body_of(wrong)));
    }
    // Checksums for other sections than the record has.
    auto fewer = record;
    fewer.gathered.clear();
    fewer.sections.pop_back();
    auto body = body_of(fewer);
    std::vector<std::byte> entry{std::byte{9}, std::byte{1},  std::byte{(170 & 0x7f) | 0x80},
                                 std::byte{1}, std::byte{12}, std::byte{1},
                                 std::byte{1}, std::byte{2}};
    for (int checksums = 0; checksums < 3; ++checksums) {
        auto with = body;
        segment::ByteWriter writer(with);
        writer.varint(static_cast<std::uint64_t>(index::CatalogEntryType::gathered));
        writer.varint(entry.size());
        writer.bytes(entry);
        CHECK(decodes(with) == (checksums == 1));
        entry.resize(entry.size() + 8, std::byte{1});
    }
}

TEST_CASE("a touched segment costs some 20 bytes at most") {
    const CatalogRecord empty;
    CatalogRecord record;
    std::mt19937_64 random(1);
    for (std::uint64_t i = 0; i < 10'000; ++i) {
        index::SegmentUpdate update;
        update.segment = 1 + 3 * i;
        update.last_sequence = 100 + random() % 10'000;
        update.last_position = 50'000'000 + random() % 100'000;
        update.last_timestamp = 1'700'000'000'000'000'000 + random() % 100'000'000;
        update.first_timestamp = update.last_timestamp;
        update.head = segment::Link(700, 8 * (random() % 4'000'000));
        update.anchor = update.head;
        record.segments.push_back(update);
    }
    const std::size_t bytes = body_of(record).size() - body_of(empty).size();
    CHECK(bytes / record.segments.size() <= 20);
}

TEST_CASE("an entry of unknown type is of a newer version") {
    for (const std::uint64_t type : {std::uint64_t{20}, std::uint64_t{99}, ~std::uint64_t{0}}) {
        const auto result = with_entry(type, {});
        REQUIRE_FALSE(result);
        CHECK(result.error().code() == Errc::unsupported_version);
    }
}

TEST_CASE("a body without counters, or with two, or cut anywhere within an entry is corrupt") {
    const auto code = [](Bytes body) {
        const auto result = index::decode_catalog_body(CatalogRecordKind::drain, body);
        return result ? std::optional<Errc>() : result.error().code();
    };
    CHECK(code({}) == Errc::corrupt);
    auto twice = body_of({});
    const std::size_t counters = twice.size();
    twice.insert(twice.end(), twice.begin(), twice.begin() + counters);
    CHECK(code(twice) == Errc::corrupt);
    const auto body = body_of(test::sample_drain(1));
    for (std::size_t size = 0; size < counters; ++size)
        CHECK(code(Bytes(body).first(size)) == Errc::corrupt);
    CHECK(code(Bytes(body).first(body.size() - 1)) == Errc::corrupt);
}

TEST_CASE("numbers that are too wide and bytes left in an entry are corrupt") {
    std::vector<std::byte> content;
    segment::ByteWriter writer(content);
    for (int i = 0; i < 7; ++i) writer.varint(1);
    REQUIRE(with_entry(4, content));
    content.push_back(std::byte{1});
    CHECK_FALSE(with_entry(4, content));
    content.clear();
    writer.varint(std::uint64_t{1} << 32);
    for (int i = 0; i < 7; ++i) writer.varint(1);
    CHECK_FALSE(with_entry(4, content));
}

TEST_CASE("a consumer without a name, or with a segment but no space, is corrupt") {
    const auto with_consumer = [](const char* name, const char* space, const char* segment) {
        index::CatalogRecord record;
        record.consumers = {{name, 0, {{space, segment, 1}}}};
        return index::decode_catalog_body(CatalogRecordKind::drain, body_of(record));
    };
    CHECK(with_consumer("a", "", ""));
    CHECK(with_consumer("a", "b", "c"));
    CHECK_FALSE(with_consumer("", "b", "c"));
    CHECK_FALSE(with_consumer("a", "", "c"));
}

TEST_CASE("a lease without a key, or granted to nobody, is corrupt") {
    const auto with_lease = [](const char* key, LeaseToken token, const char* holder) {
        index::CatalogRecord record;
        record.leases = {{key, token, holder, 1}};
        return index::decode_catalog_body(CatalogRecordKind::drain, body_of(record));
    };
    CHECK(with_lease("a", 1, "b"));
    CHECK(with_lease("a", 0, ""));
    CHECK_FALSE(with_lease("", 1, "b"));
    CHECK_FALSE(with_lease("a", 1, ""));
}

TEST_CASE("random entries never crash the decoder") {
    const std::uint64_t start = test::fresh_seed();
    CAPTURE(start);
    std::mt19937_64 random(start);
    for (int i = 0; i < 20'000; ++i) {
        const auto content = test::random_bytes(random, random() % 100);
        static_cast<void>(with_entry(random() % 20, content));
        static_cast<void>(index::decode_catalog_body(CatalogRecordKind::drain, content));
    }
}

TEST_CASE("the bytes of a known body are what the format says") {
    CHECK(test::hex(body_of(test::sample_drain(1))) ==
          "0110e807f4038180a8b1e39fe7cb17030902020802066f726465727303070802"
          "0465752d31040b01a8468060c06001e8070105230301802080804080a0406001"
          "bc0501e1078080a8b1e39fe7cb178180a8b1e39fe7cb17062306bc05bc0f1208"
          "000002020c14030080888080200100800e0cef010202df070ea7010107280202"
          "80c00140ac02bc0506c80f88776655443322110200008020bc050003ce0fffff"
          "ffffffffffff08090314a00684070be606090201070a0a05010703030100040000"
          "1024"
          "0762696c6c696e672802066f726465727300de070573746f636b01610004676f"
          "6e6500001111036b65791e03616e6ee8070466726565001238010203000000000000000000000000004d0000"
          "00000000003c88"
          "0e04ff000000000000000000000000000000ffffffffffffffff02870e00");
}
