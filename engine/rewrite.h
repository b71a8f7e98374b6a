#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/segment_table.h"
#include "engine/storage.h"

namespace braid {

/// Bytes that can be made again from sound frames, and aren't what they must be.
struct Rewrite {
    std::string file;
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
    std::string what;
};

/// The directory of a gathered pack, from its extents; nothing unless all of them are sound.
/// `bytes`: of the whole file.
[[nodiscard]] std::optional<std::vector<std::byte>> build_directory(const PackState& pack,
                                                                    Bytes bytes,
                                                                    std::uint64_t store_seed);

/// Headers, directories, space orders and sparse indexes that are damaged while all frames beside
/// them are sound. Changes nothing. Blocks; reads every pack and every piece.
[[nodiscard]] Result<std::vector<Rewrite>> plan_rewrites(io::Disk& disk, const Uuid& store,
                                                         Storage& storage,
                                                         const SegmentTable& table);

}  // namespace braid
