// Power cuts at every change that a store makes to its disk, and again in the recoveries.
//
//   BRAID_SEED=n     explores the workload of that seed only
//   BRAID_CUT=n      only the cut in that change of it
//   BRAID_SECONDS=n  for how long to explore new workloads; default 20
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <chrono>
#include <cstdio>

#include "tests/crash/explorer.h"

namespace braid::crash {
namespace {

using Clock = std::chrono::steady_clock;

std::optional<std::uint64_t> number_from_environment(const char* name) {
    const char* text = ::getenv(name);
    if (text == nullptr || *text == '\0') return std::nullopt;
    return std::strtoull(text, nullptr, 10);
}

std::uint64_t seed_under_way = 0;

void say_seed_and_abort(std::string_view sentence) {
    fmt::print(stderr, "{}\nrepeat with: BRAID_SEED={} test_crash -tc='crash*'\n", sentence,
               seed_under_way);
    ::abort();
}

bool explore(std::uint64_t seed, const Thoroughness& thoroughness, Tally& tally) {
    seed_under_way = seed;
    const Workload workload = make_workload(seed);
    const std::string problem = Explorer(workload, thoroughness, tally).explore();
    if (problem.empty()) return true;
    FAIL_CHECK(problem << "\nrepeat with: BRAID_SEED=" << seed << " test_crash -tc='crash*'");
    return false;
}

}  // namespace

TEST_CASE("crash: what was acknowledged survives a power cut at any change of the disk") {
    const CheckHandler before = set_check_handler(say_seed_and_abort);
    Thoroughness thoroughness;
    thoroughness.only_cut = number_from_environment("BRAID_CUT");
    Tally tally;
    const auto begin = Clock::now();
    const auto given = number_from_environment("BRAID_SEED");
    const std::chrono::seconds budget(number_from_environment("BRAID_SECONDS").value_or(20));
    const std::uint64_t first = given.value_or(
        static_cast<std::uint64_t>(begin.time_since_epoch().count()) % 1'000'000'000);
    std::uint64_t seed = first;
    while (explore(seed, thoroughness, tally) && !given && Clock::now() - begin < budget) ++seed;
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    set_check_handler(before);
    MESSAGE("crash: seeds ", first, " to ", seed, ": ", tally.cuts, " cuts, ", tally.points,
            " points (", tally.kills, " kills), ", tally.double_points, " double points, ",
            static_cast<std::uint64_t>(static_cast<double>(tally.points + tally.double_points) /
                                       seconds),
            " points/s");
}

}  // namespace braid::crash
