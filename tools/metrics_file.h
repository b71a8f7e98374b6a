#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>

namespace braid::tools {

/// The metrics that a store at work leaves in its directory for others, and how old they are.
struct FoundMetrics {
    boost::json::object fields;
    std::uint64_t age_ms = 0;
};

/// None where there is no such file, or one that can't be read whole: nothing promises it.
[[nodiscard]] std::optional<FoundMetrics> find_metrics(const std::string& directory);

}  // namespace braid::tools
