#include "tests/segment/format_document.h"

#include <cstring>

#include "segment/body_reference.h"
#include "segment/change.h"
#include "segment/frame_joiner.h"
#include "segment/pack.h"
#include "segment/segment_file.h"
#include "tests/segment/sample.h"

using namespace braid;
using namespace braid::segment;
using namespace braid::test;

namespace {

std::string indexed(const std::string& name, std::uint32_t index) {
    return name + "[" + std::to_string(index) + "]";
}

}  // namespace

TEST_CASE("the page's store seed is the seed of the examples' store") {
    CHECK(store_seed(sample_uuid) == 0x8355e3a6f61770db);
}

TEST_CASE("the page's file header says what the page says") {
    const DocumentExample example = document_example("file header");
    const auto identity = read_file_header(example.bytes, "format.md");
    REQUIRE_MESSAGE(identity, identity.error().message());
    CHECK(example.number("version") == format_version);
    CHECK(static_cast<std::uint64_t>(identity->kind) == example.number("kind"));
    CHECK(identity->store == sample_uuid);
    CHECK(identity->number == example.number("number"));
    CHECK(identity->incarnation == example.number("incarnation"));
    CHECK(identity->header_bytes == example.number("header_bytes"));
    CHECK(identity->extra[0] == example.number("extra[0]"));

    const FileHeader header = make_segment_file_header(
        sample_uuid, identity->extra[0], static_cast<std::uint32_t>(identity->number));
    CHECK(header.checksum.value() == example.number("checksum"));
    CHECK(hex(std::as_bytes(std::span(&header, 1))) == hex(example.bytes));
}

TEST_CASE("the page's change says what the page says") {
    const DocumentExample example = document_example("change");
    const std::uint64_t seed = store_seed(sample_uuid);
    const auto change = read_change_item(example.bytes, seed);
    REQUIRE_MESSAGE(change, change.error().message());
    const SegmentNamed expected{example.number("segment"), example.number("space"),
                                example.text("name")};
    CHECK(*change == Change(expected));
    CHECK(change_transaction(example.bytes.data()) == example.number("transaction"));

    const FrameView prefix(example.bytes.data());
    CHECK(prefix.checksum() == example.number("checksum"));
    CHECK(prefix.length() == example.number("length"));
    CHECK(prefix.count() == example.number("count"));
    CHECK(static_cast<std::uint64_t>(prefix.type()) == example.number("type"));
    CHECK(prefix.flags() == example.number("flags"));

    std::vector<std::byte> encoded;
    encode_change_item(*change, encoded);
    number_change(encoded.data(), example.number("transaction"), false, seed);
    CHECK(hex(encoded) == hex(example.bytes));
}

TEST_CASE("the page's frame says what the page says") {
    const DocumentExample example = document_example("frame");
    const Look found = look(example.bytes);
    REQUIRE(found.found == Found::item);
    const FrameView frame(example.bytes.data());
    CHECK(verify_frame(frame, store_seed(sample_uuid)) == nullptr);
    CHECK(frame.checksum() == example.number("checksum"));
    CHECK(frame.length() == example.number("length"));
    CHECK(frame.count() == example.number("count"));
    CHECK(static_cast<std::uint64_t>(frame.type()) == example.number("type"));
    CHECK(frame.flags() == example.number("flags"));
    CHECK(frame.segment() == example.number("segment"));
    CHECK(frame.first_sequence() == example.number("first_sequence"));
    CHECK(frame.first_position() == example.number("first_position"));
    CHECK(frame.timestamp() == example.number("timestamp"));
    CHECK(frame.transaction() == example.number("transaction"));
    CHECK(checksum(frame.body(), 0) == 0xae0c2a5346aeef86);
    for (std::uint32_t i = 0; i < frame.count(); ++i) {
        CHECK(frame.end_offset(i) == example.number(indexed("end", i)));
        const RecordView record = split_record(frame.record(i), frame.has_metadata());
        CHECK(record.pairs == example.number(indexed("pairs", i)));
        ByteReader pair({record.metadata, record.payload.data()});
        CHECK(pair.text() == example.text(indexed("key", i)));
        CHECK(pair.text() == example.text(indexed("value", i)));
        CHECK(pair.finished());
    }
    CHECK(as_text(split_record(frame.record(0), true).payload) == example.text("payload[0]"));
    CHECK(split_record(frame.record(1), true).payload.empty());
}

