#pragma once

#include <braid/types.hpp>
#include <cstdint>
#include <vector>

#include "segment/frame.h"

namespace braid::segment {

/// Small frames of a segment, of a record each and added one behind the other, become one joined
/// frame where they are stored. Such a frame is nearly half header; joined, a record costs 26 bytes
/// beyond its own, and readers walk and hash one frame where they would some dozens. Nothing is
/// lost: each of them could be made again, with the checksum that it was committed with.
class FrameJoiner {
public:
    /// A joined frame's body is no longer: a random read never hashes much more than it wants. But
    /// mostly it is longer than what lies between two entries of a sparse index, so that each frame
    /// has its own.
    static constexpr std::size_t body_bytes_max = 6144;

    /// Whether it is a frame to be joined with others like it, or was.
    [[nodiscard]] static bool is_small(FrameView frame) noexcept {
        return (frame.is_joined() || (frame.count() == 1 && !frame.is_elsewhere())) &&
               frame.body().size() <= body_bytes_max / 3;
    }

    [[nodiscard]] bool is_empty() const noexcept { return frames_ == 0; }
    /// Whether a small frame, verified, can be joined with those that were added: the segment and
    /// the kind are theirs, it goes on where they end, and there is room.
    [[nodiscard]] bool takes(FrameView frame) const noexcept;
    /// Adds a frame that `takes` allows, or any small one if nothing was added yet. Copies it.
    void add(FrameView frame);

    /// Of what was added.
    [[nodiscard]] SegmentId segment() const noexcept { return first().segment(); }
    [[nodiscard]] Sequence first_sequence() const noexcept { return first().first_sequence(); }
    [[nodiscard]] std::uint32_t count() const noexcept { return count_; }

    /// Appends to `out` what was added, with its padding: a single frame byte for byte, several as
    /// a joined one. Nothing is added then.
    void finish(std::vector<std::byte>& out, std::uint64_t store_seed);
    void clear() noexcept;

private:
    [[nodiscard]] FrameView first() const noexcept { return FrameView(frames_bytes_.data()); }
    void join(std::vector<std::byte>& out, std::uint64_t store_seed) const;

    std::vector<std::byte> frames_bytes_;  // one behind the other, each with its padding
    std::size_t last_ = 0;                 // where the last one begins
    std::uint32_t frames_ = 0;
    std::uint32_t count_ = 0;         // records
    std::uint64_t record_bytes_ = 0;  // of all
};

}  // namespace braid::segment
