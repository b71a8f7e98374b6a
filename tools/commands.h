#pragma once

#include <braid/options.hpp>
#include <braid/reader.hpp>
#include <braid/store.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace braid::tools {

/// The commands of `braid`, each with what its command line says. All return the exit code.

struct StoreArguments {
    std::string directory;
    Io io = Io::automatic;
};

/// How often a command that writes for long tells others of itself, in the store's metrics.json.
inline constexpr std::chrono::milliseconds command_metrics_interval{1000};

/// Opens a store as it is, for commands that only look.
[[nodiscard]] Result<Store> open_to_read(const StoreArguments& arguments);

struct ImportArguments {
    StoreArguments store;
    std::string file = "-";  ///< "-": standard input
    Durability durability = Durability::durable;
    unsigned threads = 1;
    std::string acks;  ///< file for acknowledgements; empty: none
    std::uint64_t tail_bytes_max = Options().tail_bytes_max;
    std::uint64_t log_file_bytes = Options().log_file_bytes;
};
int run_import(const ImportArguments& arguments);

struct AppendArguments {
    StoreArguments store;
    std::string space;
    std::string segment;
    std::optional<std::uint64_t> expect;  ///< sequence of the first record
    /// Conditions of every commit, three words each: space, segment, number; or consumer, space,
    /// number.
    std::vector<std::tuple<std::string, std::string, std::uint64_t>> if_last;
    std::vector<std::tuple<std::string, std::string, std::uint64_t>> if_untouched;
    std::vector<std::tuple<std::string, std::string, std::uint64_t>> if_consumer;
};
int run_append(const AppendArguments& arguments);

struct ReadArguments {
    StoreArguments store;
    std::vector<std::string> spaces;     ///< none: the whole store
    std::optional<std::string> segment;  ///< of the only space
    SegmentBounds bounds;                ///< from and to only count with a segment
    bool follow = false;
    bool payload_only = false;
};
int run_read(const ReadArguments& arguments);

struct SegmentArguments {
    StoreArguments store;
    std::string space;
    std::string segment;
};
int run_peek(const SegmentArguments& arguments);
int run_status(const SegmentArguments& arguments);

struct TrimArguments {
    StoreArguments store;
    std::string space;
    std::string segment;
    std::uint64_t through = 0;  ///< the last sequence to give up
    bool past_consumers = false;
};
int run_trim(const TrimArguments& arguments);

struct GatherArguments {
    StoreArguments store;
};
int run_gather(const GatherArguments& arguments);

struct ListArguments {
    StoreArguments store;
    std::string space;  ///< of `segments`
    Page page;
};
int run_spaces(const ListArguments& arguments);
int run_segments(const ListArguments& arguments);

struct PageArguments {
    StoreArguments store;
    Page page;
};
int run_consumers(const PageArguments& arguments);
int run_leases(const PageArguments& arguments);

struct ConsumerArguments {
    StoreArguments store;
    std::string name;
    std::string space;    ///< of the cursor; empty: the whole store
    std::string segment;  ///< empty: the whole space
    std::uint64_t position = 0;
    std::optional<std::uint64_t> epoch;   ///< none: whoever owns it
    std::optional<std::uint64_t> expect;  ///< where it must stand
    bool backward = false;
};
int run_consumer_get(const ConsumerArguments& arguments);
int run_consumer_set(const ConsumerArguments& arguments);
int run_consumer_delete(const ConsumerArguments& arguments);

struct StatArguments {
    StoreArguments store;
    bool table = false;
};
int run_stat(const StatArguments& arguments);

struct VerifyArguments {
    StoreArguments store;
    bool json = false;
};
int run_verify(const VerifyArguments& arguments);

struct RepairArguments {
    StoreArguments store;
    bool dry_run = false;
};
int run_repair(const RepairArguments& arguments);

}  // namespace braid::tools
