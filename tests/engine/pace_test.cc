#include "engine/pace.h"

#include <doctest/doctest.h>

#include <functional>

namespace braid::test {
namespace {

constexpr std::uint64_t mib = 1 << 20;
constexpr std::uint64_t ms = 1'000'000;

/// Of a budget of 64 MiB, where a drain of 32 MiB takes 320 ms.
struct KnownPace : Pace {
    KnownPace() : Pace(64 << 20) { drained(32 << 20, 320 * ms); }
};

TEST_CASE("pace: nobody is slowed down while there is room") {
    KnownPace pace;
    pace.drain_begins(32 * mib, 0);
    static_cast<void>(pace.delay_ns(mib, 63 * mib, 0));  // pays for nobody
    CHECK(pace.delay_ns(mib, 48 * mib, 0) == 0);
    CHECK(pace.delay_ns(mib, 63 * mib, 0) != 0);
}

TEST_CASE("pace: before a drain has told its speed it is taken for slow") {
    const auto slowed_ms = [](const std::function<void(Pace&)>& begin) {
        Pace pace(64 * mib);
        begin(pace);
        static_cast<void>(pace.delay_ns(mib / 16, 62 * mib, 0));  // pays for nobody
        return pace.delay_ns(mib / 16, 62 * mib, 0) / ms;
    };
    CHECK(slowed_ms([](Pace&) {}) == 9);  // 62 MiB at 5 ms each, for 2 MiB
    CHECK(slowed_ms([](Pace& pace) { pace.drained(1000, 1); }) == 9);  // so little says nothing
    CHECK(slowed_ms([](Pace& pace) { pace.drained(32 * mib, 32 * ms); }) == 1);
}

TEST_CASE("pace: where the last chunk has been begun, some of it is left") {
    KnownPace pace;
    pace.drain_begins(32 * mib, 0);
    CHECK(pace.delay_ns(1000, 64 * mib, 0) == 0);  // pays for nobody
    CHECK(pace.delay_ns(1000, 64 * mib, 0) == 0);  // not worth a sleep yet
    CHECK(pace.delay_ns(mib / 4, 64 * mib, 0) == 0);
    CHECK(pace.delay_ns(1, 64 * mib, 0) / ms == 40);  // of 320 ms, for 2 MiB
}

TEST_CASE("pace: memory lasts as long as the drain") {
    // At several speeds of writing and sizes of commits; a commit itself takes no time here.
    for (const std::uint64_t added : {mib / 100, mib / 4}) {
        CAPTURE(added);
        KnownPace pace;
        std::uint64_t now = 0;
        std::uint64_t in_memory = 32 * mib;
        std::uint64_t longest = 0;
        pace.drain_begins(in_memory, now);
        while (now < 320 * ms && in_memory < 64 * mib) {
            in_memory += added;
            const std::uint64_t delay = pace.delay_ns(added, in_memory, now);
            CHECK((delay == 0 || delay >= ms));
            longest = std::max(longest, delay);
            now += delay;
        }
        CHECK(now > 280 * ms);
        CHECK(in_memory > 60 * mib);
        CHECK(longest < 20 * ms);
    }
}

/// Milliseconds that a MiB costs, with half of the last quarter left.
template <class Before>
std::uint64_t cost_ms(std::uint64_t now, Before before) {
    KnownPace pace;
    before(pace);
    CHECK(pace.delay_ns(mib, 56 * mib, now) == 0);  // pays for nobody
    return pace.delay_ns(1, 56 * mib, now) / ms;
}

TEST_CASE("pace: where no drain is under way, all of one is still to come") {
    CHECK(cost_ms(0, [](Pace&) {}) == 50);  // an eighth of 560 ms, but no sleep is longer
    const auto begun = [](Pace& pace) { pace.drain_begins(32 * mib, 0); };
    CHECK(cost_ms(0, begun) == 40);
    CHECK(cost_ms(160 * ms, begun) == 20);
    CHECK(cost_ms(160 * ms, [](Pace& pace) {
              pace.drain_begins(32 * mib, 0);
              pace.drained(32 * mib, 160 * ms);
          }) == 35);
    CHECK(cost_ms(160 * ms, [](Pace& pace) {
              pace.drain_begins(32 * mib, 0);
              pace.drained(0, 1);  // it failed, or found nothing
          }) == 50);
}

TEST_CASE("pace: a drain that takes longer than those before slows more, the longer it takes") {
    const auto begun = [](Pace& pace) { pace.drain_begins(32 * mib, 0); };
    CHECK(cost_ms(320 * ms, begun) == 10);
    CHECK(cost_ms(640 * ms, begun) == 20);
    CHECK(cost_ms(1280 * ms, begun) == 40);
}

TEST_CASE("pace: who is slower than drains sleeps not at all") {
    KnownPace pace;
    std::uint64_t now = 0;
    std::uint64_t in_memory = 48 * mib;
    pace.drain_begins(32 * mib, now);
    for (; now < 320 * ms; now += 4 * ms) {
        in_memory += mib / 20;  // 4 MiB in all
        CHECK(pace.delay_ns(mib / 20, in_memory, now) == 0);
    }
}

TEST_CASE("pace: no sleep is longer than a bound, and none is owed when the pressure is gone") {
    KnownPace pace;
    for (int i = 0; i < 100; ++i) CHECK(pace.delay_ns(mib, 64 * mib, 0) <= 50 * ms);
    CHECK(pace.delay_ns(mib, 64 * mib, 0) == 50 * ms);
    CHECK(pace.delay_ns(mib, 10 * mib, 0) == 0);
    CHECK(pace.delay_ns(1, 50 * mib, 100 * ms) == 0);
    CHECK(pace.delay_ns(1, 50 * mib, 100 * ms) == 0);
}

}  // namespace
}  // namespace braid::test
