#include "segment/link.h"

#include <doctest/doctest.h>

#include <random>

using braid::segment::Link;

TEST_CASE("a link holds the pack and the offset") {
    const Link link(braid::segment::pack_number_max, 0xffffffffULL * 8);
    CHECK(link.pack() == braid::segment::pack_number_max);
    CHECK(link.offset() == 0xffffffffULL * 8);
    CHECK(Link::from_word(link.word()) == link);
    CHECK_FALSE(Link());
    CHECK(link);
}

TEST_CASE("links come back as stored, and any one or two flipped bits are noticed") {
    std::mt19937_64 random(3);
    for (int i = 0; i < 200; ++i) {
        const Link link = i == 0 ? Link() : Link(random() & 0xffffff, (random() >> 32) * 8);
        Link loaded;
        CHECK(Link::load(link.stored(), loaded));
        CHECK(loaded == link);
        for (int bit = 0; bit < 64; ++bit)
            for (int other = bit; other < 64; ++other) {
                const std::uint64_t flips = (std::uint64_t{1} << bit) | (std::uint64_t{1} << other);
                CHECK_FALSE(Link::load(link.stored() ^ flips, loaded));
            }
    }
}

TEST_CASE("zeros are not a stored link") {
    Link loaded;
    CHECK_FALSE(Link::load(0, loaded));
    CHECK(Link().stored() != 0);
}
