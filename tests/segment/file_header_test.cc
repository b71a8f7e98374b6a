#include "segment/file_header.h"

#include <doctest/doctest.h>

#include "segment/checksum.h"
#include "segment/pack.h"
#include "segment/segment_file.h"
#include "tests/segment/sample.h"

using namespace braid;
using segment::FileHeader;
using segment::FileIdentity;

namespace {

FileIdentity identity() {
    return {.kind = segment::FileKind::catalog,
            .store = test::sample_uuid,
            .number = 12,
            .incarnation = 3,
            .header_bytes = 4096,
            .extra = {1, 2, 3, 4, 5, 6, 7, ~std::uint64_t{0}}};
}

std::vector<std::byte> bytes_of(const FileHeader& header) {
    const Bytes bytes = std::as_bytes(std::span(&header, 1));
    return {bytes.begin(), bytes.end()};
}

Errc code_of(FileHeader header) {
    header.checksum =
        segment::checksum(std::as_bytes(std::span(&header, 1)).subspan(sizeof(std::uint64_t)), 0);
    const auto result = segment::read_file_header(bytes_of(header), "some-file");
    REQUIRE_FALSE(result);
    CHECK(result.error().message().find("some-file") != std::string::npos);
    return result.error().code();
}

}  // namespace

TEST_CASE("a file's identity comes back from its header") {
    const auto result = segment::read_file_header(bytes_of(make_file_header(identity())), "f");
    REQUIRE(result);
    CHECK(*result == identity());
}

TEST_CASE("every flipped bit and every cut of a file header is corrupt") {
    auto bytes = bytes_of(make_file_header(identity()));
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        CAPTURE(bit);
        test::flip(bytes, bit);
        const auto result = segment::read_file_header(bytes, "f");
        REQUIRE_FALSE(result);
        CHECK(result.error().code() == Errc::corrupt);
        test::flip(bytes, bit);
    }
    for (std::size_t size = 0; size < bytes.size(); ++size)
        CHECK_FALSE(segment::read_file_header(Bytes(bytes).first(size), "f"));
}

TEST_CASE("a header of a newer format is told from a damaged one") {
    FileHeader header = make_file_header(identity());
    SUBCASE("version") {
        header.version = segment::format_version + 1;
        CHECK(code_of(header) == Errc::unsupported_version);
    }
    SUBCASE("incompatible features") {
        header.incompatible_features = 4;
        CHECK(code_of(header) == Errc::unsupported_version);
    }
    SUBCASE("no version") {
        header.version = 0;
        CHECK(code_of(header) == Errc::corrupt);
    }
    SUBCASE("kind") {
        header.kind = 9;
        CHECK(code_of(header) == Errc::corrupt);
    }
    SUBCASE("a short header") {
        header.header_bytes = 127;
        CHECK(code_of(header) == Errc::corrupt);
    }
}

TEST_CASE("compatible features of a newer version are no obstacle") {
    FileHeader header = make_file_header(identity());
    header.compatible_features = 1;
    header.checksum =
        segment::checksum(std::as_bytes(std::span(&header, 1)).subspan(sizeof(std::uint64_t)), 0);
    CHECK(segment::read_file_header(bytes_of(header), "f"));
}

TEST_CASE("the headers of packs and segment files say what they are") {
    auto pack =
        segment::read_file_header(bytes_of(segment::make_pack_header(test::sample_uuid, 5)), "f");
    REQUIRE(pack);
    CHECK(pack->kind == segment::FileKind::pack);
    CHECK(pack->number == 5);
    CHECK(segment::pack_name(5) == "pack-000005");
    auto own = segment::read_file_header(
        bytes_of(segment::make_segment_file_header(test::sample_uuid, 77, 2)), "f");
    REQUIRE(own);
    CHECK(own->kind == segment::FileKind::segment);
    CHECK(own->number == 2);
    CHECK(own->header_bytes == 4096);
    CHECK(own->extra[0] == 77);
    CHECK(segment::segment_file_name(77, 2) == "segment-000077-000002");
}

TEST_CASE("the bytes of a known header are what the format says") {
    CHECK(test::hex(bytes_of(make_file_header(identity()))) ==
          "7c178402c6478e4542524149440d0a1a04000600001000000000000000000000"
          "000102030405060708090a0b0c0d0e0f0c000000000000000300000000000000"
          "0100000000000000020000000000000003000000000000000400000000000000"
          "050000000000000006000000000000000700000000000000ffffffffffffffff");
}
