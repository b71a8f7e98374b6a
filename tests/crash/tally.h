#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace braid::crash {

/// What a workload was doing when it was cut.
enum class Scene : std::uint8_t {
    creation,      ///< of the store
    reopening,     ///< after a clean close
    log_made,      ///< a log file filled with zeros
    log_begun,     ///< its header written, by an opening or a roll
    log_reused,    ///< likewise, over what an earlier use had left
    drain,         ///< a pack or a record of the catalog
    gathering,     ///< a pack, by request
    pieces,        ///< a segment's own file
    several_sent,  ///< several writes under way
    scenes
};
inline constexpr std::size_t scene_count = static_cast<std::size_t>(Scene::scenes);
inline constexpr std::array<std::string_view, scene_count> scene_names{
    "creation", "reopening", "log file made", "log file begun",          "log reuse",
    "drain",    "gathering", "pieces",        "several writes under way"};

/// What was explored.
struct Tally {
    std::uint64_t points = 0;
    std::uint64_t double_points = 0;  ///< not among the points
    std::uint64_t kills = 0;          ///< among the points
    std::uint64_t cuts = 0;
    std::array<std::uint64_t, 5> points_in_flight{};  ///< by the option batches_in_flight
    std::array<std::uint64_t, scene_count> scenes{};  ///< cuts; one may count in several
};

}  // namespace braid::crash
