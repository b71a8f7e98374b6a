#include "tests/crash/shrink.h"

#include <chrono>
#include <numeric>

namespace braid::crash {
namespace {

using Clock = std::chrono::steady_clock;

Shrunk explore(const Workload& workload, const Kept& kept, const Thoroughness& thoroughness) {
    const Workload smaller = keep(workload, kept);
    Tally tally;
    Explorer explorer(smaller, thoroughness, tally);
    std::string problem = explorer.explore();
    return {kept, std::move(problem), explorer.failed_cut()};
}

}  // namespace

Kept all_operations(const Workload& workload) {
    Kept kept(workload.operations.size());
    std::iota(kept.begin(), kept.end(), std::size_t{0});
    return kept;
}

Workload keep(const Workload& workload, const Kept& kept) {
    Workload smaller = workload;
    smaller.operations.clear();
    for (const std::size_t index : kept) smaller.operations.push_back(workload.operations[index]);
    return smaller;
}

Shrunk shrink(const Workload& workload, const Thoroughness& thoroughness, double seconds) {
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    Shrunk best = explore(workload, all_operations(workload), thoroughness);
    for (std::size_t stretch = best.kept.size(); stretch > 0; stretch /= 2) {
        for (std::size_t at = 0; at < best.kept.size() && Clock::now() < end;) {
            Kept fewer = best.kept;
            const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(at);
            const std::size_t left_out = std::min(stretch, fewer.size() - at);
            fewer.erase(first, first + static_cast<std::ptrdiff_t>(left_out));
            Shrunk still = explore(workload, fewer, thoroughness);
            if (still.problem.empty())
                at += stretch;
            else
                best = std::move(still);
        }
    }
    return best;
}

}  // namespace braid::crash
