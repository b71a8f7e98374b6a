#include "segment/encoding.h"

#include <doctest/doctest.h>

#include "tests/segment/sample.h"

using namespace braid;
using segment::ByteReader;
using segment::ByteWriter;

namespace {

std::vector<std::byte> varint(std::uint64_t value) {
    std::vector<std::byte> out;
    ByteWriter(out).varint(value);
    return out;
}

std::vector<std::byte> raw(std::initializer_list<int> values) {
    std::vector<std::byte> out;
    for (const int value : values) out.push_back(static_cast<std::byte>(value));
    return out;
}

}  // namespace

TEST_CASE("varints come back at every bit length and take the bytes foretold") {
    for (int bits = 0; bits <= 64; ++bits)
        for (const int less : {0, 1}) {
            const std::uint64_t value = (bits == 64 ? 0 : std::uint64_t{1} << bits) - less;
            const auto bytes = varint(value);
            CHECK(bytes.size() == segment::varint_bytes(value));
            ByteReader reader(bytes);
            CHECK(reader.varint() == value);
            CHECK(reader.finished());
        }
}

TEST_CASE("a varint is low bits first") {
    CHECK(varint(300) == raw({0xac, 0x02}));
}

TEST_CASE("a varint that is cut short fails") {
    const auto bytes = varint(~std::uint64_t{0});
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        ByteReader reader(Bytes(bytes).first(size));
        CHECK(reader.varint() == 0);
        CHECK(reader.failed());
    }
}

TEST_CASE("a varint of more than 64 bits fails") {
    const auto too_wide = raw({255, 255, 255, 255, 255, 255, 255, 255, 255, 2});
    ByteReader wide(too_wide);
    CHECK(wide.varint() == 0);
    CHECK(wide.failed());
    const auto too_long = raw({128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 0});
    ByteReader lengthy(too_long);
    lengthy.varint();
    CHECK(lengthy.failed());
}

TEST_CASE("after a failure everything reads as nothing") {
    const auto bytes = raw({5, 'a', 'b'});
    ByteReader reader(bytes);
    CHECK(reader.text().empty());
    CHECK(reader.failed());
    CHECK_FALSE(reader.finished());
    CHECK(reader.varint() == 0);
    CHECK(reader.fixed32() == 0);
    CHECK(reader.fixed64() == 0);
    CHECK(reader.bytes(0).empty());
    CHECK(reader.left().empty());
}

TEST_CASE("fixed numbers and texts come back") {
    std::vector<std::byte> out;
    ByteWriter writer(out);
    writer.fixed32(0x01020304);
    writer.fixed64(0x1122334455667788);
    writer.text("");
    writer.text(std::string(200, 'z'));
    CHECK(out[0] == std::byte{4});
    ByteReader reader(out);
    CHECK(reader.fixed32() == 0x01020304);
    CHECK(reader.fixed64() == 0x1122334455667788);
    CHECK(reader.text().empty());
    CHECK(reader.text() == std::string(200, 'z'));
    CHECK(reader.finished());
}

TEST_CASE("differences of either sign come back through zigzag, small ones small") {
    CHECK(segment::zigzag(0) == 0);
    CHECK(segment::zigzag(std::uint64_t{0} - 1) == 1);
    CHECK(segment::zigzag(1) == 2);
    for (const std::uint64_t value : {0ULL, 1ULL, ~0ULL, 1ULL << 63, (1ULL << 63) - 1, 12345ULL})
        CHECK(segment::unzigzag(segment::zigzag(value)) == value);
}
