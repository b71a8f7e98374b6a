#include "engine/gather_policy.h"

#include <algorithm>

namespace braid {
namespace {

using Packs = std::span<const PackFacts>;

bool may_go(const PackFacts& pack) {
    return !pack.is_left_alone && pack.bytes <= gathered_bytes_max;
}

/// How many from `first` on, at most `most`, are for one pack.
template <class Wanted>
std::size_t count_of(Packs packs, std::size_t first, std::size_t most, const Wanted& wanted) {
    std::uint64_t bytes = 0;
    std::size_t count = 0;
    for (; count < most && first + count < packs.size(); ++count) {
        const PackFacts& pack = packs[first + count];
        bytes += pack.bytes;
        if (!may_go(pack) || !wanted(pack) || bytes > gathered_bytes_max) break;
    }
    return count;
}

/// The first stretch of that level that is long enough.
std::optional<GatherRun> run_of_level(Packs packs, std::uint32_t level, std::size_t run) {
    constexpr std::size_t part = 8;
    const std::size_t least = std::max<std::size_t>(2, run / part);
    std::size_t length = 0;  // of the stretch that ends here
    for (std::size_t i = 0; i < packs.size(); ++i) {
        const bool fits = packs[i].level == level && may_go(packs[i]) && !packs[i].is_full;
        length = fits ? length + 1 : 0;
        if (length < run) continue;
        const std::size_t first = i + 1 - run;
        const std::size_t count =
            count_of(packs, first, run, [&](const PackFacts& pack) { return pack.level == level; });
        if (count >= least) return GatherRun{first, count, level + 1};
    }
    return std::nullopt;
}

bool is_half_dead(const PackFacts& pack) {
    return pack.dead != 0 && pack.dead >= pack.live;
}

/// They stay what they were, but for what is left out.
std::optional<GatherRun> half_dead(Packs packs, std::size_t run) {
    for (std::size_t first = 0; first < packs.size(); ++first) {
        const std::uint32_t level = packs[first].level;
        const std::size_t most = packs[first].is_full ? 1 : run;
        const std::size_t count = count_of(packs, first, most, [&](const PackFacts& pack) {
            return pack.level == level && is_half_dead(pack);
        });
        if (count != 0) return GatherRun{first, count, level};
    }
    return std::nullopt;
}

}  // namespace

std::optional<GatherRun> choose_run(Packs packs, std::size_t run) {
    std::uint32_t highest = 0;
    for (const PackFacts& pack : packs) highest = std::max(highest, pack.level);
    for (std::uint32_t level = 0; level <= highest; ++level)
        if (const auto found = run_of_level(packs, level, run)) return found;
    return half_dead(packs, run);
}

std::optional<GatherRun> choose_any(Packs packs, std::size_t most) {
    for (std::size_t first = 0; first < packs.size();) {
        const std::size_t count =
            count_of(packs, first, most, [](const PackFacts& pack) { return !pack.is_full; });
        if (count > 1 || (count == 1 && !packs[first].is_gathered)) {
            GatherRun run{first, count, 0};
            for (std::size_t i = 0; i < count; ++i)
                run.level = std::max(run.level, packs[first + i].level + 1);
            return run;
        }
        first += std::max<std::size_t>(count, 1);
    }
    return std::nullopt;
}

}  // namespace braid
