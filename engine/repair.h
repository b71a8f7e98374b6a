#pragma once

#include <braid/repair.hpp>
#include <memory>

#include "io/disk.h"

namespace braid {

/// `repair` on a disk that is open already.
[[nodiscard]] Result<RepairReport> repair(std::shared_ptr<io::Disk> disk,
                                          const RepairOptions& options);

}  // namespace braid
