#include "segment/pack.h"

#include <doctest/doctest.h>

#include "tests/segment/sample.h"

using namespace braid;
using segment::FrameView;
using segment::Link;

namespace {

const std::uint64_t seed = segment::store_seed(test::sample_uuid);

struct SamplePack {
    std::vector<std::byte> bytes;
    std::vector<std::uint64_t> offsets;
};

SamplePack sample_pack() {
    SamplePack pack;
    const auto header = segment::make_pack_header(test::sample_uuid, 3);
    const Bytes header_bytes = std::as_bytes(std::span(&header, 1));
    pack.bytes.assign(header_bytes.begin(), header_bytes.end());
    for (std::size_t i = 0; i < 5; ++i) {
        pack.offsets.push_back(pack.bytes.size());
        const auto frame = test::plain_frame(test::sample_numbers(), 1 + i, 3 * i, seed);
        segment::append_extent(pack.bytes, Link(3, 8 * i), i % 2 ? Link() : Link(2, 800),
                               FrameView(frame.data()));
    }
    return pack;
}

Result<segment::ExtentView> at(const SamplePack& pack, std::uint64_t offset) {
    return segment::extent_at(pack.bytes, pack.bytes.size(), offset, "pack-000003");
}

}  // namespace

TEST_CASE("extents come back with their links and frames") {
    const SamplePack pack = sample_pack();
    for (std::size_t i = 0; i < pack.offsets.size(); ++i) {
        CHECK(pack.offsets[i] % 8 == 0);
        auto extent = at(pack, pack.offsets[i]);
        REQUIRE(extent);
        CHECK(extent->offset == pack.offsets[i]);
        CHECK(extent->links_sound);
        CHECK(extent->previous == Link(3, 8 * i));
        CHECK(extent->anchor == (i % 2 ? Link() : Link(2, 800)));
        CHECK(extent->frame.count() == 1 + i);
        CHECK(segment::verify_frame(extent->frame, seed) == nullptr);
    }
}

TEST_CASE("every flipped bit of an extent is noticed, in the links by their checks") {
    SamplePack pack = sample_pack();
    const std::uint64_t begin = pack.offsets[2];
    for (std::size_t bit = begin * 8; bit < pack.offsets[3] * 8; ++bit) {
        CAPTURE(bit);
        test::flip(pack.bytes, bit);
        auto extent = at(pack, begin);
        CHECK((!extent || !extent->links_sound ||
               segment::verify_frame(extent->frame, seed) != nullptr));
        test::flip(pack.bytes, bit);
    }
}

TEST_CASE("an extent beyond the extents' end, or where none can be, is corrupt") {
    const SamplePack pack = sample_pack();
    const std::uint64_t last = pack.offsets.back();
    for (std::uint64_t end = 0; end < pack.bytes.size(); ++end)
        CHECK_FALSE(segment::extent_at(pack.bytes, end, last, "p"));
    for (const std::uint64_t offset :
         {std::uint64_t{0}, last + 1, pack.bytes.size() + 0, pack.bytes.size() + 8,
          ~std::uint64_t{0} - 7, ~std::uint64_t{0}})
        CHECK_FALSE(at(pack, offset));
    CHECK_FALSE(segment::extent_at(pack.bytes, pack.bytes.size() + 8, last, "p"));
    const auto result = at(pack, 1 << 20);
    CHECK(result.error().code() == Errc::corrupt);
    CHECK(result.error().message().find("pack-000003") != std::string::npos);
    CHECK(result.error().message().find("1048576") != std::string::npos);
}

TEST_CASE("a change or zeros where an extent should be are corrupt") {
    SamplePack pack = sample_pack();
    const auto frame_at = static_cast<std::ptrdiff_t>(pack.offsets[1] + 16);
    std::fill_n(pack.bytes.begin() + frame_at, 56, std::byte{0});
    CHECK_FALSE(at(pack, pack.offsets[1]));
    pack.bytes[frame_at + 8] = std::byte{40};
    pack.bytes[frame_at + 14] = std::byte{64};
    CHECK_FALSE(at(pack, pack.offsets[1]));
}

TEST_CASE("random bytes never crash extent_at") {
    const std::uint64_t start = test::fresh_seed();
    CAPTURE(start);
    std::mt19937_64 random(start);
    for (int i = 0; i < 20'000; ++i) {
        const auto bytes = test::random_bytes(random, random() % 400);
        static_cast<void>(segment::extent_at(bytes, random() % 420, random() % 420 / 8 * 8, "p"));
    }
}
