#include "segment/file_header.h"

#include <fmt/format.h>

#include <cstring>

#include "segment/checksum.h"

namespace braid::segment {

namespace {

constexpr std::size_t checksum_bytes = sizeof(std::uint64_t);

Error corrupt(const std::string& file, std::uint64_t offset, std::string what) {
    return {Errc::corrupt, fmt::format("{} at offset {}: {}", file, offset, what)};
}

Error unsupported(const std::string& file, std::string what) {
    return {Errc::unsupported_version, fmt::format("{}: {}", file, what)};
}

bool known_kind(std::uint16_t kind) {
    return kind >= static_cast<std::uint16_t>(FileKind::log) &&
           kind <= static_cast<std::uint16_t>(FileKind::body);
}

FileIdentity identity_of(const FileHeader& header) {
    FileIdentity identity;
    identity.kind = static_cast<FileKind>(header.kind.value());
    identity.store = header.store;
    identity.number = header.number.value();
    identity.incarnation = header.incarnation.value();
    identity.header_bytes = header.header_bytes.value();
    for (std::size_t i = 0; i < identity.extra.size(); ++i)
        identity.extra[i] = header.extra[i].value();
    return identity;
}

}  // namespace

FileHeader make_file_header(const FileIdentity& identity) noexcept {
    FileHeader header{};
    header.magic = file_magic;
    header.kind = static_cast<std::uint16_t>(identity.kind);
    header.version = format_version;
    header.header_bytes = identity.header_bytes;
    header.store = identity.store;
    header.number = identity.number;
    header.incarnation = identity.incarnation;
    for (std::size_t i = 0; i < identity.extra.size(); ++i) header.extra[i] = identity.extra[i];
    header.checksum = checksum(std::as_bytes(std::span(&header, 1)).subspan(checksum_bytes), 0);
    return header;
}

Result<FileIdentity> read_file_header(Bytes bytes, const std::string& file) {
    if (bytes.size() < file_header_bytes)
        return corrupt(file, 0,
                       fmt::format("a header of {} bytes expected, {} bytes found",
                                   file_header_bytes, bytes.size()));
    FileHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.magic != file_magic)
        return corrupt(file, offsetof(FileHeader, magic), "not the beginning of a file of Braid");
    const std::uint64_t expected =
        checksum(bytes.first(file_header_bytes).subspan(checksum_bytes), 0);
    if (header.checksum.value() != expected)
        return corrupt(file, 0,
                       fmt::format("checksum {:016x} of the header expected, {:016x} found",
                                   expected, header.checksum.value()));
    if (header.version.value() > format_version)
        return unsupported(file, fmt::format("format version {} found, at most {} is supported",
                                             header.version.value(), format_version));
    if (header.incompatible_features.value() != 0)
        return unsupported(file, fmt::format("unknown incompatible features {:#x}",
                                             header.incompatible_features.value()));
    if (header.version.value() == 0)
        return corrupt(file, offsetof(FileHeader, version), "format version 0");
    if (!known_kind(header.kind.value()))
        return corrupt(file, offsetof(FileHeader, kind),
                       fmt::format("unknown kind of file {}", header.kind.value()));
    if (header.header_bytes.value() < file_header_bytes)
        return corrupt(file, offsetof(FileHeader, header_bytes),
                       fmt::format("a header of {} bytes", header.header_bytes.value()));
    return identity_of(header);
}

}  // namespace braid::segment
