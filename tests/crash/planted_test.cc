// The tests tested: faults are planted in the engine and its disk, one at a time, and each must be
// noticed. docs/testing.md has the table.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <braid/check.hpp>

#include <algorithm>
#include <cstdio>

#include "index/catalog.h"
#include "io/planted.h"
#include "tests/crash/explorer.h"
#include "wal/log_format.h"
#include "wal/recovery.h"

namespace braid::crash {
namespace {

using sim::Call;
using sim::Lie;
using sim::SimDisk;

/// More than any of them needs, several times over.
constexpr std::uint64_t points_max = 60'000;

struct Plant {
    const char* name;
    PlantedFault fault = PlantedFault::none;
    std::vector<Lie> lies = {};
};

[[noreturn]] void throw_broken(std::string_view sentence) {
    throw Broken("a broken invariant: " + std::string(sentence));
}

/// The fault is there as long as this is.
class Planted {
public:
    explicit Planted(PlantedFault fault) : handler_before_(set_check_handler(throw_broken)) {
        planted_fault = fault;
    }
    ~Planted() {
        planted_fault = PlantedFault::none;
        set_check_handler(handler_before_);
    }
    Planted(const Planted&) = delete;
    Planted& operator=(const Planted&) = delete;

private:
    const CheckHandler handler_before_;
};

/// What the crash explorer can notice. Rules 4 (a torn batch), 7 (what doesn't know its file, or is
/// old), 9 (log writes), 10 (what isn't written again) and 11 (names and new files).
std::vector<Plant> plants_for_explorer() {
    return {
        {"log writes aren't synced", {}, {{Call::write, "log-"}}},
        {"a new log file isn't synced", {}, {{Call::sync, "log.new"}}},
        {"the directory isn't synced", {}, {{Call::sync_directory}}},
        {"a drain doesn't sync its packs", {}, {{Call::sync, "pack-"}}},
        {"a drain doesn't sync its pieces", {}, {{Call::sync, "segment-"}}},
        {"a drain doesn't sync the catalog", {}, {{Call::sync, "catalog-"}}},
        {"packs are synced after the catalog's record", {}, {{Call::sync, "pack-", "catalog-"}}},
        {"checksums of batches don't know their file", PlantedFault::unseeded_log_file},
        {"an old batch in a file used again counts", PlantedFault::stale_batch_accepted},
        {"a torn batch is kept", PlantedFault::torn_batch_kept},
        {"recovered batches aren't written again", PlantedFault::recovered_not_rewritten},
        {"a doubtful log header isn't written again", PlantedFault::doubtful_header_trusted},
        {"a doubtful record isn't written again", PlantedFault::doubtful_catalog_trusted},
        {"commits are acknowledged before the flush", PlantedFault::acknowledged_unflushed},
        {"the durable watermark rises early", PlantedFault::durable_mark_early},
        {"readers of durable entries get others", PlantedFault::level_ignored},
        {"log files are freed before the record", PlantedFault::log_freed_early},
        {"a drain forgets the ids of its transactions", PlantedFault::ids_not_drained},
        {"a drain takes moves without their transactions", PlantedFault::moves_drained_early},
        {"a consumer's epoch goes back", PlantedFault::epoch_not_drained},
        {"large bodies aren't durable before they are referred to", PlantedFault::body_not_synced},
        {"large bodies aren't synced", {}, {{Call::sync, "body-"}}},
        {"a body file goes with one of its bodies", PlantedFault::body_file_gone_early},
        {"gathered packs go before the catalog's record", PlantedFault::packs_retired_early},
        {"links to gathered packs lead nowhere", PlantedFault::redirection_left_out},
        {"a gathered pack isn't synced", PlantedFault::gathered_unsynced},
        {"a catalog begun anew lacks what drains changed", PlantedFault::changes_not_rewritten},
    };
}

struct Caught {
    std::uint64_t points = 0;
    std::string problem;  ///< empty: not caught
    std::string where;
};

/// Random workloads and short sequences in turn, the same every time.
Caught explore(const Plant& plant) {
    const Planted planted(plant.fault);
    const Thoroughness thoroughness;
    Tally tally;
    for (std::uint64_t round = 0; tally.points < points_max; ++round) {
        const bool sequence = round % 2 != 0;
        // A stride without a common factor goes through all of them.
        Workload workload =
            sequence ? make_sequence(round * 7919 % sequence_runs) : make_workload(round);
        workload.lies = plant.lies;
        std::string problem;
        try {
            problem = Explorer(workload, thoroughness, tally).explore();
        } catch (const std::exception& broken) {
            problem = broken.what();
        }
        if (problem.empty()) continue;
        const char* kind = sequence ? "BRAID_SEQUENCE" : "BRAID_SEED";
        return {tally.points + tally.double_points, std::move(problem),
                fmt::format("{}={}", kind, workload.seed)};
    }
    return {tally.points, {}, {}};
}

/// A store on a simulated disk that is opened, given one commit or none, and left.
class Damaged {
public:
    enum class End : std::uint8_t { close, crash };

