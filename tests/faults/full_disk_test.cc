// A disk that runs full, and has space again.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdio>
#include <limits>

#include "tests/faults/aftermath.h"
#include "tests/faults/fault_workload.h"
#include "tests/faults/once.h"
#include "tests/faults/sim_store.h"

namespace braid::faults {
namespace {

constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

/// Appends until the disk is full; what was appended.
std::vector<std::string> fill_up(SimStore& store) {
    std::vector<std::string> texts;
    for (int i = 0; i < 1000; ++i) {
        const std::string text = fmt::format("{}:{}", i, std::string(3000, 'x'));
        const auto receipt = store.append(text);
        if (!receipt) {
            CHECK(code_of(receipt) == Errc::no_space);
            return texts;
        }
        texts.push_back(text);
    }
    FAIL("the disk doesn't run full");
    return texts;
}

}  // namespace

TEST_CASE(
    "full disk: commits are refused, reads go on, and what was refused never appears (rule 14)") {
    SimStore store;
    store.disk().set_capacity(store.disk().used_bytes() + 20'000);
    auto texts = fill_up(store);
    CHECK(code_of(store.append(std::string(3000, 'y'))) == Errc::no_space);
    CHECK(code_of(**store.append_async(std::string(3000, 'z'))) == Errc::no_space);
    CHECK(store.texts() == texts);
    CHECK(SimStore::texts_on(store.disk().clone()) == texts);
    CHECK(SimStore::texts_on(store.disk().after_crash(1)) == texts);

    store.disk().set_capacity(unlimited);
    REQUIRE(store.append("there is space again"));
    texts.emplace_back("there is space again");
    CHECK(store.texts() == texts);
    CHECK(SimStore::texts_on(store.disk().after_crash(2)) == texts);
}

TEST_CASE("full disk: a drain that finds no space is tried again (rule 14)") {
    SimStore store;
    REQUIRE(store.append(std::string(3000, 'x')));
    store.disk().set_capacity(store.disk().used_bytes());
    CHECK(code_of(store.engine().drain()) == Errc::no_space);
    CHECK(store.append("the log has room").has_value());
    CHECK(code_of(store.engine().drain()) == Errc::no_space);
    CHECK(store.texts().size() == 2);

    store.disk().set_capacity(unlimited);
    REQUIRE(store.engine().drain());
    CHECK(store.texts().size() == 2);
    CHECK(store.engine().stat().drained == 2);
    const auto report = store.engine().verify();
    REQUIRE(report);
    CHECK(report->damages.empty());
}

TEST_CASE("full disk: wherever a workload finds the disk full, no promise breaks (rules 14, 15)") {
    if (was_run_already()) return;
    std::uint64_t runs = 0;
    for (const auto& workload : fault_workloads(Choice::scripts)) {
        if (!workload->own_faults.empty()) continue;
        const Beginning beginning = begin(*workload);
        std::string problem;
        for (std::uint64_t free = 0; free < (std::uint64_t{160} << 10) && problem.empty();
             free += 1500) {
            const auto disk = beginning.disk->clone();
            disk->set_capacity(disk->used_bytes() + free);
            ++runs;
            try {
                FaultRun run(*disk, workload->work, beginning.history, {ENOSPC});
                run.work();
                if (run.has_stopped()) throw crash::Broken("the log itself found no space");
                disk->set_capacity(unlimited);
                check_aftermath(run, *disk, workload->work.options, free);
            } catch (const crash::Broken& broken) {
                problem = fmt::format("{} with {} bytes: {}", workload->name, free, broken.what());
            }
        }
        CHECK_MESSAGE(problem.empty(), problem);
    }
    fmt::print("figure: full disks: {} runs\n", in_thousands(runs));
}

}  // namespace braid::faults
