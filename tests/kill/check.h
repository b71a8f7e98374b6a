#pragma once

#include <braid/options.hpp>
#include <cstdint>
#include <string>

#include "tests/kill/life.h"

namespace braid::kill {

/// What a check has looked at.
struct Checked {
    std::uint64_t acknowledged = 0;  ///< transactions that had to be there
    std::uint64_t taken_back = 0;    ///< buffered ones that a kill took
};

/// Reads the whole store without touching it and compares it with what all processes have noted:
/// positions and sequences without a gap, transactions whole and once, times that don't fall, every
/// payload as it was planned, all that was acknowledged where it was said. Returns what is wrong,
/// in words; empty: nothing. `end`: position of the last entry. Notes what it has seen.
[[nodiscard]] std::string check_read_only(const Place& place, std::uint64_t& end,
                                          Checked* checked = nullptr);
/// The same after a recovery, and with every byte of the store verified.
[[nodiscard]] std::string check_recovered(const Place& place, Io io, std::uint64_t seed,
                                          Checked* checked = nullptr);

}  // namespace braid::kill
