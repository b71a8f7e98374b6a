// Every call of the disk fails, one at a time, over fixed workloads.
//
//   BRAID_FAULT='rolls: write EIO: 7: once'   only that one
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <braid/check.hpp>

#include <cstdio>

#include "tests/faults/failing_call.h"
#include "tests/faults/once.h"

namespace braid::faults {
namespace {

std::string running;  // in case the process ends with a broken invariant

std::string repeat() {
    return fmt::format("repeat with: BRAID_FAULT='{}' test_faults -tc='*call*'", running);
}

void say_and_abort(std::string_view sentence) {
    fmt::print(stderr, "{}\n{}\n", sentence, repeat());
    ::abort();
}

/// All failures of one workload, until one of them breaks something.
class Failures {
public:
    Failures(const FaultWorkload& workload, std::uint64_t& runs)
        : workload_(workload), beginning_(begin(workload)), runs_(runs) {}

    void run_all() {
        const CallCounts calls = count_calls(workload_);
        for (const FailureKind& kind : failure_kinds())
            for (std::uint64_t nth = 1; nth <= calls[static_cast<std::size_t>(kind.call)]; ++nth)
                for (const bool onwards : {false, true})
                    if (!is_slow({&kind, nth, onwards}) && !run({&kind, nth, onwards})) return;
    }

private:
    bool run(const FailingCall& failing) {
        running = fmt::format("{}: {}: {}: {}", workload_.name, failing.kind->name, failing.nth,
                              failing.onwards ? "onwards" : "once");
        const char* only = ::getenv("BRAID_FAULT");
        if (only != nullptr && running != only) return true;
        ++runs_;
        const std::string problem = run_failing(workload_, beginning_, failing);
        if (!problem.empty()) FAIL_CHECK(running << ": " << problem << "\n" << repeat());
        return problem.empty();
    }

    /// What is put off for good costs a thousand tries a call.
    static bool is_slow(const FailingCall& failing) {
        const std::int64_t result = failing.kind->result;
        const bool put_off = result == -EINTR || result == -EAGAIN || result > 0;
        return put_off && failing.onwards && failing.nth % 16 != 1;
    }

    const FaultWorkload& workload_;
    const Beginning beginning_;
    std::uint64_t& runs_;
};

}  // namespace

TEST_CASE("faults: any call of the disk may fail, and no promise breaks") {
    if (was_run_already()) return;
    const CheckHandler before = set_check_handler(say_and_abort);
    std::uint64_t runs = 0;
    for (const auto& workload : fault_workloads(Choice::all)) Failures(*workload, runs).run_all();
    set_check_handler(before);
    fmt::print("figure: failing calls: {} runs\n", in_thousands(runs));
}

}  // namespace braid::faults
