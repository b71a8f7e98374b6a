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
    if (problem_.empty()) problem_ = place_ + ": " + std::move(what);
}

std::string Explorer::explore() {
    SimDisk disk(workload_.seed);
    try {
        WorkloadRun run(disk, workload_);
        disk.on_change([&](const Change& change) { cut(disk, run.promised(), change); });
        run.run();
        disk.on_change({});
    } catch (const Broken& broken) {
        disk.on_change({});
        place_ = "the workload itself";
        note(broken.what());
    }
    return problem_;
}

/// Called in the middle of an I/O of the engine, so nothing is thrown from here.
void Explorer::cut(const SimDisk& disk, const History& history, const Change& change) {
    if (failed()) return;
    if (thoroughness_.only_cut && *thoroughness_.only_cut != change.number) return;
    ++tally_.cuts;
    const std::string place = name_of(change);
    for (std::uint64_t i = 0; i < thoroughness_.survivals && !failed(); ++i) {
        place_ = fmt::format("cut in {}, survival {}", place, i);
        ++tally_.points;
        const std::uint64_t seed = mix(mix(workload_.seed, change.number), i);
        try_survival(disk.after_crash(seed), history, false, seed);
    }
    const std::uint64_t seed = mix(~workload_.seed, change.number);
    if (failed() || seed % thoroughness_.kill_share != 0) return;
    // What the dead process wrote is still seen, and still unsynced: no recovery may rely on it.
    place_ = fmt::format("killed in {}", place);
    ++tally_.points;
    ++tally_.kills;
    try_survival(disk.clone(), history, true, seed);
}

void Explorer::try_survival(std::unique_ptr<SimDisk> found, const History& promised, bool thorough,
                            std::uint64_t seed) {
    SimDisk& disk = *found;
    History history = promised;
    const std::string place = place_;
    if (thorough || mix(seed, 1) % thoroughness_.double_share == 0) {
        disk.on_change([&](const Change& change) {
            for (std::uint64_t i = 0; i < thoroughness_.double_survivals && !failed(); ++i) {
                place_ =
                    fmt::format("{}; recovery cut in {}, survival {}", place, name_of(change), i);
                recover_again(disk, history, mix(mix(seed, change.number), i));
            }
            if (!failed()) place_ = place;
        });
    }
    try {
        recover(disk, history, thorough, seed);
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

void Explorer::recover(SimDisk& disk, History& history, bool thorough, std::uint64_t seed) {
    const std::shared_ptr<Engine> engine = open(disk, history);
    history.check_and_adopt(*engine);
    if (thorough || mix(seed, 2) % thoroughness_.append_share == 0)
        append_and_recover(disk, *engine, history, seed);
    if (thorough || mix(seed, 3) % thoroughness_.verify_share == 0) verify_and_close(*engine);
    disk.on_change({});
    disk.cut_power();  // closing then costs little, and is not what this point is about
}

/// What a recovery has served stays, and what is appended to it too.
void Explorer::append_and_recover(SimDisk& disk, Engine& engine, History& history,
                                  std::uint64_t seed) {
    for (std::uint64_t i = 0; i <= mix(seed, 5) % 4; ++i) {
        TransactionBody body(workload_.options);
        fill(body, afterwards());
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
    if (!report->unknown_files.empty())
        throw Broken("verify finds an unknown file: " + report->unknown_files.front());
    if (auto closed = engine.close(); !closed)
        throw Broken("closing after recovery failed: " + closed.error().message());
}

void Explorer::recover_again(const SimDisk& disk, History history, std::uint64_t seed) {
    ++tally_.double_points;
    const std::unique_ptr<SimDisk> crashed = disk.after_crash(seed);
    try {
        recover(*crashed, history, false, seed);
    } catch (const Broken& broken) {
        note(broken.what());
    }
}

}  // namespace braid::crash
