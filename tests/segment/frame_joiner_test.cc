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

Record record_of(FrameView frame, std::uint32_t index) {
    return {std::string(as_text(frame.record(index))),
            frame.first_sequence() + index,
            frame.position(index),
            frame.timestamp(index),
            frame.transaction(index),
            frame.ends_transaction(index)};
}

std::vector<Record> records_of(FrameView frame) {
    std::vector<Record> records;
    for (std::uint32_t i = 0; i < frame.count(); ++i) records.push_back(record_of(frame, i));
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
    const FrameNumbers third = behind(second, 1);
    return joined({frame_of(first, 1, 5), frame_of(second, 1, 3), frame_of(third, 1, 3),
                   frame_of(behind(third, 1), 1, 0)});
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
            numbers.ends_transaction = random() % 2 == 0;
            const auto bytes = frame_of(numbers, 1, random() % 150, has_metadata);
            const FrameView view(bytes.data());
            for (const Record& record : records_of(view)) expected.push_back(record);
            if (!joiner.takes(view)) {
                joiner.finish(out, seed);
                places.push_back(out.size());
            }
            joiner.add(view);
            numbers = behind(numbers, 1, random() % 4);
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
            const std::uint32_t sound = frame.is_joined() ? frame.count() : 0;
            CHECK(segment::sound_records(frame, 0, false, seed) == sound);
            CHECK(segment::sound_records(frame, frame.count() - 1, true, seed) == sound);
            CHECK(frame.last_position() == records.back().position);
            CHECK(frame.last_sequence() == records.back().sequence);
            CHECK(frame.last_timestamp() == records.back().timestamp);
        }
        CHECK(places.size() < 15);
        REQUIRE(found == expected);
    }
}

TEST_CASE("a frame that nothing was joined with comes back byte for byte") {
    const auto frame = frame_of(test::sample_numbers(), 1, 10);
    CHECK(joined({frame}) == frame);
}

TEST_CASE("a joined frame is joined with others as its frames would be") {
    const FrameNumbers first = test::sample_numbers();
    const FrameNumbers second = behind(first, 1, 7);
    const FrameNumbers third = behind(second, 1, 1);
    const auto a = frame_of(first, 1, 10);
    const auto b = frame_of(second, 1, 20);
    const auto c = frame_of(third, 1, 30);
    CHECK(joined({joined({a, b}), c}) == joined({a, b, c}));
    CHECK(joined({a, joined({b, c})}) == joined({a, b, c}));
}

TEST_CASE("only small frames are joined that go on where those before them end") {
    const FrameNumbers first = test::sample_numbers();
    const FrameNumbers next = behind(first, 1);
    FrameJoiner joiner;
    const auto takes = [&](const std::vector<std::byte>& frame) {
        return joiner.takes(FrameView(frame.data()));
    };
    CHECK_FALSE(takes(frame_of(first, 1, 10)));  // behind nothing nothing is joined
    const auto begin = frame_of(first, 1, 10);
    joiner.add(FrameView(begin.data()));
    CHECK(takes(frame_of(next, 1, 10)));

    FrameNumbers other = next;
    other.segment = 8;
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
    other = next;
    other.first_sequence += 1;
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
    other.first_sequence = first.first_sequence;
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
    other = next;
    other.first_position = first.first_position;
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
    other = next;
    other.timestamp = first.timestamp - 1;
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
    other = next;
    other.transaction = first.transaction - 1;
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
    CHECK_FALSE(takes(frame_of(next, 1, 10, true)));
    CHECK_FALSE(takes(frame_of(next, 1, FrameJoiner::body_bytes_max)));
    CHECK_FALSE(takes(frame_of(next, 2, 10)));  // of one transaction together
    const auto large = frame_of(next, 1, FrameJoiner::body_bytes_max / 3 + 1);
    CHECK_FALSE(FrameJoiner::is_small(FrameView(large.data())));
    CHECK_FALSE(takes(large));

    // Distances have 32 bits, and the transaction's one less.
    other = next;
    other.first_position = first.first_position + 0xffffffff;
    CHECK(takes(frame_of(other, 1, 10)));
    other.first_position += 1;
    CHECK_FALSE(takes(frame_of(other, 1, 10)));
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

TEST_CASE("whatever bit of a joined frame is changed, no record passes that isn't as it was") {
    const auto frame = sample_joined();
    const auto right = records_of(FrameView(frame.data()));
    std::size_t left = 0;
    for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
        auto changed = frame;
        test::flip(changed, bit);
        CAPTURE(bit);
        if (segment::look(changed).found != segment::Found::item) continue;
        const FrameView view(changed.data());
        std::vector<Record> sound;
        for (std::uint32_t i = 0; i < view.count(); ++i) {
            if (!view.is_joined() || !segment::is_record_sound(view, i, seed)) continue;
            REQUIRE(i < right.size());
            CHECK(record_of(view, i) == right[i]);
            ++left;
        }
    }
    CHECK(left > 4 * frame.size());  // where one is hit the others can still be had
}

