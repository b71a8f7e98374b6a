#include "segment/frame.h"

#include <doctest/doctest.h>

#include "tests/segment/sample.h"

using namespace braid;
using segment::Found;
using segment::FrameView;
using segment::ItemType;
using segment::look;

namespace {

const std::uint64_t seed = segment::store_seed(test::sample_uuid);

std::vector<std::byte> frame_with_metadata() {
    segment::FrameBuilder builder;
    const std::vector<KeyValue> first = {{"type", "placed"}, {"type", "again"}, {"", ""}};
    const std::vector<KeyValue> second = {{"k", "v"}};
    builder.add(0, as_bytes("hello"), first);
    builder.add(0, as_bytes(""), second);
    return test::numbered(builder, test::sample_numbers(), seed);
}

std::vector<std::byte> small_frame() {
    segment::FrameBuilder builder;
    builder.add(0, as_bytes("eins"), {});
    builder.add(0, as_bytes("zwo"), {});
    return test::numbered(builder, test::sample_numbers(), seed);
}

// Gives a frame that was tampered with a checksum that matches, so that the other checks are met.
void sign(std::vector<std::byte>& frame) {
    const FrameView view(frame.data());
    const std::uint64_t sum = segment::frame_checksum(
        frame.data(), segment::checksum(view.body(), 0), segment::frame_seed(seed, view.segment()));
    std::memcpy(frame.data(), &sum, sizeof sum);
}

// What a reader does with bytes that hold anything; nullptr if they are a sound item.
const char* judge(Bytes bytes) {
    const auto found = look(bytes);
    if (found.found == Found::nothing) return "nothing";
    if (found.found == Found::damaged) return found.reason;
    if (found.type != ItemType::records) return "a change";
    const FrameView frame(bytes.data());
    if (const char* problem = segment::verify_frame(frame, seed)) return problem;
    std::size_t used = 0;
    for (std::uint32_t i = 0; i < frame.count(); ++i)
        used += segment::split_record(frame.record(i), frame.has_metadata()).payload.size();
    CHECK(used <= bytes.size());
    return nullptr;
}

void check_every_flip_and_cut(std::vector<std::byte> frame) {
    REQUIRE(judge(frame) == nullptr);
    for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
        CAPTURE(bit);
        test::flip(frame, bit);
        CHECK(judge(frame) != nullptr);
        test::flip(frame, bit);
    }
    const std::size_t length = FrameView(frame.data()).length();
    for (std::size_t size = 0; size < length; ++size) {
        CAPTURE(size);
        const std::vector<std::byte> cut(frame.begin(), frame.begin() + size);
        CHECK(judge(cut) != nullptr);
    }
}

}  // namespace

TEST_CASE("every flipped bit and every cut of a frame is noticed") {
    SUBCASE("plain") {
        check_every_flip_and_cut(small_frame());
    }
    SUBCASE("with metadata") {
        check_every_flip_and_cut(frame_with_metadata());
    }
    SUBCASE("one record") {
        check_every_flip_and_cut(test::plain_frame(test::sample_numbers(), 1, 300, seed));
    }
    SUBCASE("one empty record") {
        check_every_flip_and_cut(test::plain_frame(test::sample_numbers(), 1, 0, seed));
    }
}

TEST_CASE("zeros are nothing, and a frame of another store or segment is damaged") {
    const std::vector<std::byte> zeros(4096);
    for (const std::size_t size : {0, 8, 15, 16, 24, 56, 4096})
        CHECK(look(Bytes(zeros).first(size)).found == Found::nothing);
    const auto frame = small_frame();
    CHECK(segment::verify_frame(FrameView(frame.data()), seed + 1) != nullptr);
}

TEST_CASE("the fields of a frame are what it was numbered with") {
    const auto bytes = small_frame();
    const FrameView frame(bytes.data());
    CHECK(frame.length() == 56 + 4 + 7);
    CHECK(frame.padded_length() == bytes.size());
    CHECK(frame.count() == 2);
    CHECK(frame.segment() == SegmentId(7));
    CHECK(frame.first_sequence() == Sequence(41));
    CHECK(frame.last_sequence() == Sequence(42));
    CHECK(frame.first_position() == Position(1000));
    CHECK(frame.last_position() == Position(1001));
    CHECK(frame.timestamp() == Timestamp(1'700'000'000'000'000'000));
    CHECK(frame.transaction() == TransactionNumber(12));
    CHECK(frame.ends_transaction());
    CHECK_FALSE(frame.has_metadata());
    CHECK(as_text(frame.record(0)) == "eins");
    CHECK(as_text(frame.record(1)) == "zwo");
}

