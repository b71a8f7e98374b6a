// Power cuts at every change that a store makes to its disk, and again in the recoveries: rules 1,
// 2, 8, 9, 10, 19, 20 and 22 of docs/testing.md.
//
//   BRAID_SEED=n      explores the random workload of that seed only
//   BRAID_SEQUENCE=n  explores that short sequence only
//   BRAID_KEEP=i,j,…  only those operations of it; - for none
//   BRAID_CUT=n       only the cut in that change of it
//   BRAID_POINTS=n    crash points of random workloads; then all short sequences are explored, too
//   BRAID_SHARE=i/n   of the sequences only every n-th, from the i-th on
//   BRAID_PLANTED=n   with that fault of io/planted.h
//   BRAID_SECONDS=n   when to give up, which is a failure; default 600
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <braid/check.hpp>

#include <chrono>
#include <cstdio>
#include <sstream>

#include "io/planted.h"
#include "tests/crash/shrink.h"

namespace braid::crash {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t quick_points = 3000;
constexpr std::uint64_t quick_stride = 97;  // of sequences
constexpr std::uint64_t random_survivals = 4;
constexpr std::uint64_t sequence_survivals = 3;
constexpr double shrink_seconds = 30;

std::optional<std::uint64_t> number_from_environment(const char* name) {
    const char* text = ::getenv(name);
    if (text == nullptr || *text == '\0') return std::nullopt;
    return std::strtoull(text, nullptr, 10);
}

std::optional<Kept> kept_from_environment() {
    const char* text = ::getenv("BRAID_KEEP");
    if (text == nullptr) return std::nullopt;
    Kept kept;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, ',');)
        if (part != "-") kept.push_back(std::strtoull(part.c_str(), nullptr, 10));
    return kept;
}

std::string repeat_with;  // in case the process ends with a broken invariant

void say_seed_and_abort(std::string_view sentence) {
    fmt::print(stderr, "{}\n{}\n", sentence, repeat_with);
    ::abort();
}

/// Explores one workload after another and counts.
class Exploration {
public:
    explicit Exploration(const char* variable, std::uint64_t survivals)
        : variable_(variable),
          seconds_max_(static_cast<double>(number_from_environment("BRAID_SECONDS").value_or(600))),
          handler_before_(set_check_handler(say_seed_and_abort)) {
        thoroughness_.survivals = survivals;
        planted_fault =
            static_cast<PlantedFault>(number_from_environment("BRAID_PLANTED").value_or(0));
        thoroughness_.only_cut = number_from_environment("BRAID_CUT");
    }
    ~Exploration() {
        planted_fault = PlantedFault::none;
        set_check_handler(handler_before_);
    }
    Exploration(const Exploration&) = delete;
    Exploration& operator=(const Exploration&) = delete;

