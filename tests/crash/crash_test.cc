// Power cuts at every change that a store makes to its disk, and again in the recoveries.
//
//   BRAID_SEED=n      explores the random workload of that seed only
//   BRAID_SEQUENCE=n  explores that short sequence only
//   BRAID_CUT=n       only the cut in that change of it
//   BRAID_SECONDS=n   for how long to explore, all in all; default 20
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <braid/check.hpp>

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

std::string repeat_with;  // in case the process ends with a broken invariant

void say_seed_and_abort(std::string_view sentence) {
    fmt::print(stderr, "{}\n{}\n", sentence, repeat_with);
    ::abort();
}

/// Explores one workload after another and counts.
class Exploration {
public:
    explicit Exploration(double share_of_budget)
        : budget_(share_of_budget *
                  static_cast<double>(number_from_environment("BRAID_SECONDS").value_or(20))),
          handler_before_(set_check_handler(say_seed_and_abort)) {
        thoroughness_.only_cut = number_from_environment("BRAID_CUT");
    }
    ~Exploration() { set_check_handler(handler_before_); }
    Exploration(const Exploration&) = delete;
    Exploration& operator=(const Exploration&) = delete;

    [[nodiscard]] bool has_time() const { return seconds() < budget_; }
    bool explore(const Workload& workload, std::string_view variable) {
        repeat_with =
            fmt::format("repeat with: {}={} test_crash -tc='crash*'", variable, workload.seed);
        const std::string problem = Explorer(workload, thoroughness_, tally_).explore();
        if (!problem.empty()) FAIL_CHECK(problem << "\n" << repeat_with);
        return problem.empty();
    }
    [[nodiscard]] std::string story() const {
        const auto all = static_cast<double>(tally_.points + tally_.double_points);
        return fmt::format("{} cuts, {} points ({} kills), {} double points, {:.0f} points/s",
                           tally_.cuts, tally_.points, tally_.kills, tally_.double_points,
                           all / seconds());
    }

private:
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(Clock::now() - begin_).count();
    }

    const Clock::time_point begin_ = Clock::now();
    const double budget_;
    const CheckHandler handler_before_;
    Thoroughness thoroughness_;
    Tally tally_;
};

/// Where to begin, another place each time.
std::uint64_t somewhere() {
    return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()) % 1'000'000'000;
}

}  // namespace

TEST_CASE("crash: what was acknowledged survives a power cut at any change of the disk") {
    if (::getenv("BRAID_SEQUENCE") != nullptr) return;
    Exploration exploration(0.6);
    const auto given = number_from_environment("BRAID_SEED");
    const std::uint64_t first = given.value_or(somewhere());
    std::uint64_t seed = first;
    while (exploration.explore(make_workload(seed), "BRAID_SEED") && !given &&
           exploration.has_time())
        ++seed;
    MESSAGE("crash: seeds ", first, " to ", seed, ": ", exploration.story());
}

TEST_CASE("crash: short sequences of operations on two segments survive a cut anywhere") {
    if (::getenv("BRAID_SEED") != nullptr) return;
    Exploration exploration(0.4);
    const auto given = number_from_environment("BRAID_SEQUENCE");
    const std::uint64_t first = given.value_or(somewhere()) % sequence_count;
    std::uint64_t done = 0;
    while (exploration.explore(make_sequence((first + done) % sequence_count), "BRAID_SEQUENCE")) {
        ++done;
        if (given || done == sequence_count || !exploration.has_time()) break;
    }
    MESSAGE("crash: ", done, " of ", sequence_count, " sequences, from ", first,
            " on: ", exploration.story());
}

}  // namespace braid::crash
