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
    body,
    unfinished_catalog,
    unfinished_log,
    metrics,  ///< nothing depends on it, nor on one half written
};

/// The numbers in the name of a pack or a body file (`segment` 0) or of a segment's own file; 0
/// where they are too large to be ours.
struct StoreFileNumbers {
    std::uint64_t segment = 0;
    std::uint64_t number = 0;
};
[[nodiscard]] StoreFileNumbers store_file_numbers(std::string_view name);

[[nodiscard]] StoreFile store_file_kind(std::string_view name);

/// Names in the listing that are none of the store's kinds.
[[nodiscard]] std::vector<std::string> unknown_files(const std::vector<io::DirectoryEntry>& files);

}  // namespace braid
