#pragma once

#include <braid/types.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace braid::kill {

struct PlannedRecord {
    std::string space;
    std::string segment;
    std::string payload;
};

/// The records of the transaction with this id: the same in the process that commits it and in the
/// one that looks for it. Each payload begins with id, index and count.
[[nodiscard]] std::vector<PlannedRecord> plan_transaction(std::uint64_t id);

/// What a payload says of itself.
struct Origin {
    std::uint64_t id = 0;
    std::uint64_t index = 0;
    std::uint64_t count = 0;
};
[[nodiscard]] std::optional<Origin> origin_of(std::string_view payload);

}  // namespace braid::kill