TEST_CASE("the sound records of a damaged joined frame are those up to the damage, on both sides") {
    const auto frame = sample_joined();
    const FrameView whole(frame.data());
    for (std::uint32_t hit = 0; hit < whole.count(); ++hit) {
        auto changed = frame;
        const Bytes record = whole.record(hit);
        const auto at = static_cast<std::size_t>(record.data() - frame.data());
        const std::size_t numbers =
            segment::frame_header_bytes + whole.ends_bytes() + hit * sizeof(segment::JoinedNumbers);
        test::flip(changed, 8 * (record.empty() ? numbers : at));
        const FrameView view(changed.data());
        REQUIRE(segment::verify_frame(view, seed) != nullptr);
        for (std::uint32_t from = 0; from < whole.count(); ++from) {
            CAPTURE(hit);
            CAPTURE(from);
            CHECK(segment::sound_records(view, from, false, seed) ==
                  (from <= hit ? hit - from : whole.count() - from));
            CHECK(segment::sound_records(view, from, true, seed) ==
                  (from >= hit ? from - hit : from + 1));
        }
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
    CHECK(problem_with(0, 8, 1) == unsound);      // the first record isn't at the frame's position
    CHECK(problem_with(0, 12, 3) == unsound);     // nor of its transaction
    CHECK(problem_with(0, 16, 1) == unsound);     // nor of its time
    CHECK(problem_with(2, 8, 4) == unsound);      // at the position of the one before
    CHECK(problem_with(3, 12, 2) == unsound);     // of a transaction before
    CHECK(problem_with(3, 16, 4) == unsound);     // of a time before
    CHECK(problem_with(1, 8, 3).empty());         // between its neighbours
    CHECK(problem_with(3, 23, 0x10).empty());     // much later, but later
    CHECK(problem_with(3, 23, 0xff) == unsound);  // a time that wraps around
    auto wraps = frame;
    const std::uint64_t last = ~std::uint64_t{0} - 4;
    std::memcpy(wraps.data() + 32, &last, sizeof last);  // first position
    sign(wraps);
    CHECK(segment::verify_frame(FrameView(wraps.data()), seed) == unsound);
}

TEST_CASE("the first record beyond a position or a time, among some") {
    const auto bytes = sample_joined();
    const auto plain = frame_of(test::sample_numbers(), 4, 3);
    for (const FrameView frame : {FrameView(bytes.data()), FrameView(plain.data())}) {
        for (std::uint32_t begin = 0; begin <= 4; ++begin)
            for (std::uint32_t end = begin; end <= 4; ++end)
                for (std::uint64_t beyond = 0; beyond < 16; ++beyond) {
                    const Position position = frame.first_position() - 2 + beyond;
                    const Timestamp time = frame.timestamp() - 2 + beyond;
                    std::uint32_t by_position = begin;
                    while (by_position < end && frame.position(by_position) <= position)
                        ++by_position;
                    std::uint32_t by_time = begin;
                    while (by_time < end && frame.timestamp(by_time) <= time) ++by_time;
                    CHECK(frame.first_beyond(position, begin, end) == by_position);
                    CHECK(frame.first_beyond(time, begin, end) == by_time);
                }
    }
}
