#pragma once

#include <braid/options.hpp>
#include <optional>
#include <string>

namespace braid {

/// The first option that is out of its range, in words; nullopt if all are well.
[[nodiscard]] std::optional<std::string> options_problem(const Options& options);

}  // namespace braid
