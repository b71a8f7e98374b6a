#pragma once

#include <braid/status.hpp>
#include <string_view>

#include "io/disk.h"

namespace braid {

inline constexpr std::string_view metrics_file_name = "metrics.json";
inline constexpr std::string_view unfinished_metrics_file_name = "metrics.json.new";

/// Replaces the file by one with these metrics, for whoever looks at the store from outside. It is
/// no promise: nothing is synced, and what goes wrong leaves the file as it was. May throw
/// std::bad_alloc.
void write_metrics_file(io::Disk& disk, const Metrics& metrics, bool closed);

}  // namespace braid
