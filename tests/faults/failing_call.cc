#include "tests/faults/failing_call.h"

#include "tests/faults/aftermath.h"

namespace braid::faults {

using crash::Broken;
using sim::Call;
using sim::SimDisk;

namespace {

/// A transfer that goes on after them must not be an error.
bool is_put_off(const FailingCall& failing) {
    const FailureKind& kind = *failing.kind;
    const bool again = kind.result == -EINTR || kind.result == -EAGAIN || kind.result > 0;
    const bool transfer =
        kind.call == Call::read || kind.call == Call::write || kind.call == Call::sync;
    return again && transfer && !failing.onwards;
}

std::set<int> errors_of(const FaultWorkload& workload, const FailingCall& failing) {
    std::set<int> errors;
    for (const sim::Fault& fault : workload.own_faults)
        errors.insert(static_cast<int>(-fault.result));
    if (is_put_off(failing)) return errors;
    const std::int64_t result = failing.kind->result;
    errors.insert(result < 0 ? static_cast<int>(-result) : 0);
    if (result > 0) errors.insert(EIO);  // a transfer that never gets on
    return errors;
}

void try_failing(const FaultWorkload& workload, const Beginning& beginning,
                 const FailingCall& failing) {
    const Options& options = workload.work.options;
    const std::uint64_t seed = failing.nth * 2 + (failing.onwards ? 1 : 0);
    const std::unique_ptr<SimDisk> disk = beginning.disk->clone();
    for (const sim::Fault& fault : workload.own_faults) disk->fail(fault);
    disk->fail({failing.kind->call, failing.nth, failing.kind->result, failing.onwards, {}});
    FaultRun run(*disk, workload.work, beginning.history, errors_of(workload, failing));
    run.work();
    check_aftermath(run, *disk, options, seed);
}

}  // namespace

const std::vector<FailureKind>& failure_kinds() {
    static const std::vector<FailureKind> kinds{
        {"open EIO", Call::open, -EIO},
        {"open EMFILE", Call::open, -EMFILE},
        {"open ENOSPC", Call::open, -ENOSPC},
        {"open EINTR", Call::open, -EINTR},
        {"read EIO", Call::read, -EIO},
        {"read EINTR", Call::read, -EINTR},
        {"read EAGAIN", Call::read, -EAGAIN},
        {"read short of a block", Call::read, 100},
        {"read short", Call::read, 5000},
        {"write EIO", Call::write, -EIO},
        {"write ENOSPC", Call::write, -ENOSPC},
        {"write EDQUOT", Call::write, -EDQUOT},
        {"write EFBIG", Call::write, -EFBIG},
        {"write EINTR", Call::write, -EINTR},
        {"write EAGAIN", Call::write, -EAGAIN},
        {"write ECANCELED", Call::write, -ECANCELED},
        {"write nothing", Call::write, 0},
        {"write short of a block", Call::write, 512},
        {"write short", Call::write, 4608},
        {"sync EIO", Call::sync, -EIO},
        {"sync ENOSPC", Call::sync, -ENOSPC},
        {"sync EDQUOT", Call::sync, -EDQUOT},
        {"sync EINTR", Call::sync, -EINTR},
        {"sync EAGAIN", Call::sync, -EAGAIN},
        {"sync ECANCELED", Call::sync, -ECANCELED},
        {"size EIO", Call::size, -EIO},
        {"map EIO", Call::map, -EIO},
        {"map ENOMEM", Call::map, -ENOMEM},
        {"map EAGAIN", Call::map, -EAGAIN},
        {"rename EIO", Call::rename, -EIO},
        {"rename ENOSPC", Call::rename, -ENOSPC},
        {"rename EDQUOT", Call::rename, -EDQUOT},
        {"remove EIO", Call::remove, -EIO},
        {"list EIO", Call::list, -EIO},
        {"list EMFILE", Call::list, -EMFILE},
        {"sync directory EIO", Call::sync_directory, -EIO},
        {"sync directory ENOSPC", Call::sync_directory, -ENOSPC},
        {"sync directory EDQUOT", Call::sync_directory, -EDQUOT},
        {"lock EIO", Call::lock, -EIO},
        {"lock EMFILE", Call::lock, -EMFILE},
        {"make queue EMFILE", Call::make_queue, -EMFILE},
    };
    return kinds;
}

CallCounts count_calls(const FaultWorkload& workload) {
    const Beginning beginning = begin(workload);
    const std::unique_ptr<SimDisk> disk = beginning.disk->clone();
    std::set<int> errors;
    for (const sim::Fault& fault : workload.own_faults) {
        disk->fail(fault);
        errors.insert(static_cast<int>(-fault.result));
    }
    FaultRun run(*disk, workload.work, beginning.history, errors);
    run.work();
    run.close();
    CallCounts counts{};
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = disk->calls(static_cast<Call>(i));
    return counts;
}

std::string run_failing(const FaultWorkload& workload, const Beginning& beginning,
                        const FailingCall& failing) {
    try {
        try_failing(workload, beginning, failing);
    } catch (const Broken& broken) {
        return broken.what();
    }
    return {};
}

}  // namespace braid::faults
