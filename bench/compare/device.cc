#include "bench/compare/device.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>

namespace bench {

/// The fields are those of the kernel's Documentation/block/stat.rst.
DeviceCounters device_counters(const std::string& directory) {
    struct stat status {};
    if (::stat(directory.c_str(), &status) != 0) return {};
    std::ifstream file(
        fmt::format("/sys/dev/block/{}:{}/stat", major(status.st_dev), minor(status.st_dev)));
    constexpr std::size_t sectors_written = 6;
    constexpr std::size_t flushes = 15;
    std::uint64_t fields[17] = {};
    for (std::uint64_t& field : fields) file >> field;
    return {fields[sectors_written] * 512, fields[flushes]};
}

}  // namespace bench
