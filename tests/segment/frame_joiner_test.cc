#include "segment/frame_joiner.h"

#include <doctest/doctest.h>

#include "tests/segment/sample.h"

using namespace braid;
using segment::FrameJoiner;
using segment::FrameNumbers;
using segment::FrameView;

namespace {

const std::uint64_t seed = segment::store_seed(test::sample_uuid);

/// All that there is to know of a record.
struct Record {
    std::string bytes;
    Sequence sequence;
    Position position;
    Timestamp timestamp;
    TransactionNumber transaction;
    bool ends_transaction = false;
    bool operator==(const Record&) const = default;
};

std::vector<Record> records_of(FrameView frame) {
    std::vector<Record> records;
    for (std::uint32_t i = 0; i < frame.count(); ++i)
        records.push_back({std::string(as_text(frame.record(i))), frame.first_sequence() + i,
                           frame.position(i), frame.timestamp(i), frame.transaction(i),
                           frame.ends_transaction(i)});
    return records;
}

std::vector<std::byte> frame_of(const FrameNumbers& numbers, std::size_t records,
                                std::size_t payload_bytes, bool has_metadata = false) {
    segment::FrameBuilder builder;
    const std::vector<KeyValue> metadata = {{"key", "value"}};
    for (std::size_t i = 0; i < records; ++i)
        builder.add(0, as_bytes(std::string(payload_bytes, static_cast<char>('a' + i))),
                    has_metadata ? std::span(metadata) : std::span<const KeyValue>());
    return test::numbered(builder, numbers, seed);
}

/// What comes behind a frame of so many records, `further` positions further on.
FrameNumbers behind(FrameNumbers numbers, std::uint64_t records, std::uint64_t further = 0) {
    numbers.first_sequence += records;
    numbers.first_position += records + further;
    numbers.timestamp += 5;
    numbers.transaction += 1 + further;
    return numbers;
}

std::vector<std::byte> finish(FrameJoiner& joiner) {
    std::vector<std::byte> out;
    joiner.finish(out, seed);
    CHECK(joiner.is_empty());
    const segment::Look found = segment::look(out);
    REQUIRE_MESSAGE(found.found == segment::Found::item, found.reason);
    REQUIRE(segment::padded(found.length) == out.size());
    const char* problem = segment::verify_frame(FrameView(out.data()), seed);
    REQUIRE_MESSAGE(problem == nullptr, problem);
    return out;
}

std::vector<std::byte> joined(const std::vector<std::vector<std::byte>>& frames) {
    FrameJoiner joiner;
    for (const auto& frame : frames) {
        const FrameView view(frame.data());
        REQUIRE((joiner.is_empty() || joiner.takes(view)));
        joiner.add(view);
    }
    return finish(joiner);
}

std::vector<std::byte> sample_joined() {
    const FrameNumbers first = test::sample_numbers();
    const FrameNumbers second = behind(first, 1, 3);
    return joined({frame_of(first, 1, 5), frame_of(second, 2, 3), frame_of(behind(second, 2), 1, 0)});
}

void sign(std::vector<std::byte>& frame) {
    const FrameView view(frame.data());
    const std::uint64_t sum = segment::frame_checksum(
        frame.data(), segment::checksum(view.body(), 0), segment::frame_seed(seed, view.segment()));
    std::memcpy(frame.data(), &sum, sizeof sum);
}

}  // namespace

