#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "io/uring_queue.h"
#include "tests/main.h"

namespace braid::faults {

/// The disk is simulated, so that the second way of I/O would show nothing new.
inline bool was_run_already() {
    if (test::io() != Io::posix || io::probe_uring() != 0) return false;
    MESSAGE("the disk is simulated: all was tried with --io uring");
    return true;
}

/// 1234567 as 1,234,567.
inline std::string in_thousands(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ',');
    return digits;
}

}  // namespace braid::faults
