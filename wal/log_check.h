#pragma once

#include <braid/result.hpp>
#include <optional>
#include <string>
#include <vector>

#include "io/disk.h"
#include "wal/log_format.h"

namespace braid::wal {

/// What is left in one log file, needed or not, and whether it is sound.
struct LogFileCheck {
    std::string name;
    std::uint64_t bytes = 0;              ///< of the header and the sound batches
    std::optional<BatchProblem> problem;  ///< damage to something that is attested
};

/// Checks every log file of the store as far as anything attests what it holds: closed files up to
/// the end that their successor states, the newest one as recovery would judge it. A closed file
/// that holds nothing beyond `drained`, the last transaction in the catalog, vouches for its header
/// alone: an opening that didn't come to its end may have written into it. A file that a writer is
/// changing meanwhile is read again before it is called damaged. Blocks; reads whole files.
[[nodiscard]] Result<std::vector<LogFileCheck>> check_log(io::Disk& disk, const Uuid& store,
                                                          std::uint64_t drained);

}  // namespace braid::wal