TEST_CASE("a joined frame has the records of its frames, each with its own numbers") {
    const std::uint64_t random_seed = test::fresh_seed();
    INFO("seed ", random_seed);
    std::mt19937_64 random(random_seed);
    for (int round = 0; round < 300; ++round) {
        const bool has_metadata = random() % 2 == 0;
        FrameJoiner joiner;
        FrameNumbers numbers = test::sample_numbers();
        std::vector<Record> expected;
        std::vector<std::byte> out;
        std::vector<std::size_t> places;
        for (std::size_t frame = 0; frame < 60; ++frame) {
            const std::size_t records = 1 + random() % 3;
            numbers.ends_transaction = random() % 2 == 0;
            const auto bytes = frame_of(numbers, records, random() % 150, has_metadata);
            const FrameView view(bytes.data());
            for (const Record& record : records_of(view)) expected.push_back(record);
            if (!joiner.takes(view)) {
                joiner.finish(out, seed);
                places.push_back(out.size());
            }
            joiner.add(view);
            numbers = behind(numbers, records, random() % 4);
        }
        joiner.finish(out, seed);
        std::vector<Record> found;
        for (const std::size_t at : places) {
            const FrameView frame(out.data() + at);
            REQUIRE(segment::look(Bytes(out).subspan(at)).found == segment::Found::item);
            REQUIRE(segment::verify_frame(frame, seed) == nullptr);
            CHECK(frame.body().size() <= FrameJoiner::body_bytes_max);
            const auto records = records_of(frame);
            found.insert(found.end(), records.begin(), records.end());
            CHECK(frame.last_position() == records.back().position);
            CHECK(frame.last_sequence() == records.back().sequence);
            CHECK(frame.last_timestamp() == records.back().timestamp);
        }
        CHECK(places.size() < 30);
        REQUIRE(found == expected);
    }
}

TEST_CASE("a frame that nothing was joined with comes back byte for byte") {
    const auto frame = frame_of(test::sample_numbers(), 3, 10);
    CHECK(joined({frame}) == frame);
}

TEST_CASE("a joined frame is joined with others as its frames would be") {
    const FrameNumbers first = test::sample_numbers();
    const FrameNumbers second = behind(first, 1, 7);
    const FrameNumbers third = behind(second, 2, 1);
    const auto a = frame_of(first, 1, 10);
    const auto b = frame_of(second, 2, 20);
    const auto c = frame_of(third, 1, 30);
    CHECK(joined({joined({a, b}), c}) == joined({a, b, c}));
    CHECK(joined({a, joined({b, c})}) == joined({a, b, c}));
}

TEST_CASE("only small frames are joined that go on where those before them end") {
    const FrameNumbers first = test::sample_numbers();
    const FrameNumbers next = behind(first, 2);
    FrameJoiner joiner;
    const auto takes = [&](const std::vector<std::byte>& frame) {
        return joiner.takes(FrameView(frame.data()));
    };
    CHECK_FALSE(takes(frame_of(first, 2, 10)));  // behind nothing nothing is joined
    const auto begin = frame_of(first, 2, 10);
    joiner.add(FrameView(begin.data()));
    CHECK(takes(frame_of(next, 1, 10)));

    FrameNumbers other = next;
    other.segment = 8;
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
    other = next;
    other.first_sequence += 1;
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
    other.first_sequence = first.first_sequence + 1;
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
    other = next;
    other.first_position = first.first_position + 1;  // that of the record before
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
    other = next;
    other.timestamp = first.timestamp - 1;
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
    other = next;
    other.transaction = first.transaction - 1;
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
    CHECK_FALSE(takes(frame_of(next, 1, 10, true)));
    CHECK_FALSE(takes(frame_of(next, 1, FrameJoiner::body_bytes_max)));
    const auto large = frame_of(next, 21, 100);
    CHECK_FALSE(FrameJoiner::is_small(FrameView(large.data())));
    CHECK_FALSE(takes(large));

    // Distances have 32 bits, and the transaction's one less.
    other = next;
    other.first_position = first.first_position + 0xffffffff;
    CHECK(takes(frame_of(other, 1, 10)));
    CHECK_FALSE(takes(frame_of(other, 2, 10)));
    other = next;
    other.transaction = first.transaction + 0x7fffffff;
    CHECK(takes(frame_of(other, 1, 10)));
    const auto far = frame_of(other, 1, 10);
    CHECK(records_of(FrameView(joined({begin, far}).data())).back().transaction ==
          other.transaction);
    other.transaction += 1;
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
}

