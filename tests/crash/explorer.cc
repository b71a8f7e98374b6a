#include "tests/crash/explorer.h"

#include <fmt/format.h>

#include "tests/crash/workload_run.h"

namespace braid::crash {
namespace {

using sim::Change;
using sim::Random;
using sim::SimDisk;

const PlannedTransaction& afterwards() {
    static const PlannedTransaction transaction{{{"s0", "g0", "afterwards", ""},
                                                 {"s2", "g9", "in a new segment", "m"},
                                                 {"s0", "g0", "afterwards once more", ""}}};
    return transaction;
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    return Random(a * 0x9e3779b97f4a7c15 + b).next();
}

std::string name_of(const Change& change) {
    constexpr const char* names[] = {"open", "read",   "write",  "sync", "size",
                                     "map",  "rename", "remove", "list", "sync_directory"};
    return fmt::format("change {} ({} {} at {}, {} bytes)", change.number,
                       names[static_cast<std::size_t>(change.call)], change.file, change.offset,
                       change.bytes);
}

}  // namespace

void Explorer::note(std::string what) {
    if (failed()) return;
    std::string place = "the workload itself";
    if (cut_ != nullptr) {
        failed_cut_ = cut_->number;
        place = survival_ ? fmt::format("cut in {}, survival {}", name_of(*cut_), *survival_)
                          : fmt::format("killed in {}", name_of(*cut_));
    }
    if (second_cut_ != nullptr) place += "; recovery cut in " + name_of(*second_cut_);
    problem_ = place + ": " + std::move(what);
}

std::string Explorer::explore() {
    SimDisk disk(workload_.seed);
    for (const sim::Lie& lie : workload_.lies) disk.lie(lie);
    try {
        WorkloadRun run(disk, workload_);
        disk.on_change([&](const Change& change) { cut(disk, run, change); });
        run.run();
        disk.on_change({});
    } catch (const Broken& broken) {
        disk.on_change({});
        note(broken.what());
    }
    return problem_;
}

void Explorer::count(const SimDisk& disk, const WorkloadRun& run, const Change& change) {
    const auto mark = [&](Scene scene, bool seen) {
        tally_.scenes[static_cast<std::size_t>(scene)] += seen ? 1 : 0;
    };
    const std::string_view file = change.file;
    const bool first_block = change.call == sim::Call::write && change.offset == 0;
    const bool begun = first_block && file.starts_with("log-");
    mark(Scene::creation, run.is_opening() && !run.is_created());
    mark(Scene::reopening, run.is_opening() && run.is_created());
    mark(Scene::log_made, file == "log.new");
    mark(Scene::log_begun, begun);
    mark(Scene::log_reused, begun && begun_.contains(file));
    mark(Scene::drain, file.starts_with("pack-") || file.starts_with("catalog-"));
    mark(Scene::gathering, run.is_gathering() && file.starts_with("pack-"));
    mark(Scene::pieces, file.starts_with("segment-"));
    mark(Scene::several_sent, disk.writes_in_flight() > 1);
    if (begun) begun_.emplace(file);
    ++tally_.cuts;
}

/// Called in the middle of an I/O of the engine, so nothing is thrown from here.
void Explorer::cut(const SimDisk& disk, const WorkloadRun& run, const Change& change) {
    if (failed()) return;
    if (thoroughness_.only_cut && *thoroughness_.only_cut != change.number) return;
    count(disk, run, change);
    cut_ = &change;
    const History history = run.promised();
    std::uint64_t points = 0;
    for (; points < thoroughness_.survivals && !failed(); ++points) {
        survival_ = points;
        const std::uint64_t seed = mix(mix(workload_.seed, change.number), points);
        try_survival(disk.after_crash(seed), history, false, seed);
    }
    const std::uint64_t seed = mix(~workload_.seed, change.number);
    if (!failed() && seed % thoroughness_.kill_share == 0) {
        // What the dead process wrote is still seen, and still unsynced: no recovery may rely on
        // it.
        survival_.reset();
        ++points;
        ++tally_.kills;
        try_survival(disk.clone(), history, true, seed);
    }
    tally_.points += points;
    tally_.points_in_flight[workload_.options.batches_in_flight] += points;
    cut_ = nullptr;
}

void Explorer::try_survival(std::unique_ptr<SimDisk> found, const History& promised, bool killed,
                            std::uint64_t seed) {
    SimDisk& disk = *found;
    History history = promised;
    const std::uint64_t share = killed ? thoroughness_.killed_share : thoroughness_.double_share;
    disk.on_change([&](const Change& change) {
        const std::uint64_t second = mix(seed, change.number);
        if (failed() || second % share != 0) return;
        second_cut_ = &change;
        recover_again(disk, history, second);
        second_cut_ = nullptr;
    });
    try {
        recover(disk, history, killed, seed);
    } catch (const Broken& broken) {
        note(broken.what());
    }
    disk.on_change({});
}

std::shared_ptr<Engine> Explorer::open(SimDisk& disk, const History& history) {
    Options options = workload_.options;
    options.create = !history.is_created();
    auto engine = Engine::open(disk.borrow(), options, Engine::Threads::none);
    if (!engine) throw Broken("opening failed: " + engine.error().message());
    return std::move(*engine);
}

void Explorer::recover(SimDisk& disk, History& history, bool killed, std::uint64_t seed) {
    const std::shared_ptr<Engine> engine = open(disk, history);
    history.check_and_adopt(*engine);
    if (killed || mix(seed, 2) % thoroughness_.append_share == 0)
        append_and_recover(disk, *engine, history, seed);
    if (killed || mix(seed, 3) % thoroughness_.verify_share == 0) verify_and_close(*engine);
    disk.on_change({});
    disk.cut_power();  // closing then costs little, and is not what this point is about
}

/// What a recovery has served stays, and what is appended to it too.
void Explorer::append_and_recover(SimDisk& disk, Engine& engine, History& history,
                                  std::uint64_t seed) {
    for (std::uint64_t i = 0; i <= mix(seed, 5) % 4; ++i) {
        TransactionBody body(workload_.options);
        fill(body, afterwards(), history);
        const std::size_t index = history.submit(afterwards());
        const auto receipt = engine.commit(body, Durability::durable);
        if (!receipt) throw Broken("a commit after recovery failed: " + receipt.error().message());
        history.sequenced(index, *receipt);
        history.durable(index);
    }
    const std::unique_ptr<SimDisk> crashed = disk.after_crash(mix(seed, 4));
    History again = history;
    const std::shared_ptr<Engine> reopened = open(*crashed, again);
    again.check_and_adopt(*reopened);
    crashed->cut_power();
}

void Explorer::verify_and_close(Engine& engine) {
    const auto report = engine.verify();
    if (!report) throw Broken("verify failed: " + report.error().message());
    if (!report->damages.empty()) {
        const Damage& damage = report->damages.front();
        throw Broken(fmt::format("verify finds {} at offset {}: {}", damage.file, damage.offset,
                                 damage.what));
    }
    // A body file of a commit that came to nothing stays for a while.
    for (const std::string& file : report->unknown_files)
        if (!file.starts_with("body-")) throw Broken("verify finds an unknown file: " + file);
    if (auto closed = engine.close(); !closed)
        throw Broken("closing after recovery failed: " + closed.error().message());
}

void Explorer::recover_again(const SimDisk& disk, History history, std::uint64_t seed) {
    ++tally_.double_points;
    const bool killed = mix(seed, 6) % thoroughness_.second_kill_share == 0;
    const std::unique_ptr<SimDisk> crashed = killed ? disk.clone() : disk.after_crash(seed);
    try {
        recover(*crashed, history, killed, seed);
    } catch (const Broken& broken) {
        note(broken.what());
    }
}

}  // namespace braid::crash
