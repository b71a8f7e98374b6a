#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace braid {

/// No gathered pack is to be longer: packs of the highest level stay as they are.
inline constexpr std::uint64_t gathered_bytes_max = std::uint64_t{4} << 30;

/// What the choice of packs to gather looks at.
struct PackFacts {
    std::uint32_t level = 0;
    bool is_gathered = false;    ///< its extents are in order of segments
    bool is_left_alone = false;  ///< it couldn't be gathered
    bool is_full = false;        ///< it has all extents that a gathered pack may have
    std::uint64_t bytes = 0;     ///< of the file
    std::uint64_t live = 0;      ///< records that aren't trimmed
    std::uint64_t dead = 0;      ///< trimmed since the pack was made of others, or all that are
};

/// Neighbouring packs to be gathered into one.
struct GatherRun {
    std::size_t first = 0;
    std::size_t count = 0;
    std::uint32_t level = 0;  ///< of the pack that they make
    bool operator==(const GatherRun&) const = default;
};

/// What is to be gathered by itself: `run` packs of one level that stand one behind the other, the
/// lowest level first, or as many as a pack may hold, if that is an eighth of them; else packs of
/// which half is dead. `packs` in position order. `run` is at least 2.
[[nodiscard]] std::optional<GatherRun> choose_run(std::span<const PackFacts> packs,
                                                  std::size_t run);

/// What is to be gathered next so that in the end all packs are, in as few as may be: at most
/// `most` at a time.
[[nodiscard]] std::optional<GatherRun> choose_any(std::span<const PackFacts> packs,
                                                  std::size_t most);

}  // namespace braid
