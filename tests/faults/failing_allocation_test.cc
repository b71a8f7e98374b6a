// Every allocation of the engine fails, one at a time, over fixed workloads.
//
//   BRAID_FAULT='rolls: 7: once'   only that one
#include "tests/faults/failing_allocation.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <braid/check.hpp>

#include <cstdio>

#include "engine/versioned.h"
#include "tests/faults/aftermath.h"
#include "tests/faults/fault_workload.h"
#include "tests/faults/once.h"

namespace braid::faults {
namespace {

using crash::Broken;

std::string running;  // in case the process ends with a broken invariant

std::string repeat() {
    return fmt::format("repeat with: BRAID_FAULT='{}' test_faults -tc='*allocation*'", running);
}

void say_and_abort(std::string_view sentence) {
    spare_allocations();
    fmt::print(stderr, "{}\n{}\n", sentence, repeat());
    ::abort();
}

/// All failures of one workload, until one of them breaks something.
class Failures {
public:
    Failures(const FaultWorkload& workload, std::uint64_t& runs)
        : workload_(workload), beginning_(begin(workload)), runs_(runs) {}

    void run_all() {
        const std::uint64_t all = count();
        for (std::uint64_t nth = 1; nth <= all; ++nth) {
            if (!run(nth, false)) return;
            if (nth % 4 == 1 && !run(nth, true)) return;
        }
    }

private:
    [[nodiscard]] std::uint64_t count() const {
        const auto disk = beginning_.disk->clone();
        FaultRun work(*disk, workload_.work, beginning_.history, {});
        spare_allocations();
        work.work();
        work.close();
        return allocations();
    }

    bool run(std::uint64_t nth, bool onwards) {
        running = fmt::format("{}: {}: {}", workload_.name, nth, onwards ? "onwards" : "once");
        const char* only = ::getenv("BRAID_FAULT");
        if (only != nullptr && running != only) return true;
        ++runs_;
        try {
            const auto disk = beginning_.disk->clone();
            FaultRun work(*disk, workload_.work, beginning_.history, {ENOMEM});
            fail_allocations(nth, onwards);
            work.work();
            check_aftermath(work, *disk, workload_.work.options, nth);
        } catch (const Broken& broken) {
            spare_allocations();
            FAIL_CHECK(fmt::format("{}: {}\n{}", running, broken.what(), repeat()));
            return false;
        }
        return true;
    }

    const FaultWorkload& workload_;
    const Beginning beginning_;
    std::uint64_t& runs_;
};

}  // namespace

TEST_CASE("faults: a value is set without an allocation, once room was made") {
    Versioned<std::uint64_t> value;
    Marks marks;
    for (std::uint64_t transaction = 1; transaction <= 100; ++transaction) {
        marks.durable = transaction / 3;
        value.reserve(marks);
        spare_allocations();
        {
            const InEngine counted;
            value.set(transaction, transaction);
        }
        CHECK(allocations() == 0);
        CHECK(value.newest() == transaction);
    }
}

TEST_CASE("faults: any allocation may fail, and the store stays whole") {
    if (was_run_already()) return;
    const CheckHandler before = set_check_handler(say_and_abort);
    std::uint64_t runs = 0;
    for (const auto& workload : fault_workloads(Choice::scripts))
        if (workload->own_faults.empty()) Failures(*workload, runs).run_all();
    set_check_handler(before);
    fmt::print("figure: failing allocations: {} runs\n", in_thousands(runs));
}

}  // namespace braid::faults
