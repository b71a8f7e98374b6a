#pragma once

#include <braid/types.hpp>
#include <cstdint>
#include <string>

namespace braid {

/// A pack (`segment` 0), a body file (`segment` is `of_bodies`), or a segment's own file.
struct FileId {
    static constexpr SegmentId of_bodies{~std::uint64_t{0}};  // no segment gets there

    SegmentId segment = 0;
    std::uint32_t number = 0;

    [[nodiscard]] std::string name() const;
    bool operator==(const FileId&) const = default;
    friend std::size_t hash_value(const FileId& id) noexcept {
        return static_cast<std::size_t>((id.segment.value * 0x9e3779b97f4a7c15U) ^ id.number);
    }
};

}  // namespace braid
