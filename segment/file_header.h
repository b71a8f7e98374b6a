#pragma once

#include <array>
#include <boost/endian/buffers.hpp>
#include <braid/result.hpp>
#include <cstdint>
#include <string>

#include "segment/item.h"

namespace braid::segment {

enum class FileKind : std::uint16_t { log = 1, pack = 2, segment = 3, catalog = 4, body = 5 };

/// The first bytes of every file. Magic and checksum are judged first (bad: damage), then the
/// version and the incompatible features (good but unknown: a newer Braid made it).
struct FileHeader {
    boost::endian::little_uint64_buf_t checksum;  ///< XXH3-64(0, bytes 8..127)
    std::array<char, 8> magic;
    boost::endian::little_uint16_buf_t kind;
    boost::endian::little_uint16_buf_t version;
    boost::endian::little_uint32_buf_t header_bytes;  ///< where the content begins
    boost::endian::little_uint32_buf_t compatible_features;
    boost::endian::little_uint32_buf_t incompatible_features;
    Uuid store;
    boost::endian::little_uint64_buf_t number;  ///< of this file among its kind
    boost::endian::little_uint64_buf_t
        incarnation;  ///< of the opening that began it; log files only, else 0
    std::array<boost::endian::little_uint64_buf_t, 8> extra;  ///< what the kind adds
};
static_assert(sizeof(FileHeader) == 128);

inline constexpr std::array<char, 8> file_magic = {'B', 'R', 'A', 'I', 'D', '\r', '\n', '\x1a'};
inline constexpr std::uint16_t format_version = 6;
inline constexpr std::size_t file_header_bytes = sizeof(FileHeader);

/// What a file says of itself.
struct FileIdentity {
    FileKind kind = FileKind::log;
    Uuid store{};
    std::uint64_t number = 0;
    std::uint64_t incarnation = 0;
    std::uint32_t header_bytes = file_header_bytes;
    std::array<std::uint64_t, 8> extra{};
    bool operator==(const FileIdentity&) const = default;
};

[[nodiscard]] FileHeader make_file_header(const FileIdentity& identity) noexcept;
/// `corrupt` for a bad magic, checksum or kind, `unsupported_version` for a newer format; `file` is
/// for the sentence.
[[nodiscard]] Result<FileIdentity> read_file_header(Bytes bytes, const std::string& file);

}  // namespace braid::segment
