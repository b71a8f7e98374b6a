#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "engine/frame_source.h"
#include "engine/segment_table.h"
#include "io/disk.h"

namespace braid {

/// A trim that the next drain is to carry out.
struct Trim {
    index::SegmentTrim segment;
    std::vector<index::PackTrim> packs;            ///< what it leaves of the packs that it touches
    std::vector<index::BodyFileCount> body_files;  ///< likewise, and those that are retired
    std::vector<std::string> retired;              ///< files that hold nothing any more
};

/// Works out the trim of a segment through an entry that is drained. The caller holds the drain's
/// role, so that nothing is drained meanwhile. Reads what is to be trimmed: `corrupt` where that is
/// damaged.
[[nodiscard]] Result<Trim> plan_trim(const ReadParts& parts, SegmentState& segment,
                                     Sequence through);

/// Numbers of the body files that frames beyond what is drained refer to. Walks all of them.
[[nodiscard]] std::set<std::uint64_t> undrained_body_files(const segment::Arena& arena,
                                                           Position drained);

/// Adds to a trim the body files whose bodies it leaves all trimmed, unless something that isn't
/// drained may refer to them. Those that it finds so are retired by a later trim.
void retire_body_files(const Storage& storage, const std::function<bool(std::uint64_t)>& is_in_use,
                       const std::function<std::set<std::uint64_t>()>& undrained, Trim& trim);

/// Makes a trim seen in memory. Under `Storage::publish`, exclusively, or before the store is
/// shared. The segment is known.
void apply_trim(const index::SegmentTrim& trim, SegmentTable& table, Storage& storage);

/// Removes the packs, body files and segments' own files that were retired, and whose removal a
/// crash undid or prevented; and body files older than others that drained frames refer to, if no
/// frame refers to them: their commits came to nothing. `undrained`: see above. What cannot be
/// removed stays for the next opening.
void remove_retired(io::Disk& disk, const std::vector<io::DirectoryEntry>& files,
                    const SegmentTable& table, const Storage& storage,
                    const std::set<std::uint64_t>& undrained);

}  // namespace braid
