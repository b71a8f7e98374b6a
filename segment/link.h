#pragma once

#include <boost/endian/buffers.hpp>
#include <compare>
#include <cstdint>

namespace braid::segment {

/// Where an extent stands: a pack, and a multiple of 8 bytes in it. 56 bits; the top 8 bits of the
/// stored word are a check of the others. Zero leads nowhere. A link is a hint: the frame that it
/// leads to must bear the segment and the sequence looked for.
class Link {
public:
    Link() = default;
    constexpr Link(std::uint32_t pack, std::uint64_t offset)
        : word_((std::uint64_t{pack} << 32) | (offset / 8)) {}
    static constexpr Link from_word(std::uint64_t word) {
        Link link;
        link.word_ = word;
        return link;
    }

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return word_ != 0; }
    [[nodiscard]] constexpr std::uint32_t pack() const noexcept {
        return static_cast<std::uint32_t>(word_ >> 32);
    }
    [[nodiscard]] constexpr std::uint64_t offset() const noexcept {
        return (word_ & 0xffffffffU) * 8;
    }
    [[nodiscard]] constexpr std::uint64_t word() const noexcept { return word_; }
    constexpr auto operator<=>(const Link&) const = default;

    /// The word with its check, as it is stored.
    [[nodiscard]] std::uint64_t stored() const noexcept;
    /// False if the check fails.
    [[nodiscard]] static bool load(std::uint64_t stored, Link& out) noexcept;

private:
    std::uint64_t word_ = 0;
};

inline constexpr std::uint32_t pack_number_max = (1U << 24) - 1;

/// Stands before each frame in a pack.
struct ExtentHeader {
    boost::endian::little_uint64_buf_t previous;  ///< the segment's extent before this one
    boost::endian::little_uint64_buf_t anchor;    ///< the newest anchor before this one
};
static_assert(sizeof(ExtentHeader) == 16);
inline constexpr std::size_t extent_header_bytes = sizeof(ExtentHeader);
/// Every so manieth extent of a segment is an anchor; following anchors skips the extents between.
inline constexpr std::uint32_t anchor_interval = 4;

}  // namespace braid::segment
