#pragma once

#include <cstdint>
#include <string>

namespace bench {

/// What the kernel counts of the device that a directory lies on; zeros where it doesn't say.
struct DeviceCounters {
    std::uint64_t bytes_written = 0;
    std::uint64_t flushes = 0;
};
DeviceCounters device_counters(const std::string& directory);

}  // namespace bench
