#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <braid/types.hpp>

#include "tests/sim/sim_disk.h"

namespace braid::fuzz {

/// Files of a store, as a fuzzer's input tells them. The input: a byte of modes, then chunks: the
/// number of a file in `file_names`, a little-endian u16 length, that many bytes. A chunk is
/// appended to its file; in a log file it stands for a block of 4 KiB, the rest of which is zeros,
/// so that inputs stay small. Any bytes are an image.
struct Image {
    std::uint8_t modes = 0;
    std::map<std::string, std::vector<std::byte>> files;
};

/// Checksums, links' checks and chains are made right before the bytes are used: else nothing that
/// a fuzzer changes would ever get beyond them.
inline constexpr std::uint8_t mode_sealed = 1;

[[nodiscard]] const std::vector<std::string>& file_names();
[[nodiscard]] Image read_image(Bytes input);
/// The input that `read_image` makes this image of.
[[nodiscard]] std::vector<std::byte> write_image(const Image& image);

[[nodiscard]] std::unique_ptr<sim::SimDisk> disk_of(const Image& image);

}  // namespace braid::fuzz
