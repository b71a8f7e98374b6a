#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/disk.h"

namespace braid {

/// What a file in a store's directory is by its name.
enum class StoreFile : std::uint8_t {
    unknown,
    lock,
    log,
    pack,
    segment,
    catalog,
    unfinished_catalog,
    unfinished_log,
};

[[nodiscard]] StoreFile store_file_kind(std::string_view name);

/// Names in the listing that are none of the store's kinds.
[[nodiscard]] std::vector<std::string> unknown_files(const std::vector<io::DirectoryEntry>& files);

}  // namespace braid
