#pragma once

#include <string>
#include <vector>

#include "engine/segment_table.h"
#include "engine/storage.h"
#include "io/disk.h"

namespace braid {

/// A trim that the next drain is to carry out.
struct Trim {
    index::SegmentTrim segment;
    std::vector<index::PackTrim> packs;  ///< what it leaves of the packs that it touches
    std::vector<std::string> retired;    ///< files that hold nothing any more
};

/// Works out the trim of a segment through an entry that is drained. The caller holds the drain's
/// role, so that nothing is drained meanwhile. Reads what is to be trimmed: `corrupt` where that is
/// damaged.
[[nodiscard]] Result<Trim> plan_trim(Storage& storage, std::uint64_t store_seed,
                                     SegmentState& segment, Sequence through);

/// Makes a trim seen in memory. Under `Storage::publish`, exclusively, or before the store is
/// shared. The segment is known.
void apply_trim(const index::SegmentTrim& trim, SegmentTable& table, Storage& storage);

/// Removes the packs and segments' own files that were retired, and whose removal a crash undid or
/// prevented. What cannot be removed stays for the next opening.
void remove_retired(io::Disk& disk, const std::vector<io::DirectoryEntry>& files,
                    const SegmentTable& table, const Storage& storage);

}  // namespace braid
