#include "segment/change.h"

#include <doctest/doctest.h>

#include "segment/checksum.h"
#include "segment/frame.h"
#include "tests/segment/sample.h"

using namespace braid;
using segment::Change;
using segment::ItemType;

namespace {

const std::uint64_t seed = segment::store_seed(test::sample_uuid);

std::vector<std::byte> item_of(const Change& change) {
    std::vector<std::byte> item;
    segment::encode_change_item(change, item);
    segment::number_change(item.data(), 99, true, seed);
    return item;
}

const Change space_named = segment::SpaceNamed{5, "orders"};
const Change segment_named = segment::SegmentNamed{300, 5, std::string("any\0bytes\xff", 10)};
const Change consumer_moved =
    segment::ConsumerMoved{"billing", "orders", std::string("\0\xff", 2), 12345};
const Change all_changes[] = {
    space_named,
    segment_named,
    consumer_moved,
    segment::ConsumerMoved{"billing", "", "", 0},
    segment::ConsumerTaken{std::string(255, 'c')},
    segment::ConsumerDeleted{"billing"},
    segment::TransactionNoted{{1, 2, 255}, 77},
    segment::LeaseGranted{"key", std::string(255, 'h'), ~std::uint64_t{0}},
    segment::LeaseReleased{"key"}};

}  // namespace

TEST_CASE("changes come back from items") {
    for (const Change& change : all_changes) {
        const auto item = item_of(change);
        CHECK(item.size() % 8 == 0);
        const auto found = segment::look(item);
        REQUIRE(found.found == segment::Found::item);
        CHECK(found.type == segment::change_type(change));
        CHECK(segment::change_transaction(item.data()) == TransactionNumber(99));
        auto read = segment::read_change_item(item, seed);
        REQUIRE(read);
        CHECK(*read == change);
    }
}

TEST_CASE("a move's item is the same, made of views and made of strings") {
    for (const std::size_t bytes : {0, 1, 127, 128, 255})
        for (const std::uint64_t position : {0, 127, 128, 1 << 30}) {
            const std::string consumer(bytes + (bytes == 0), 'c');
            const std::string space(255 - bytes, 's');
            const std::string segment(space.empty() ? 0 : bytes, 'g');
            std::vector<std::byte> item(8, std::byte{1});  // behind others
            segment::encode_change_item(segment::ConsumerMove{consumer, space, segment, position},
                                        item);
            segment::number_change(item.data() + 8, 99, true, seed);
            const Change moved = segment::ConsumerMoved{consumer, space, segment, position};
            std::vector<std::byte> expected(8, std::byte{1});
            segment::encode_change_item(moved, expected);
            segment::number_change(expected.data() + 8, 99, true, seed);
            CHECK(item == expected);
            const auto read = segment::read_change_item(std::span(item).subspan(8), seed);
            REQUIRE(read);
            CHECK(*read == moved);
        }
}

TEST_CASE("every flipped bit and every cut of a change is noticed") {
    for (const Change& change : {space_named, segment_named, consumer_moved}) {
        auto item = item_of(change);
        for (std::size_t bit = 0; bit < item.size() * 8; ++bit) {
            CAPTURE(bit);
            test::flip(item, bit);
            CHECK_FALSE(segment::read_change_item(item, seed));
            test::flip(item, bit);
        }
        const std::size_t length = segment::look(item).length;
        for (std::size_t size = 0; size < length; ++size)
            CHECK_FALSE(segment::read_change_item(Bytes(item).first(size), seed));
    }
}

TEST_CASE("a change of another store is damaged") {
    const auto result = segment::read_change_item(item_of(space_named), seed + 1);
    REQUIRE_FALSE(result);
    CHECK(result.error().code() == Errc::corrupt);
}

TEST_CASE("a change of a type that is reserved is of a newer version") {
    const auto result = segment::decode_change_body(ItemType::segment_trimmed, {});
    REQUIRE_FALSE(result);
    CHECK(result.error().code() == Errc::unsupported_version);
}

TEST_CASE("a body with bytes left, a bad name or no id is corrupt") {
    const auto code = [](const Change& change, bool more) {
        std::vector<std::byte> body;
        segment::encode_change_body(change, body);
        if (more) body.push_back(std::byte{0});
        const auto result = segment::decode_change_body(segment::change_type(change), body);
        return result ? std::optional<Errc>() : result.error().code();
    };
    CHECK(code(space_named, false) == std::nullopt);
    CHECK(code(space_named, true) == Errc::corrupt);
    CHECK(code(segment_named, true) == Errc::corrupt);
    CHECK(code(segment::SpaceNamed{0, "a"}, false) == Errc::corrupt);
    CHECK(code(segment::SpaceNamed{1, ""}, false) == Errc::corrupt);
    CHECK(code(segment::SpaceNamed{1, std::string(255, 'n')}, false) == std::nullopt);
    CHECK(code(segment::SpaceNamed{1, std::string(256, 'n')}, false) == Errc::corrupt);
    CHECK(code(segment::SegmentNamed{1, 0, "a"}, false) == Errc::corrupt);
    CHECK(code(segment::SegmentNamed{0, 1, "a"}, false) == Errc::corrupt);
    CHECK(code(consumer_moved, false) == std::nullopt);
    CHECK(code(consumer_moved, true) == Errc::corrupt);
    CHECK(code(segment::ConsumerMoved{"", "a", "b", 1}, false) == Errc::corrupt);
    CHECK(code(segment::ConsumerMoved{"a", "", "b", 1}, false) == Errc::corrupt);
    CHECK(code(segment::ConsumerMoved{"a", std::string(256, 'n'), "", 1}, false) == Errc::corrupt);
    CHECK(code(segment::ConsumerTaken{""}, false) == Errc::corrupt);
    CHECK(code(segment::ConsumerDeleted{"a"}, true) == Errc::corrupt);
    CHECK(code(segment::LeaseGranted{"a", "b", 1}, true) == Errc::corrupt);
    CHECK(code(segment::LeaseGranted{"", "b", 1}, false) == Errc::corrupt);
    CHECK(code(segment::LeaseGranted{"a", "", 1}, false) == Errc::corrupt);
    CHECK(code(segment::LeaseReleased{""}, false) == Errc::corrupt);
}

TEST_CASE("random bodies never crash the decoder") {
    const std::uint64_t start = test::fresh_seed();
    CAPTURE(start);
    std::mt19937_64 random(start);
    for (int i = 0; i < 20'000; ++i) {
        const auto bytes = test::random_bytes(random, random() % 40);
        for (const ItemType type :
             {ItemType::space_named, ItemType::segment_named, ItemType::consumer_moved,
              ItemType::consumer_taken, ItemType::lease_granted})
            static_cast<void>(segment::decode_change_body(type, bytes));
        static_cast<void>(segment::read_change_item(bytes, seed));
    }
}

TEST_CASE("the bytes of a known change are what the format says") {
    CHECK(test::hex(item_of(segment_named)) ==
          "1f898530fc44774c26000000000041026300000000000000ac02050a616e7900"
          "6279746573ff0000");
}
