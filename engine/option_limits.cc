#include "engine/option_limits.h"

#include <fmt/format.h>

namespace braid {
namespace {

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t gib = 1024 * mib;

struct Range {
    const char* name;
    std::uint64_t value;
    std::uint64_t least;
    std::uint64_t most;
};

}  // namespace

std::optional<std::string> options_problem(const Options& options) {
    const auto ms = [](std::chrono::milliseconds time) {
        return static_cast<std::uint64_t>(time.count());
    };
    const Range ranges[] = {
        {"lock_wait (ms)", ms(options.lock_wait), 0, 3'600'000},
        {"flush_interval (ms)", ms(options.flush_interval), 1, 3'600'000},
        {"log_file_bytes", options.log_file_bytes, 16 * kib, 4 * gib},
        {"log_bytes_max", options.log_bytes_max, 4 * options.log_file_bytes, 1024 * gib},
        {"batches_in_flight", options.batches_in_flight, 1, 16},
        {"tail_bytes_max", options.tail_bytes_max, 16 * kib, 16 * gib},
        {"arena_chunk_bytes", options.arena_chunk_bytes, 4 * kib, 64 * mib},
        {"piece_bytes_min", options.piece_bytes_min, 4 * kib, gib},
        {"segment_file_bytes", options.segment_file_bytes, options.piece_bytes_min, 16 * gib},
        {"gather_packs", options.gather_packs == 0 ? 2 : options.gather_packs, 2, 1024},
        {"record_bytes_max", options.record_bytes_max, 1, 64 * mib},
        {"transaction_bytes_max", options.transaction_bytes_max, 1, 64 * mib},
        {"transaction_segments_max", options.transaction_segments_max, 1, 1 << 20},
        {"large_body_bytes", options.large_body_bytes, 0, std::uint64_t{1} << 60},
        {"body_file_bytes", options.body_file_bytes, 16 * kib, 4 * gib},
        {"transaction_ids_max", options.transaction_ids_max, 1, std::uint64_t{1} << 26},
        {"open_files_max", options.open_files_max, 1, 1 << 20},
        {"metrics_interval (ms)", ms(options.metrics_interval), 0, 3'600'000},
    };
    for (const Range& range : ranges)
        if (range.value < range.least || range.value > range.most)
            return fmt::format("the option {} is {}; it must lie from {} to {}", range.name,
                               range.value, range.least, range.most);
    if (options.read_only && options.create) return "a store can't be created read-only";
    return std::nullopt;
}

}  // namespace braid
