#include "segment/frame_builder.h"

#include <doctest/doctest.h>

#include "tests/segment/sample.h"

using namespace braid;
using segment::FrameBuilder;
using segment::FrameView;

namespace {

const std::uint64_t seed = segment::store_seed(test::sample_uuid);

struct Record {
    std::string payload;
    std::vector<std::pair<std::string, std::string>> metadata;
    bool operator==(const Record&) const = default;
};

Record decode(const FrameView& frame, std::uint32_t index) {
    const auto split = segment::split_record(frame.record(index), frame.has_metadata());
    Record record{std::string(as_text(split.payload)), {}};
    segment::ByteReader reader(frame.record(index));
    if (frame.has_metadata()) reader.varint();
    for (std::size_t i = 0; i < split.pairs; ++i) {
        const std::string key(reader.text());
        record.metadata.emplace_back(key, reader.text());
    }
    return record;
}

void add(FrameBuilder& builder, std::uint32_t segment, const Record& record) {
    std::vector<KeyValue> pairs;
    for (const auto& [key, value] : record.metadata) pairs.push_back({key, value});
    builder.add(segment, as_bytes(record.payload), pairs);
}

// Numbers all frames, verifies each and gives back their records.
std::vector<Record> finish_and_read(FrameBuilder& builder) {
    builder.finish();
    std::vector<Record> records;
    std::uint64_t expected_offset = 0;
    for (const auto& built : builder.frames()) {
        CHECK(built.offset == expected_offset);
        std::byte* at = builder.bytes().data() + built.offset;
        segment::number_frame(at, test::sample_numbers(), built.body_hash, seed);
        const auto found = segment::look(builder.bytes().subspan(built.offset));
        REQUIRE(found.found == segment::Found::item);
        CHECK(found.length == built.length);
        const FrameView frame(at);
        const char* problem = segment::verify_frame(frame, seed);
        REQUIRE_MESSAGE(problem == nullptr, problem);
        CHECK(frame.count() == built.count);
        if (frame.count() > 1) CHECK(frame.body().size() <= segment::frame_body_bytes_max);
        for (std::uint32_t i = 0; i < frame.count(); ++i) records.push_back(decode(frame, i));
        expected_offset += frame.padded_length();
    }
    CHECK(builder.bytes().size() == expected_offset);
    CHECK(records.size() == builder.record_count());
    return records;
}

std::string all_byte_values() {
    std::string text;
    for (int i = 0; i < 256; ++i) text += static_cast<char>(i);
    return text;
}

}  // namespace

