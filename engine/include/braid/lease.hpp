#pragma once

#include <chrono>
#include <string>

#include <braid/types.hpp>

namespace braid {

/// That one holder has a key for a time. The time decides only when somebody else may get the key:
/// a holder proves that it still has it by its token (`Transaction::require_lease`), whatever any
/// clock says.
struct Lease {
    std::string key;
    std::string holder;
    LeaseToken token;              ///< higher than that of every grant before
    std::chrono::nanoseconds ttl;  ///< that it was granted for
    /// Until another holder may get it; 0 from then on. Kept by the process that writes, and not
    /// stored: where a store is opened, also read-only, it begins anew with the full `ttl`.
    std::chrono::nanoseconds left;
};

}  // namespace braid
