#include "tests/fuzz/image.h"

#include <algorithm>

#include "index/catalog.h"
#include "segment/encoding.h"
#include "segment/pack.h"
#include "segment/segment_file.h"
#include "tests/fuzz/seal.h"
#include "wal/log_format.h"

namespace braid::fuzz {
namespace {

/// An empty chunk makes a whole block: without a bound a small input would make a large file.
constexpr std::size_t file_bytes_max = 64 * io::block_bytes;

bool is_log(const std::string& name) {
    return name.starts_with("log-");
}

std::size_t bytes_without_zeros_at_the_end(Bytes block) {
    std::size_t length = block.size();
    while (length > 0 && block[length - 1] == std::byte{0}) --length;
    return length;
}

void append_chunk(const std::string& name, std::vector<std::byte>& file, Bytes chunk) {
    const std::size_t begin = file.size();
    file.insert(file.end(), chunk.begin(), chunk.end());
    if (is_log(name)) file.resize(io::whole_blocks(begin + std::max<std::size_t>(chunk.size(), 1)));
    file.resize(std::min(file.size(), file_bytes_max));
}

void write_chunk(std::vector<std::byte>& out, std::size_t file, Bytes chunk) {
    out.push_back(static_cast<std::byte>(file));
    out.push_back(static_cast<std::byte>(chunk.size() & 0xff));
    out.push_back(static_cast<std::byte>(chunk.size() >> 8));
    out.insert(out.end(), chunk.begin(), chunk.end());
}

}  // namespace

const std::vector<std::string>& file_names() {
    static const std::vector<std::string> names = {
        index::catalog_name(1),
        wal::log_name(1),
        wal::log_name(2),
        wal::log_name(3),
        segment::pack_name(1),
        segment::pack_name(2),
        segment::segment_file_name(1, 1),
        segment::segment_file_name(2, 1),
        index::catalog_name(2),
        segment::pack_name(3),
        segment::pack_name(4),
    };
    return names;
}

Image read_image(Bytes input) {
    Image image;
    segment::ByteReader reader(input);
    if (!input.empty()) image.modes = std::to_integer<std::uint8_t>(reader.bytes(1).front());
    while (reader.left().size() >= 3) {
        const Bytes head = reader.bytes(3);
        const std::string& name =
            file_names()[std::to_integer<std::size_t>(head[0]) % file_names().size()];
        const std::size_t length =
            std::to_integer<std::size_t>(head[1]) | std::to_integer<std::size_t>(head[2]) << 8;
        append_chunk(name, image.files[name], reader.bytes(std::min(length, reader.left().size())));
    }
    if (image.modes & mode_sealed)
        for (auto& [name, bytes] : image.files) seal_file(bytes);
    return image;
}

std::vector<std::byte> write_image(const Image& image) {
    std::vector<std::byte> out{static_cast<std::byte>(image.modes)};
    for (std::size_t i = 0; i < file_names().size(); ++i) {
        const auto found = image.files.find(file_names()[i]);
        if (found == image.files.end()) continue;
        const bool log = is_log(found->first);
        const std::size_t chunk_bytes_max = log ? io::block_bytes : 0xffff;
        for (Bytes left = found->second; !left.empty();) {
            const Bytes chunk = left.first(std::min(left.size(), chunk_bytes_max));
            left = left.subspan(chunk.size());
            write_chunk(out, i, log ? chunk.first(bytes_without_zeros_at_the_end(chunk)) : chunk);
        }
    }
    return out;
}

std::unique_ptr<sim::SimDisk> disk_of(const Image& image) {
    auto disk = std::make_unique<sim::SimDisk>();
    for (const auto& [name, bytes] : image.files) disk->replace(name, 0, bytes);
    return disk;
}

}  // namespace braid::fuzz