TEST_CASE("a record elsewhere has a frame of its own, between those of other records") {
    FrameBuilder builder;
    builder.add(1, as_bytes("before"), {});
    builder.add_elsewhere(1, true);
    builder.add(1, as_bytes("behind"), {});
    builder.finish();
    REQUIRE(builder.frames().size() == 3);
    CHECK(builder.record_count() == 3);
    const segment::BodyReference reference{3, 4096, 70'000, 17};
    builder.refer(1, reference);
    const segment::FrameBuilder::Frame& built = builder.frames()[1];
    std::byte* at = builder.bytes().data() + built.offset;
    segment::number_frame(
        at,
        {.segment = 5, .first_sequence = 1, .first_position = 1, .timestamp = 1, .transaction = 1},
        built.body_hash, 9);
    const Bytes bytes(at, segment::padded(built.length));
    const segment::Look found = segment::look(bytes);
    CHECK(found.found == segment::Found::item);
    CHECK(found.type == segment::ItemType::records_elsewhere);
    const segment::FrameView frame(at);
    CHECK(frame.has_metadata());
    CHECK(segment::verify_frame(frame, 9) == nullptr);
    CHECK(segment::body_reference(frame) == reference);
}

TEST_CASE("a reference to where no body can be is not sound") {
    using segment::BodyReference;
    CHECK(segment::reference_problem(BodyReference{1, 4096, 1, 0}) == nullptr);
    const BodyReference wrong[] = {{0, 4096, 1, 0},
                                   {std::uint64_t{1} << 32, 4096, 1, 0},
                                   {1, 0, 1, 0},
                                   {1, 4097, 1, 0},
                                   {1, ~0ULL - 4095, 1, 0},
                                   {1, 4096, segment::item_bytes_max + 1, 0}};
    for (const BodyReference& one : wrong) CHECK(segment::reference_problem(one) != nullptr);
}

TEST_CASE("records of any bytes come back from one frame") {
    const std::vector<Record> records = {{all_byte_values(), {}}, {"", {}}, {"x", {}}, {"", {}}};
    FrameBuilder builder;
    for (const Record& record : records) add(builder, 3, record);
    CHECK(finish_and_read(builder) == records);
    CHECK(builder.frames().size() == 1);
    CHECK(builder.frames()[0].segment == 3);
}

TEST_CASE("metadata keeps its order, may repeat a key, and may be long or empty") {
    const std::vector<Record> records = {
        {"payload", {{"b", "1"}, {"a", "2"}, {"b", "3"}}},
        {"", {{"", ""}}},
        {all_byte_values(), {{all_byte_values(), all_byte_values()}}},
        {"p", {{std::string(65536, 'k'), std::string(65536, 'v')}}},
    };
    FrameBuilder builder;
    for (const Record& record : records) add(builder, 0, record);
    CHECK(finish_and_read(builder) == records);
    CHECK(builder.frames().size() == 2);
}

TEST_CASE("a frame is of one segment, and has metadata for all of its records or for none") {
    FrameBuilder builder;
    add(builder, 1, {"a", {}});
    add(builder, 2, {"b", {}});
    add(builder, 2, {"c", {{"k", "v"}}});
    add(builder, 2, {"d", {}});
    add(builder, 1, {"e", {}});
    finish_and_read(builder);
    CHECK(builder.frames().size() == 5);
}

TEST_CASE("a body is at most 64 KiB with its end offsets") {
    FrameBuilder builder;
    const std::string half(32768 - 2, 'h');
    SUBCASE("filled to the last byte") {
        add(builder, 0, {half, {}});
        add(builder, 0, {half, {}});
        finish_and_read(builder);
        REQUIRE(builder.frames().size() == 1);
        CHECK(builder.frames()[0].length == 56 + 65536);
    }
    SUBCASE("one byte more") {
        add(builder, 0, {half, {}});
        add(builder, 0, {half + "h", {}});
        finish_and_read(builder);
        CHECK(builder.frames().size() == 2);
    }
}

TEST_CASE("a record larger than a frame's body has a frame of its own") {
    const std::vector<Record> records = {{"small", {}},
                                         {std::string(1 << 20, 'L'), {}},
                                         {"small", {}},
                                         {std::string(65536, 'f'), {}}};
    FrameBuilder builder;
    for (const Record& record : records) add(builder, 0, record);
    CHECK(finish_and_read(builder) == records);
    CHECK(builder.frames().size() == 4);
}

TEST_CASE("empty records fill a frame up to what its end offsets leave") {
    FrameBuilder builder;
    for (int i = 0; i < 40'000; ++i) builder.add(0, {}, {});
    finish_and_read(builder);
    REQUIRE(builder.frames().size() == 2);
    CHECK(builder.frames()[0].count == 32768);
}

TEST_CASE("a cleared builder builds the same bytes again") {
    FrameBuilder builder;
    const auto build = [&] {
        for (int i = 0; i < 1000; ++i) add(builder, 0, {std::string(i % 97, 'q'), {}});
        builder.finish();
        return std::vector<std::byte>(builder.bytes().begin(), builder.bytes().end());
    };
    const auto first = build();
    builder.clear();
    CHECK(builder.bytes().empty());
    CHECK(builder.frames().empty());
    CHECK(builder.record_count() == 0);
    CHECK(build() == first);
}

TEST_CASE("a builder cleared in the middle of a frame begins anew") {
    FrameBuilder builder;
    add(builder, 0, {"lost", {}});
    builder.clear();
    add(builder, 0, {"kept", {}});
    const std::vector<Record> expected = {{"kept", {}}};
    CHECK(finish_and_read(builder) == expected);
}

TEST_CASE("numbering again replaces the numbers and the flag") {
    auto bytes = test::plain_frame(test::sample_numbers(), 3, 10, seed);
    auto numbers = test::sample_numbers();
    numbers.segment = 8;
    numbers.ends_transaction = false;
    const FrameView frame(bytes.data());
    segment::number_frame(bytes.data(), numbers, segment::checksum(frame.body(), 0), seed);
    CHECK(segment::verify_frame(frame, seed) == nullptr);
    CHECK_FALSE(frame.ends_transaction());
    CHECK(frame.segment() == SegmentId(8));
}

TEST_CASE("the bytes of a record are foretold") {
    const std::vector<KeyValue> pairs = {{"key", "value"}};
    CHECK(segment::record_bytes(as_bytes("payload"), {}, false) == 7);
    CHECK(segment::record_bytes(as_bytes("payload"), {}, true) == 8);
    CHECK(segment::record_bytes(as_bytes("payload"), pairs, true) == 1 + 4 + 6 + 7);
}

TEST_CASE("random records come back in their order") {
    const std::uint64_t start = test::fresh_seed();
    CAPTURE(start);
    std::mt19937_64 random(start);
    FrameBuilder builder;
    for (int round = 0; round < 20; ++round) {
        std::vector<Record> records(random() % 300);
        builder.clear();
        for (Record& record : records) {
            record.payload = std::string(random() % (random() % 10 ? 300 : 70'000), 'r');
            for (std::uint64_t pairs = random() % 8 ? 0 : random() % 4; pairs > 0; --pairs)
                record.metadata.emplace_back(std::string(random() % 200, 'k'), "v");
            add(builder, static_cast<std::uint32_t>(random() % 20 == 0), record);
        }
        CHECK(finish_and_read(builder) == records);
    }
}