TEST_CASE("the bytes of a known frame are what the format says") {
    CHECK(test::hex(small_frame()) ==
          "b32179c954a2c273430000000200010207000000000000002900000000000000"
          "e80300000000000000002a36fe9c97170c000000000000000400070065696e73"
          "7a776f0000000000");
    CHECK(test::hex(frame_with_metadata()) ==
          "06a8123851acc34b600000000200010307000000000000002900000000000000"
          "e80300000000000000002a36fe9c97170c000000000000001f00240003047479"
          "706506706c61636564047479706505616761696e000068656c6c6f01016b0176");
}

TEST_CASE("lengths, counts and flags that lie are damage with a reason") {
    auto frame = small_frame();
    const auto set8 = [&](std::size_t at, int value) { frame[at] = static_cast<std::byte>(value); };
    std::string reason;
    SUBCASE("no records") {
        set8(12, 0), reason = "a frame of no records";
    }
    SUBCASE("a count beyond the body") {
        set8(12, 6), reason = "the length is less than the header and the index take";
    }
    SUBCASE("a length below the header") {
        set8(8, 55), reason = "the length is less than the header and the index take";
    }
    SUBCASE("a length beyond the bytes") {
        set8(9, 1), reason = "the length goes beyond what is there";
    }
    SUBCASE("a length beyond the limit") {
        set8(11, 0x7f), reason = "the length is over the limit";
    }
    SUBCASE("a codec") {
        set8(15, 0x12), reason = "unsupported codec";
    }
    SUBCASE("an unknown flag") {
        set8(15, 6), reason = "unsupported flags";
    }
    SUBCASE("a joined frame that ends a transaction as a whole") {
        set8(14, 2), reason = "unsupported flags";
    }
    SUBCASE("a joined frame of one record") {
        set8(14, 2), set8(15, 0), set8(12, 1), reason = "a joined frame of a single record";
    }
    SUBCASE("joined numbers beyond the body") {
        set8(14, 2), set8(15, 0), reason = "the length is less than the header and the index take";
    }
    SUBCASE("a reserved type") {
        set8(14, 69), reason = "unsupported type of item";
    }
    SUBCASE("an unknown type") {
        set8(14, 200), reason = "unsupported type of item";
    }
    SUBCASE("padding") {
        set8(71, 1), reason = "the padding is not zero";
    }
    const auto found = look(frame);
    CHECK(found.found == Found::damaged);
    CHECK(found.reason == reason);
}

TEST_CASE("end offsets that fall or lie outside are damage even under a good checksum") {
    auto frame = small_frame();
    SUBCASE("fall") {
        frame[56] = std::byte{8};
    }
    SUBCASE("end too early") {
        frame[58] = std::byte{6};
    }
    SUBCASE("end too late") {
        frame[58] = std::byte{8};
    }
    sign(frame);
    CHECK(std::string(judge(frame)) == "the end offsets are not sound");
}

TEST_CASE("metadata that overruns its record is damage even under a good checksum") {
    auto frame = frame_with_metadata();
    const std::size_t record = 56 + 4;
    REQUIRE(judge(frame) == nullptr);
    SUBCASE("more pairs than there are bytes") {
        frame[record] = std::byte{60};
    }
    SUBCASE("a huge count") {
        std::fill_n(frame.begin() + record, 9, std::byte{0xff});
    }
    SUBCASE("a key beyond the record") {
        frame[record + 1] = std::byte{100};
    }
    SUBCASE("a value beyond the record") {
        frame[record + 6] = std::byte{100};
    }
    sign(frame);
    CHECK(std::string(judge(frame)) == "the metadata of a record is not sound");
}

TEST_CASE("random bytes never crash look, verify and split") {
    const std::uint64_t start = test::fresh_seed();
    CAPTURE(start);
    std::mt19937_64 random(start);
    for (int i = 0; i < 20'000; ++i) {
        auto bytes = test::random_bytes(random, random() % 200);
        judge(bytes);
        if (bytes.size() < 64) continue;
        // Once more with a prefix that passes, and a checksum that matches.
        bytes[8] = static_cast<std::byte>(56 + random() % (bytes.size() - 55));
        bytes[9] = bytes[10] = bytes[11] = bytes[13] = std::byte{0};
        bytes[12] = static_cast<std::byte>(1 + random() % 4);
        bytes[14] = std::byte{1};
        bytes[15] = static_cast<std::byte>(random() % 4);
        if (look(bytes).found == Found::item) sign(bytes);
        judge(bytes);
    }
}