    [[nodiscard]] bool has_time() const {
        if (seconds() < seconds_max_) return true;
        FAIL_CHECK("gave up after " << seconds() << " s: " << story());
        return false;
    }
    [[nodiscard]] const Tally& tally() const noexcept { return tally_; }
    /// False, and a report, if it goes wrong.
    bool explore(Workload workload) {
        repeat_with =
            fmt::format("repeat with: {}={} test_crash -tc='crash*'", variable_, workload.seed);
        const auto kept = kept_from_environment();
        if (kept) workload = keep(workload, *kept);
        const std::string problem = Explorer(workload, thoroughness_, tally_).explore();
        if (problem.empty()) return true;
        const bool as_asked = kept || thoroughness_.only_cut;
        FAIL_CHECK(problem << "\n" << repeat_with << (as_asked ? "" : report_shrunk(workload)));
        return false;
    }
    [[nodiscard]] std::string story() const {
        const auto all = static_cast<double>(tally_.points + tally_.double_points);
        std::string scenes;
        for (std::size_t i = 0; i < scene_count; ++i)
            scenes += fmt::format(", {} {}", scene_names[i], tally_.scenes[i]);
        return fmt::format("{} points ({} kills), {} double points, {:.0f} points/s; {} cuts{}",
                           tally_.points, tally_.kills, tally_.double_points, all / seconds(),
                           tally_.cuts, scenes);
    }
    void tell_figures(std::string_view what) const {
        fmt::print("figure: crash points: {}\n", tally_.points);
        fmt::print("figure: crash points in recoveries: {}\n", tally_.double_points);
        fmt::print("figure: crash points after a kill: {}\n", tally_.kills);
        for (const std::size_t count : {1, 2, 4})
            fmt::print("figure: crash points with {} in flight: {}\n", count,
                       tally_.points_in_flight[count]);
        fmt::print("figure: crash points of {}: {}\n", what, tally_.points);
    }
    /// Nothing that a store does may be missing among the cuts of a long run.
    void check_scenes() const {
        for (std::size_t i = 0; i < scene_count; ++i)
            CHECK_MESSAGE(tally_.scenes[i] > 0, "never cut in: ", scene_names[i]);
    }

private:
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(Clock::now() - begin_).count();
    }
    [[nodiscard]] std::string report_shrunk(const Workload& workload) const {
        const Shrunk least = shrink(workload, thoroughness_, shrink_seconds);
        std::string text = "\nshrunk:";
        for (const std::size_t index : least.kept)
            text += "\n  " + describe(workload, workload.operations[index]);
        const std::string cut = least.cut ? fmt::format(" BRAID_CUT={}", *least.cut) : "";
        return text + fmt::format(
                          "\n{}\nrepeat with: {}={} BRAID_KEEP={}{} test_crash "
                          "-tc='crash*'",
                          least.problem, variable_, workload.seed,
                          least.kept.empty() ? "-" : fmt::to_string(fmt::join(least.kept, ",")),
                          cut);
    }

    const Clock::time_point begin_ = Clock::now();
    const char* const variable_;
    const double seconds_max_;
    const CheckHandler handler_before_;
    Thoroughness thoroughness_;
    Tally tally_;
};

/// Where to begin, another place each time and in each process.
std::uint64_t somewhere() {
    return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()) % 1'000'000'000;
}

/// Which of the sequences are this process's.
struct Share {
    std::uint64_t first = 0;
    std::uint64_t stride = 1;
};

Share share_of_sequences(bool all) {
    if (!all) return {somewhere() % quick_stride, quick_stride};
    Share share;
    if (const char* text = ::getenv("BRAID_SHARE")) {
        char* end = nullptr;
        share.first = std::strtoull(text, &end, 10);
        REQUIRE(*end == '/');
        share.stride = std::strtoull(end + 1, nullptr, 10);
    }
    REQUIRE(share.stride > share.first);
    return share;
}

}  // namespace

TEST_CASE("crash: what was acknowledged survives a power cut at any change of the disk") {
    if (::getenv("BRAID_SEQUENCE") != nullptr) return;
    Exploration exploration("BRAID_SEED", random_survivals);
    if (const auto given = number_from_environment("BRAID_SEED")) {
        exploration.explore(make_workload(*given));
        MESSAGE("crash: ", exploration.story());
        return;
    }
    const auto points = number_from_environment("BRAID_POINTS");
    const std::uint64_t first = somewhere();
    std::uint64_t seed = first;
    while (exploration.tally().points < points.value_or(quick_points) && exploration.has_time() &&
           exploration.explore(make_workload(seed)))
        ++seed;
    MESSAGE("crash: seeds ", first, " to ", seed, ": ", exploration.story());
    if (!points) return;
    exploration.check_scenes();
    exploration.tell_figures("long random workloads");
}

TEST_CASE("crash: short sequences of operations on two segments survive a cut anywhere") {
    if (::getenv("BRAID_SEED") != nullptr) return;
    Exploration exploration("BRAID_SEQUENCE", sequence_survivals);
    if (const auto given = number_from_environment("BRAID_SEQUENCE")) {
        REQUIRE(*given < sequence_runs);
        exploration.explore(make_sequence(*given));
        MESSAGE("crash: ", exploration.story());
        return;
    }
    const bool all = number_from_environment("BRAID_POINTS").has_value();
    const Share share = share_of_sequences(all);
    std::uint64_t index = share.first;
    while (index < sequence_runs && exploration.has_time() &&
           exploration.explore(make_sequence(index)))
        index += share.stride;
    MESSAGE("crash: every ", share.stride, "th sequence up to ", index, ": ", exploration.story());
    if (!all) return;
    exploration.check_scenes();
    exploration.tell_figures("short sequences");
}

}  // namespace braid::crash