TEST_CASE("a frame elsewhere isn't joined") {
    segment::FrameBuilder builder;
    builder.add_elsewhere(0, false);
    builder.refer(0, {3, 4096, 70'000, 17});
    const auto elsewhere = test::numbered(builder, behind(test::sample_numbers(), 1), seed);
    const FrameView view(elsewhere.data());
    CHECK_FALSE(FrameJoiner::is_small(view));
    FrameJoiner joiner;
    joiner.add(FrameView(frame_of(test::sample_numbers(), 1, 1).data()));
    CHECK_FALSE(joiner.takes(view));
}

TEST_CASE("every changed bit and every cut of a joined frame is noticed") {
    const auto frame = sample_joined();
    const std::size_t length = FrameView(frame.data()).length();
    const auto is_sound = [](const std::vector<std::byte>& bytes) {
        const segment::Look found = segment::look(bytes);
        return found.found == segment::Found::item && segment::is_frame(found.type) &&
               segment::verify_frame(FrameView(bytes.data()), seed) == nullptr;
    };
    REQUIRE(is_sound(frame));
    for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
        auto changed = frame;
        test::flip(changed, bit);
        CAPTURE(bit);
        CHECK_FALSE(is_sound(changed));
    }
    for (std::size_t bytes = 0; bytes < length; ++bytes) {
        CAPTURE(bytes);
        CHECK_FALSE(is_sound({frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(bytes)}));
    }
}

TEST_CASE("numbers of records that don't rise are noticed, whatever the checksum") {
    const auto frame = sample_joined();
    const std::size_t numbers = segment::frame_header_bytes + 4 * sizeof(std::uint16_t);
    const auto problem_with = [&](std::size_t record, std::size_t field, std::uint8_t value) {
        auto forged = frame;
        forged[numbers + record * sizeof(segment::JoinedNumbers) + field] = std::byte{value};
        sign(forged);
        const char* problem = segment::verify_frame(FrameView(forged.data()), seed);
        return std::string(problem == nullptr ? "" : problem);
    };
    const std::string unsound = "the numbers of the records are not sound";
    CHECK(problem_with(0, 0, 1) == unsound);   // the first record isn't at the frame's position
    CHECK(problem_with(0, 4, 3) == unsound);   // nor of its transaction
    CHECK(problem_with(0, 8, 1) == unsound);   // nor of its time
    CHECK(problem_with(2, 0, 4) == unsound);   // at the position of the one before
    CHECK(problem_with(3, 4, 2) == unsound);   // of a transaction before
    CHECK(problem_with(3, 8, 4) == unsound);   // of a time before
    CHECK(problem_with(1, 0, 3).empty());      // between its neighbours
    CHECK(problem_with(3, 15, 0x10).empty());  // much later, but later
    CHECK(problem_with(3, 15, 0xff) == unsound);  // a time that wraps around
    auto wraps = frame;
    const std::uint64_t last = ~std::uint64_t{0} - 4;
    std::memcpy(wraps.data() + 32, &last, sizeof last);  // first position
    sign(wraps);
    CHECK(segment::verify_frame(FrameView(wraps.data()), seed) == unsound);
}

TEST_CASE("how many records reach up to a position or a time") {
    const auto bytes = sample_joined();
    const FrameView frame(bytes.data());
    const auto plain = frame_of(test::sample_numbers(), 4, 3);
    for (const FrameView view : {frame, FrameView(plain.data())}) {
        const auto records = records_of(view);
        const Position begin = view.first_position() - 2;
        for (Position position = begin; position < begin + 15; ++position)
            CHECK(view.count_through(position) ==
                  std::ranges::count_if(records, [&](const Record& record) {
                      return record.position <= position;
                  }));
        const Timestamp start = view.timestamp() - 2;
        for (Timestamp time = start; time < start + 15; ++time)
            CHECK(view.count_through(time) ==
                  std::ranges::count_if(
                      records, [&](const Record& record) { return record.timestamp <= time; }));
    }
}