TEST_CASE("the page's joined frame says what the page says, and is made so") {
    const DocumentExample example = document_example("joined frame");
    REQUIRE(look(example.bytes).found == Found::item);
    const FrameView frame(example.bytes.data());
    CHECK(verify_frame(frame, store_seed(sample_uuid)) == nullptr);
    CHECK(frame.checksum() == example.number("checksum"));
    CHECK(frame.length() == example.number("length"));
    REQUIRE(frame.count() == example.number("count"));
    CHECK(static_cast<std::uint64_t>(frame.type()) == example.number("type"));
    CHECK(frame.flags() == example.number("flags"));
    FrameJoiner joiner;
    for (std::uint32_t i = 0; i < frame.count(); ++i) {
        CHECK(frame.end_offset(i) == example.number(indexed("end", i)));
        CHECK(frame.own_checksum(i) == example.number(indexed("checksum", i)));
        CHECK(frame.position(i) - frame.first_position() == example.number(indexed("position", i)));
        CHECK((frame.transaction(i) - frame.transaction()) * 2 + frame.ends_transaction(i) ==
              example.number(indexed("transaction", i)));
        CHECK(frame.timestamp(i) - frame.timestamp() == example.number(indexed("timestamp", i)));
        CHECK(as_text(frame.record(i)) == example.text(indexed("payload", i)));

        FrameBuilder builder;
        builder.add(0, frame.record(i), {});
        const auto one = numbered(builder,
                                  {.segment = example.number("segment"),
                                   .first_sequence = example.number("first_sequence") + i,
                                   .first_position = frame.position(i),
                                   .timestamp = frame.timestamp(i),
                                   .transaction = frame.transaction(i),
                                   .ends_transaction = frame.ends_transaction(i)},
                                  store_seed(sample_uuid));
        joiner.add(FrameView(one.data()));
    }
    std::vector<std::byte> made;
    joiner.finish(made, store_seed(sample_uuid));
    CHECK(hex(made) == hex(example.bytes));
}

TEST_CASE("the page's frame of a record elsewhere says what the page says, and is built so") {
    const DocumentExample example = document_example("frame of a record elsewhere");
    const Look found = look(example.bytes);
    REQUIRE(found.found == Found::item);
    CHECK(found.type == ItemType::records_elsewhere);
    const FrameView frame(example.bytes.data());
    CHECK(verify_frame(frame, store_seed(sample_uuid)) == nullptr);
    CHECK(frame.checksum() == example.number("checksum"));
    CHECK(frame.length() == example.number("length"));
    CHECK(frame.count() == example.number("count"));
    const BodyReference reference = body_reference(frame);
    CHECK(reference == BodyReference{example.number("body_file"), example.number("body_offset"),
                                     example.number("body_length"), example.number("body_hash")});
    CHECK(verify_body(reference, as_bytes("a large body"), false) == nullptr);
    CHECK(verify_body(reference, as_bytes("a large bodY"), false) != nullptr);

    FrameBuilder builder;
    builder.add_elsewhere(0, false);
    builder.refer(0, reference);
    number_frame(builder.bytes().data(),
                 {.segment = example.number("segment"),
                  .first_sequence = example.number("first_sequence"),
                  .first_position = example.number("first_position"),
                  .timestamp = example.number("timestamp"),
                  .transaction = example.number("transaction"),
                  .ends_transaction = true},
                 builder.frames().front().body_hash, store_seed(sample_uuid));
    CHECK(hex(builder.bytes()) == hex(example.bytes));
}

TEST_CASE("the page's frame is what its records become") {
    const DocumentExample example = document_example("frame");
    FrameBuilder builder;
    for (const std::uint32_t i : {0U, 1U}) {
        const std::string key = example.text(indexed("key", i));
        const std::string value = example.text(indexed("value", i));
        const std::string payload = i == 0 ? example.text("payload[0]") : "";
        const KeyValue metadata[] = {{key, value}};
        builder.add(0, as_bytes(payload), metadata);
    }
    FrameNumbers numbers;
    numbers.segment = example.number("segment");
    numbers.first_sequence = example.number("first_sequence");
    numbers.first_position = example.number("first_position");
    numbers.timestamp = example.number("timestamp");
    numbers.transaction = example.number("transaction");
    numbers.ends_transaction = true;
    CHECK(hex(numbered(builder, numbers, store_seed(sample_uuid))) == hex(example.bytes));
}

TEST_CASE("the page's extent header says what the page says") {
    const DocumentExample example = document_example("extent header");
    REQUIRE(example.bytes.size() == extent_header_bytes);
    ExtentHeader header;
    std::memcpy(&header, example.bytes.data(), sizeof header);
    Link previous;
    Link anchor(1, 8);
    REQUIRE(Link::load(header.previous.value(), previous));
    REQUIRE(Link::load(header.anchor.value(), anchor));
    CHECK(previous.pack() == example.number("previous_pack"));
    CHECK(previous.offset() == example.number("previous_offset"));
    CHECK_FALSE(anchor);
    CHECK(previous.stored() == header.previous.value());
    CHECK(anchor.stored() == header.anchor.value());
}
