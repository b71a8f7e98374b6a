#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/damage/truth.h"
#include "tests/sim/sim_disk.h"

namespace braid::damage {

/// Bytes of a file: [begin, end).
struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    [[nodiscard]] bool holds(std::uint64_t offset) const { return begin <= offset && offset < end; }
};

/// A store on a disk in memory, what was acknowledged, and what may be asked of it when it is
/// damaged.
struct SampleStore {
    std::string name;
    Options options;
    std::unique_ptr<sim::SimDisk> disk;
    /// The disk as it was at earlier moments, and what had been acknowledged by then.
    struct Earlier {
        std::unique_ptr<sim::SimDisk> disk;
        Position last = 0;
    };
    std::vector<Earlier> earlier;
    Truth truth;
    std::vector<std::string> files;  ///< without the lock
    /// What verify says that it covers.
    std::map<std::string, std::uint64_t> covered;

    // The end of the log, which nothing attests: a change there may take entries away.
    std::string newest_log;
    /// A batch of the newest log file. It is attested by those behind it, and by the catalog if it
    /// is drained.
    struct Batch {
        std::uint64_t offset = 0;
        Position before = 0;  ///< all up to it stays if this batch goes, with all behind it
    };
    std::vector<Batch> batches;
    /// All up to it stays if the newest log file vanishes, or its header does: what stood before it
    /// was begun, or everything if a roll leads to it.
    Position before_newest_log = 0;
    /// The catalog's newest record: one that is torn and one that is damaged look the same, and the
    /// log still has what it says.
    std::string catalog;
    Range newest_record;

    /// Entries up to here stay if the file holds these bytes. `corrupt` may be the answer as well.
    [[nodiscard]] Position floor_of(const std::string& file, Bytes bytes) const;
    /// Whether verify answers for that byte.
    [[nodiscard]] bool must_be_noticed(const std::string& file, std::uint64_t offset) const;
    /// Whether nothing in the log attests that byte.
    [[nodiscard]] bool is_unattested(const std::string& file, std::uint64_t offset) const {
        return file == newest_log && offset >= batches.back().offset;
    }
};

[[nodiscard]] std::shared_ptr<Engine> open_for_reading(sim::SimDisk& disk,
                                                       const SampleStore& store);

/// Closed: one drain, everything in a pack and in a piece.
[[nodiscard]] SampleStore make_small_store();
/// Closed: all in one gathered pack, and in a piece.
[[nodiscard]] SampleStore make_gathered_store();
/// Left by a process that was killed: several drains, packs gathered, openings, log files closed
/// and open, and transactions that are in the log alone.
[[nodiscard]] SampleStore make_large_store();
/// The same, but the newest log file was begun by an opening and not by a roll.
[[nodiscard]] SampleStore make_reopened_store();

}  // namespace braid::damage
