#include "index/sparse_index.h"

#include <doctest/doctest.h>

#include "tests/segment/sample.h"

using namespace braid;
using index::SparseEntry;
using index::SparseIndex;
using segment::FrameView;

namespace {

const std::uint64_t seed = segment::store_seed(test::sample_uuid);

struct SamplePiece {
    segment::Piece piece;
    std::vector<std::byte> frames;
    std::vector<SparseEntry> all;  ///< one for every frame
};

SamplePiece begin_piece(const segment::FrameNumbers& numbers) {
    SamplePiece sample;
    segment::Piece& piece = sample.piece;
    piece.segment = numbers.segment;
    piece.file = 1;
    piece.offset = 4096;
    piece.first_sequence = numbers.first_sequence;
    piece.first_position = numbers.first_position;
    piece.first_timestamp = numbers.timestamp;
    return sample;
}

void append(SamplePiece& sample, const segment::FrameNumbers& numbers, std::size_t count,
            std::size_t payload_bytes) {
    const auto frame = test::plain_frame(numbers, count, payload_bytes, seed);
    sample.all.push_back(
        {numbers.first_sequence, numbers.first_position, numbers.timestamp, sample.frames.size()});
    sample.frames.insert(sample.frames.end(), frame.begin(), frame.end());
    sample.piece.last_sequence = numbers.first_sequence + (count - 1);
    sample.piece.last_position = numbers.first_position + (count - 1);
    sample.piece.last_timestamp = numbers.timestamp;
}

SamplePiece end_piece(SamplePiece sample) {
    segment::Piece& piece = sample.piece;
    piece.frames_bytes = sample.frames.size();
    piece.index_offset = (piece.offset + piece.frames_bytes + 4095) / 4096 * 4096;
    return sample;
}

SamplePiece sample_piece(std::uint64_t start, std::size_t frames) {
    std::mt19937_64 random(start);
    segment::FrameNumbers numbers = test::sample_numbers();
    SamplePiece sample = begin_piece(numbers);
    for (std::size_t i = 0; i < frames; ++i) {
        // Now and then a jump, so that interpolation guesses wrong.
        const std::size_t count = 1 + random() % (random() % 50 ? 4 : 500);
        append(sample, numbers, count, random() % 300 * (count < 5));
        numbers.first_sequence += count;
        numbers.first_position += count + random() % (random() % 50 ? 10 : 100'000);
        numbers.timestamp += random() % 3;
    }
    return end_piece(std::move(sample));
}

/// Frames of as many records, all of the same length but for one.
SamplePiece even_piece(std::size_t count, std::size_t frames, std::size_t odd) {
    segment::FrameNumbers numbers = test::sample_numbers();
    SamplePiece sample = begin_piece(numbers);
    for (std::size_t i = 0; i < frames; ++i) {
        append(sample, numbers, count, i == odd ? 57 : 100);
        numbers.first_sequence += count;
        numbers.first_position += count;
    }
    return end_piece(std::move(sample));
}

SparseIndex build(const SamplePiece& sample) {
    auto index = SparseIndex::build(sample.piece, sample.frames, "segment-000007-000001");
    REQUIRE_MESSAGE(index, index.error().message());
    return *std::move(index);
}

// The frame that a walk from `offset` finds first that `holds` is true of.
template <class Holds>
std::optional<std::uint64_t> walk(const SamplePiece& sample, std::uint64_t from, Holds holds) {
    for (const SparseEntry& entry : sample.all)
        if (entry.offset >= from && holds(FrameView(sample.frames.data() + entry.offset)))
            return entry.offset;
    return std::nullopt;
}

// Seeking must give an indexed offset from which a walk finds what a walk from the start finds, and
// less than two intervals and one frame before it.
template <class Target, class Holds>
void check_seek(const SamplePiece& sample, const SparseIndex& index, Target target, Holds holds) {
    const std::uint64_t offset = index.seek(target);
    const auto expected = walk(sample, 0, holds);
    CHECK(walk(sample, offset, holds) == expected);
    const bool indexed = std::any_of(index.entries().begin(), index.entries().end(),
                                     [&](const SparseEntry& e) { return e.offset == offset; });
    CHECK(indexed);
    if (expected) CHECK(*expected - offset < 2 * index::sparse_interval_bytes + 2100);
}

}  // namespace

TEST_CASE("an entry stands for the first frame and then every 4 KiB or so") {
    const SamplePiece sample = sample_piece(1, 500);
    const SparseIndex index = build(sample);
    REQUIRE(index.entries().size() > 5);
    CHECK(index.entries().front() == sample.all.front());
    for (std::size_t i = 1; i < index.entries().size(); ++i)
        CHECK(index.entries()[i].offset - index.entries()[i - 1].offset >=
              index::sparse_interval_bytes);
    CHECK(index.entries().size() >= sample.frames.size() / (index::sparse_interval_bytes + 2100));
}

TEST_CASE("an encoded index comes back") {
    const SamplePiece sample = sample_piece(2, 300);
    const SparseIndex index = build(sample);
    const auto encoded = index.encode(sample.piece, seed);
    CHECK(encoded.size() == 64 + index.entries().size() * index::sparse_entry_bytes);
    auto decoded = SparseIndex::decode(encoded, sample.piece, seed, "f");
    REQUIRE(decoded);
    CHECK(decoded->entries() == index.entries());
}

TEST_CASE("seeking by sequence, position and timestamp leads to the frame") {
    const std::uint64_t start = test::fresh_seed();
    CAPTURE(start);
    for (const std::size_t frames : {1, 2, 30, 700}) {
        const SamplePiece sample = sample_piece(start, frames);
        const SparseIndex index = build(sample);
        const segment::Piece& piece = sample.piece;
        std::mt19937_64 random(start);
        for (int i = 0; i < 500; ++i) {
            const Sequence sequence =
                piece.first_sequence + random() % (piece.last_sequence - piece.first_sequence + 1);
            check_seek(sample, index, sequence,
                       [&](FrameView f) { return f.last_sequence() >= sequence; });
            const Position position =
                piece.first_position + random() % (piece.last_position - piece.first_position + 1);
            check_seek(sample, index, position,
                       [&](FrameView f) { return f.last_position() >= position; });
            const Timestamp timestamp =
                piece.first_timestamp +
                random() % (piece.last_timestamp - piece.first_timestamp + 2);
            const auto not_below = [&](FrameView f) { return f.timestamp() >= timestamp; };
            CHECK(walk(sample, index.seek(timestamp), not_below) == walk(sample, 0, not_below));
        }
    }
}

TEST_CASE("seeking before a piece gives its start, behind it its last entry") {
    const SamplePiece sample = sample_piece(3, 300);
    const SparseIndex index = build(sample);
    const std::uint64_t last = index.entries().back().offset;
    CHECK(index.seek(Sequence(0)) == 0);
    CHECK(index.seek(Position(0)) == 0);
    CHECK(index.seek(Timestamp(0)) == 0);
    CHECK(index.seek(Sequence(~std::uint64_t{0})) == last);
    CHECK(index.seek(Position(~std::uint64_t{0})) == last);
    CHECK(index.seek(Timestamp(~std::uint64_t{0})) == last);
    CHECK(SparseIndex().seek(Sequence(5)) == 0);
    CHECK(SparseIndex().seek(Timestamp(5)) == 0);
}

TEST_CASE("a search stays short where the numbers are as uneven as can be") {
    // Sequences that double: interpolation alone would go through them one by one.
    SamplePiece sample;
    segment::FrameNumbers numbers = test::sample_numbers();
    sample.piece.segment = numbers.segment;
    for (int i = 0; i < 60; ++i) {
        numbers.first_sequence = 41 + i;
        numbers.first_position = std::uint64_t{1} << i;
        append(sample, numbers, 1, 4096);
    }
    sample.piece.frames_bytes = sample.frames.size();
    sample.piece.first_sequence = 41;
    sample.piece.last_sequence = 100;
    sample.piece.first_position = 1;
    sample.piece.last_position = std::uint64_t{1} << 59;
    sample.piece.first_timestamp = sample.piece.last_timestamp = numbers.timestamp;
    const SparseIndex index = build(sample);
    CHECK(index.entries().size() == 60);
    for (std::size_t i = 0; i < 60; ++i) {
        const Position position = std::uint64_t{1} << i;
        CHECK(index.seek(position) == sample.all[i].offset);
        CHECK(index.seek(position + 1) == sample.all[i == 0 ? 1 : i].offset);
    }
}

TEST_CASE("every flipped bit and every cut of an encoded index is corrupt") {
    const SamplePiece sample = sample_piece(4, 60);
    auto encoded = build(sample).encode(sample.piece, seed);
    for (std::size_t bit = 0; bit < encoded.size() * 8; ++bit) {
        CAPTURE(bit);
        test::flip(encoded, bit);
        const auto decoded = SparseIndex::decode(encoded, sample.piece, seed, "f");
        REQUIRE_FALSE(decoded);
        CHECK(decoded.error().code() == Errc::corrupt);
        test::flip(encoded, bit);
    }
    for (std::size_t size = 0; size < encoded.size(); ++size)
        CHECK_FALSE(SparseIndex::decode(Bytes(encoded).first(size), sample.piece, seed, "f"));
}

TEST_CASE("an index of another piece or store is corrupt") {
    const SamplePiece sample = sample_piece(5, 60);
    const auto encoded = build(sample).encode(sample.piece, seed);
    segment::Piece piece = sample.piece;
    SUBCASE("segment") {
        ++piece.segment;
    }
    SUBCASE("offset") {
        piece.offset += 4096;
    }
    SUBCASE("bytes") {
        piece.frames_bytes += 8;
    }
    SUBCASE("first sequence") {
        ++piece.first_sequence;
    }
    SUBCASE("last sequence") {
        ++piece.last_sequence;
    }
    SUBCASE("first position") {
        ++piece.first_position;
    }
    CHECK_FALSE(SparseIndex::decode(encoded, piece, seed, "f"));
    CHECK_FALSE(SparseIndex::decode(encoded, sample.piece, seed + 1, "f"));
}

TEST_CASE("frames that don't follow each other are corrupt, with file and offset") {
    SamplePiece sample = sample_piece(6, 20);
    const std::uint64_t at = sample.all[10].offset;
    SUBCASE("a sequence") {
        sample.frames[at + 24] ^= std::byte{1};
    }
    SUBCASE("a segment") {
        sample.frames[at + 16] ^= std::byte{1};
    }
    SUBCASE("a position that falls") {
        std::fill_n(sample.frames.begin() + static_cast<std::ptrdiff_t>(at) + 32, 8, std::byte{0});
    }
    SUBCASE("a timestamp that falls") {
        std::fill_n(sample.frames.begin() + static_cast<std::ptrdiff_t>(at) + 40, 8, std::byte{0});
    }
    SUBCASE("no frame") {
        std::fill_n(sample.frames.begin() + static_cast<std::ptrdiff_t>(at), 16, std::byte{0});
    }
    SUBCASE("a change") {
        sample.frames[at + 14] = std::byte{64};
    }
    const auto index = SparseIndex::build(sample.piece, sample.frames, "segment-000007-000001");
    REQUIRE_FALSE(index);
    const std::string message = index.error().message();
    CAPTURE(message);
    CHECK(message.find("segment-000007-000001") != std::string::npos);
    CHECK(message.find(std::to_string(4096 + at)) != std::string::npos);
}

TEST_CASE("frames that end elsewhere than the piece says are corrupt") {
    SamplePiece sample = sample_piece(7, 20);
    SUBCASE("sequence") {
        ++sample.piece.last_sequence;
    }
    SUBCASE("position") {
        ++sample.piece.last_position;
    }
    SUBCASE("timestamp") {
        ++sample.piece.last_timestamp;
    }
    SUBCASE("bytes") {
        sample.piece.frames_bytes += 8;
    }
    SUBCASE("fewer frames") {
        sample.frames.resize(sample.all.back().offset);
        sample.piece.frames_bytes = sample.frames.size();
    }
    CHECK_FALSE(SparseIndex::build(sample.piece, sample.frames, "f"));
}

TEST_CASE("random bytes never crash build and decode") {
    const std::uint64_t start = test::fresh_seed();
    CAPTURE(start);
    std::mt19937_64 random(start);
    for (int i = 0; i < 5'000; ++i) {
        const auto bytes = test::random_bytes(random, random() % 300);
        segment::Piece piece;
        piece.frames_bytes = bytes.size();
        static_cast<void>(SparseIndex::build(piece, bytes, "f"));
        static_cast<void>(SparseIndex::decode(bytes, piece, seed, "f"));
    }
}

TEST_CASE("between which indexed frames a sequence lies is told alike where all frames are alike") {
    for (const std::size_t count : {1, 3, 200})
        for (const std::size_t odd : {std::size_t{1000}, std::size_t{150}, std::size_t{299}}) {
            SamplePiece sample = even_piece(count, 300, odd);
            const SparseIndex index = build(sample);
            const auto& entries = index.entries();
            for (Sequence wanted = sample.piece.first_sequence;
                 wanted <= sample.piece.last_sequence; ++wanted) {
                std::size_t at = entries.size() - 1;
                while (entries[at].sequence > wanted) --at;
                const SparseIndex::Interval interval = index.interval(wanted);
                REQUIRE(interval.sequence == entries[at].sequence);
                REQUIRE(interval.offset == entries[at].offset);
                if (at + 1 == entries.size()) continue;
                REQUIRE(interval.end_sequence == entries[at + 1].sequence);
                REQUIRE(interval.end == entries[at + 1].offset);
            }
        }
}