    void session(std::size_t commits, End end) {
        const auto engine = open();
        REQUIRE(engine.has_value());
        for (std::size_t i = 0; i < commits; ++i) {
            TransactionBody body(options_);
            body.append("space", "segment", as_bytes(payload_), {});
            REQUIRE((*engine)->commit(body, Durability::durable).has_value());
        }
        if (end == End::close) REQUIRE((*engine)->close().has_value());
        if (end == End::crash) disk_->cut_power();
        std::unique_ptr<SimDisk> found = end == End::crash ? disk_->after_crash(1) : disk_->clone();
        const std::shared_ptr<Engine> gone = *engine;
        left_.push_back({std::move(disk_), gone});
        disk_ = std::move(found);
    }
    /// Changes a bit of what was committed, in whichever log files hold it.
    std::size_t damage_log() {
        std::size_t found = 0;
        for (const std::string& name : disk_->names()) {
            if (!name.starts_with("log-")) continue;
            const std::vector<std::byte> bytes = disk_->contents(name);
            const Bytes wanted = as_bytes(payload_);
            const auto at = std::search(bytes.begin(), bytes.end(), wanted.begin(), wanted.end());
            if (at == bytes.end()) continue;
            disk_->flip_bit(name, 8 * static_cast<std::uint64_t>(at - bytes.begin()));
            ++found;
        }
        return found;
    }
    [[nodiscard]] bool opening_is_refused() {
        const auto engine = open();
        return !engine && engine.error().code() == Errc::corrupt;
    }
    /// What the log says by itself, as if the catalog didn't know how far it must reach.
    [[nodiscard]] bool log_is_refused() {
        const auto catalog =
            index::load_catalog(*disk_, [](const index::CatalogRecord&) { return Result<void>(); });
        REQUIRE(catalog);
        const auto scan =
            wal::scan_log(*disk_, catalog->store, 0,
                          [](Bytes, const std::string&, std::uint64_t) { return Result<void>(); });
        return !scan && scan.error().code() == Errc::corrupt;
    }

private:
    static Options small_options() {
        Options options;
        options.create = true;
        options.log_file_bytes = 16 << 10;
        options.log_bytes_max = 64 << 10;
        return options;
    }
    Result<std::shared_ptr<Engine>> open() {
        return Engine::open(disk_->borrow(), options_, Engine::Threads::none);
    }

    struct Left {
        std::unique_ptr<SimDisk> disk;
        std::shared_ptr<Engine> engine;  // goes before its disk
    };
    const Options options_ = small_options();
    const std::string payload_ = "what was committed";
    std::unique_ptr<SimDisk> disk_ = std::make_unique<SimDisk>(7);
    std::vector<Left> left_;
};

/// At close a seal attests the last batch: damage to it isn't taken for a torn write.
bool damage_behind_a_seal_is_told() {
    Damaged store;
    store.session(1, Damaged::End::close);
    REQUIRE(store.damage_log() == 1);
    return store.log_is_refused();
}

/// The second opening carries the commit into its own file, and the third closes that one.
bool damage_in_a_closed_file_is_told() {
    Damaged store;
    store.session(1, Damaged::End::crash);
    store.session(0, Damaged::End::crash);
    store.session(0, Damaged::End::crash);
    REQUIRE(store.damage_log() >= 1);
    return store.opening_is_refused();
}

}  // namespace

TEST_CASE("planted: damage behind a seal, and in a closed log file, is told (rules 3 and 6)") {
    CHECK(damage_behind_a_seal_is_told());
    CHECK(damage_in_a_closed_file_is_told());
}

TEST_CASE("planted: every fault planted in the engine or its disk is noticed") {
    std::size_t caught = 0;
    std::size_t all = 0;
    const auto tell = [&](const std::string& name, bool noticed, const std::string& how) {
        ++all;
        caught += noticed ? 1 : 0;
        CHECK_MESSAGE(noticed, "not noticed: " << name << ": " << how);
        if (noticed) fmt::print("planted: {}: {}\n", name, how);
        std::fflush(stdout);
    };
    for (const Plant& plant : plants_for_explorer()) {
        const Caught result = explore(plant);
        tell(plant.name, !result.problem.empty(),
             fmt::format("{} points, {}: {}", result.points, result.where,
                         result.problem.substr(0, 160)));
    }
    {
        const Planted planted(PlantedFault::seal_left_out);
        tell("a seal is left out", !damage_behind_a_seal_is_told(), "damage behind a seal");
    }
    {
        const Planted planted(PlantedFault::closed_file_unchecked);
        tell("a closed log file isn't checked to its end", !damage_in_a_closed_file_is_told(),
             "damage in a closed file");
    }
    if (::getenv("BRAID_POINTS") == nullptr) return;
    fmt::print("figure: planted faults caught: {} of {}\n", caught, all);
}

}  // namespace braid::crash
