#include "engine/verified_frames.h"

#include <doctest/doctest.h>

#include "engine/id_table.h"
#include "tests/segment/sample.h"

namespace braid::test {
namespace {

constexpr std::uint64_t seed = 7;
constexpr std::uint64_t begin = 4096;

/// Frames of one segment, one behind the other, from offset 4096 of a file on.
struct FramesFile {
    std::vector<std::byte> bytes = std::vector<std::byte>(begin);
    std::vector<std::uint64_t> offsets;

    FramesFile(std::size_t count, std::size_t payload_bytes) {
        segment::FrameNumbers numbers = sample_numbers();
        for (std::size_t i = 0; i < count; ++i, ++numbers.first_sequence.value) {
            offsets.push_back(bytes.size());
            const auto frame = plain_frame(numbers, 1, payload_bytes, seed);
            bytes.insert(bytes.end(), frame.begin(), frame.end());
            bytes.resize((bytes.size() + 7) / 8 * 8);
        }
    }
    [[nodiscard]] segment::FrameView frame(std::size_t index) const {
        return segment::FrameView(bytes.data() + offsets[index]);
    }
    [[nodiscard]] bool verify(FrameWalk& walk, std::size_t index) const {
        return walk.verify(frame(index), offsets[index], seed) == nullptr;
    }
    void damage(std::size_t index) {
        bytes[offsets[index] + segment::frame_header_bytes] ^= std::byte{1};
    }
};

}  // namespace

TEST_CASE("a walk verifies each frame once, and the next walk none of them again") {
    FramesFile file(300, 100);
    VerifiedFrames verified(file.bytes.size());
    FrameWalk first(&verified, 0);
    for (std::size_t i = 0; i < file.offsets.size(); ++i) REQUIRE(file.verify(first, i));
    // What was verified is believed: nothing else shows whether it is looked at again.
    for (std::size_t i = 0; i + 1 < file.offsets.size(); ++i) file.damage(i);
    FrameWalk second(&verified, 0);
    std::size_t believed = 0;
    for (std::size_t i = 0; i < file.offsets.size(); ++i) believed += file.verify(second, i);
    // A walk's first block is left to its last frame alone.
    CHECK(believed > 250);
}

TEST_CASE("a large frame is found again wherever one comes from") {
    FramesFile file(20, 6000);
    VerifiedFrames verified(file.bytes.size());
    for (std::size_t i = 0; i < 20; i += 3) {
        FrameWalk walk(&verified, 0);
        REQUIRE(file.verify(walk, i));
        file.damage(i);
        FrameWalk again(&verified, 0);
        CHECK(file.verify(again, i));
        file.damage(i);
    }
}

TEST_CASE("a frame that no walk came by is verified, whatever is known of its block") {
    FramesFile file(300, 100);
    VerifiedFrames verified(file.bytes.size());
    FrameWalk all(&verified, 0);
    for (std::size_t i = 0; i < file.offsets.size(); ++i) REQUIRE(file.verify(all, i));
    // Something that looks like a frame where none begins: eight bytes further.
    const std::uint64_t offset = file.offsets[150] + 8;
    FrameWalk hinted(&verified, 0);
    CHECK(hinted.verify(segment::FrameView(file.bytes.data() + offset), offset, seed) != nullptr);
}

TEST_CASE("a block is known only if all that begins in it was walked") {
    FramesFile file(300, 100);
    VerifiedFrames verified(file.bytes.size());
    file.damage(60);
    // From the middle of a block on, over its end, and with a hole in the next one.
    FrameWalk walk(&verified, 0);
    for (std::size_t i = 40; i < 60; ++i) REQUIRE(file.verify(walk, i));
    CHECK_FALSE(file.verify(walk, 60));
    for (std::size_t i = 61; i < 300; ++i) REQUIRE(file.verify(walk, i));
    for (int times = 0; times < 2; ++times) {
        FrameWalk again(&verified, 0);
        for (std::size_t i = 0; i < 60; ++i) REQUIRE(file.verify(again, i));
        CHECK_FALSE(file.verify(again, 60));
    }
}

TEST_CASE("in a pack the walk steps over the headers of extents") {
    FramesFile file(200, 100);
    constexpr std::uint64_t gap = 16;
    std::vector<std::byte> bytes(begin);
    std::vector<std::uint64_t> offsets;
    for (std::size_t i = 0; i < 200; ++i) {
        bytes.resize(bytes.size() + gap);
        offsets.push_back(bytes.size());
        const segment::FrameView frame = file.frame(i);
        bytes.insert(bytes.end(), frame.data(), frame.data() + frame.padded_length());
    }
    VerifiedFrames verified(bytes.size());
    for (int times = 0; times < 2; ++times) {
        FrameWalk walk(&verified, gap);
        std::size_t sound = 0;
        for (const std::uint64_t offset : offsets)
            sound +=
                walk.verify(segment::FrameView(bytes.data() + offset), offset, seed) == nullptr;
        if (times == 0) CHECK(sound == 200);
        if (times == 1) CHECK(sound > 150);
        for (const std::uint64_t offset : offsets)
            bytes[offset + segment::frame_header_bytes] ^= std::byte{1};
    }
}

TEST_CASE("ids lead to their states, and others to none") {
    IdTable<int> table;
    std::vector<int> states(5000);
    CHECK(table.find(0) == nullptr);
    CHECK(table.find(1) == nullptr);
    for (std::uint64_t id = 1; id <= states.size(); ++id) {
        table.reserve(id);
        table.set(id, &states[id - 1]);
    }
    for (std::uint64_t id = 1; id <= states.size(); ++id) CHECK(table.find(id) == &states[id - 1]);
    CHECK(table.size() == 5000);
    CHECK(table.find(5001) == nullptr);
    CHECK(table.find(~std::uint64_t{0}) == nullptr);
}

}  // namespace braid::test
