#include "tests/kill/plan.h"

#include <fmt/format.h>

#include <charconv>
#include <random>

namespace braid::kill {
namespace {

/// Mostly small; now and then one that takes several blocks, or nearly a log file.
std::size_t filling_bytes(std::mt19937_64& random) {
    switch (random() % 64) {
        case 0:
            return 30000 + random() % 20000;
        case 1:
        case 2:
            return 4000 + random() % 4000;
        default:
            return random() % 300;
    }
}

}  // namespace

std::vector<PlannedRecord> plan_transaction(std::uint64_t id) {
    std::mt19937_64 random(id);
    const std::size_t count = random() % 3 == 0 ? 2 + random() % 7 : 1;
    std::vector<PlannedRecord> records;
    for (std::size_t index = 0; index < count; ++index) {
        PlannedRecord record;
        record.space = fmt::format("space-{}", random() % 2);
        record.segment = fmt::format("segment-{}", random() % 7);
        record.payload = fmt::format("{} {} {} ", id, index, count);
        const std::size_t filling = filling_bytes(random) / count;
        const char letter = static_cast<char>('a' + random() % 26);
        record.payload.append(filling, letter);
        records.push_back(std::move(record));
    }
    return records;
}

std::optional<Origin> origin_of(std::string_view payload) {
    Origin origin;
    const char* at = payload.data();
    const char* const end = at + payload.size();
    for (std::uint64_t* number : {&origin.id, &origin.index, &origin.count}) {
        const auto [behind, error] = std::from_chars(at, end, *number);
        if (error != std::errc() || behind == end || *behind != ' ') return std::nullopt;
        at = behind + 1;
    }
    return origin;
}

}  // namespace braid::kill
