// Which packs are gathered, and what that costs.
#include "engine/gather_policy.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <vector>

namespace braid {
namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

PackFacts pack(std::uint32_t level, std::uint64_t bytes = mib) {
    PackFacts facts;
    facts.level = level;
    facts.is_gathered = level != 0;
    facts.bytes = bytes;
    facts.live = 1000;
    return facts;
}

TEST_CASE("gather policy: so many packs of a level that stand together, the lowest level first") {
    std::vector<PackFacts> packs(3, pack(0));
    CHECK(!choose_run(packs, 4));
    packs.push_back(pack(0));
    CHECK(choose_run(packs, 4) == GatherRun{0, 4, 1});
    // Older ones come first.
    packs.push_back(pack(0));
    CHECK(choose_run(packs, 4) == GatherRun{0, 4, 1});
    packs[1] = pack(1);
    CHECK(!choose_run(packs, 4));
    packs.insert(packs.begin(), 4, pack(1));
    CHECK(choose_run(packs, 4) == GatherRun{0, 4, 2});
    packs.push_back(pack(0));
    CHECK(choose_run(packs, 4) == GatherRun{6, 4, 1});
}

TEST_CASE("gather policy: large packs of the highest level stay, and one that is left alone") {
    std::vector<PackFacts> packs(64, pack(1, 2048 * mib));
    CHECK(!choose_run(packs, 64));
    CHECK(choose_run(std::vector<PackFacts>(64, pack(0, 500 * mib)), 64) == GatherRun{0, 8, 1});
    packs.assign(70, pack(0));
    packs[3].is_left_alone = true;
    CHECK(choose_run(packs, 64) == GatherRun{4, 64, 1});
    packs[20].bytes = 5000 * mib;
    CHECK(!choose_run(packs, 64));
}

TEST_CASE("gather policy: what is half dead is written anew once, and keeps its level") {
    std::vector<PackFacts> packs{pack(2), pack(1), pack(1), pack(0), pack(0)};
    packs[1].dead = 999;
    CHECK(!choose_run(packs, 64));
    packs[1].dead = packs[2].dead = 1000;
    CHECK(choose_run(packs, 64) == GatherRun{1, 2, 1});
    packs[1].dead = packs[2].dead = 0;
    packs[4].dead = 5000;
    CHECK(choose_run(packs, 64) == GatherRun{4, 1, 0});
}

TEST_CASE("gather policy: all that is asked for comes to an end") {
    std::vector<PackFacts> packs;
    for (int i = 0; i < 300; ++i) packs.push_back(pack(i % 7 == 0 ? 1 : 0, (1 + i % 50) * mib));
    int rounds = 0;
    while (const auto run = choose_any(packs, 64)) {
        REQUIRE(++rounds < 100);
        PackFacts made = pack(run->level, 0);
        for (std::size_t i = 0; i < run->count; ++i) made.bytes += packs[run->first + i].bytes;
        REQUIRE(made.bytes <= gathered_bytes_max);
        const auto first = packs.begin() + static_cast<std::ptrdiff_t>(run->first);
        packs.erase(first, first + static_cast<std::ptrdiff_t>(run->count));
        packs.insert(packs.begin() + static_cast<std::ptrdiff_t>(run->first), made);
    }
    CHECK(packs.size() == 2);
    for (const PackFacts& one : packs) CHECK(one.is_gathered);
}

/// Bytes written to packs for each of drained ones, when so much has come in small segments.
double write_amplification(std::uint64_t all_bytes, std::uint64_t pack_bytes) {
    std::vector<PackFacts> packs;
    std::uint64_t written = 0;
    for (std::uint64_t drained = 0; drained < all_bytes; drained += pack_bytes) {
        packs.push_back(pack(0, pack_bytes));
        written += pack_bytes;
        while (const auto run = choose_run(packs, 64)) {
            PackFacts made = pack(run->level, 0);
            for (std::size_t i = 0; i < run->count; ++i) made.bytes += packs[run->first + i].bytes;
            written += made.bytes;
            const auto first = packs.begin() + static_cast<std::ptrdiff_t>(run->first);
            packs.erase(first, first + static_cast<std::ptrdiff_t>(run->count));
            packs.insert(packs.begin() + static_cast<std::ptrdiff_t>(run->first), made);
        }
    }
    return static_cast<double>(written) / static_cast<double>(all_bytes);
}

TEST_CASE("gather policy: a byte is written twice, up to 128 GiB of small segments") {
    // An extent of 100 bytes of payload takes 176 bytes, of which 160 are its frame; order and
    // directory come on top.
    constexpr double bytes_a_frame_byte = (176.0 + 5 + 2.4) / 160;
    double worst = 0;
    for (std::uint64_t gib = 1; gib <= 128; gib *= 2)
        worst = std::max(worst, write_amplification(gib * 1024 * mib, 32 * mib));
    MESSAGE("write amplification at worst: ", worst, " of packs, ", worst * bytes_a_frame_byte,
            " of frames of 160 bytes");
    CHECK(worst <= 2.0);
    CHECK(worst * bytes_a_frame_byte <= 2.3);
    // What the benchmark of a million segments writes isn't gathered by itself.
    CHECK(write_amplification(40 * 32 * mib, 32 * mib) == 1.0);
}

}  // namespace
}  // namespace braid
