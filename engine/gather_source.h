#pragma once

#include <braid/result.hpp>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/segment_table.h"
#include "engine/storage.h"
#include "io/disk.h"

namespace braid {

/// A part of a file in memory, read by plain calls. Reads more at a time where it is read in order.
class ReadWindow {
public:
    explicit ReadWindow(std::unique_ptr<io::File> file) : file_(std::move(file)) {}
    /// [offset, offset + length), valid until the next call; `corrupt` if the file is shorter.
    [[nodiscard]] Result<Bytes> at(std::uint64_t offset, std::size_t length);

private:
    std::unique_ptr<io::File> file_;
    std::vector<std::byte> bytes_;
    std::uint64_t offset_ = 0;  // of the bytes
    std::size_t step_ = 0;      // that was read last
};

/// A pack that is being gathered: gives out its extents in order of segment and sequence, and
/// remembers where each has gone. Holds 12 bytes an extent; while it looks through a pack that is
/// in position order, 24 more.
class GatherSource {
public:
    GatherSource(const PackState& pack, std::unique_ptr<io::File> file, std::uint64_t store_seed);

    /// Looks through some of its extents; true once all are known. Those that are trimmed are left
    /// out. `corrupt` where there is no extent, or one of an unknown segment.
    [[nodiscard]] Result<bool> scan(const SegmentTable& table);
    [[nodiscard]] std::size_t extents() const noexcept { return places_.size(); }
    /// Of the pack, what the page cache had before anything was read of it here; all of it where
    /// the system doesn't tell.
    [[nodiscard]] std::uint64_t cached_bytes() const noexcept { return cached_bytes_; }
    [[nodiscard]] bool leaves_out() const noexcept { return leaves_out_; }

    using Key = std::pair<std::uint64_t, std::uint64_t>;  // segment, first sequence
    /// Goes to the first extent in order, or the next one.
    [[nodiscard]] Result<void> next();
    [[nodiscard]] bool is_at_end() const noexcept { return !current_; }
    [[nodiscard]] Key key() const noexcept { return *current_; }
    /// The extent with its padding, verified; valid until the next call.
    [[nodiscard]] Result<Bytes> extent();
    /// It is at this offset now.
    void moved_to(std::uint64_t offset) {
        moved_[ordinal()] = static_cast<std::uint32_t>(offset / 8);
    }

    /// Where an extent went that was there; nothing if it was left out.
    [[nodiscard]] std::optional<std::uint64_t> moved_from(std::uint64_t offset) const noexcept;
    /// The pack's entries of one section, as it stands there.
    [[nodiscard]] Result<std::vector<index::OrderEntry>> order(
        const index::OrderSection& section, std::optional<std::uint64_t> previous);
    [[nodiscard]] const PackState& pack() const noexcept { return pack_; }

private:
    struct Found {
        std::uint64_t segment;
        std::uint64_t sequence;
        std::uint32_t ordinal;
    };
    [[nodiscard]] Result<segment::FrameView> frame_at(std::uint64_t offset);
    [[nodiscard]] Error damaged(std::uint64_t offset, const char* what) const;
    void sort_found();
    [[nodiscard]] std::size_t ordinal() const noexcept {
        return sorted_.empty() ? at_ - 1 : sorted_[at_ - 1];
    }

    const PackState pack_;  // as it was when it was chosen
    const std::string name_;
    const std::uint64_t store_seed_;
    const std::uint64_t cached_bytes_;
    ReadWindow window_;
    std::uint64_t scanned_;  // up to here
    bool leaves_out_ = false;
    std::vector<Found> found_;           // while it is scanned
    std::vector<std::uint32_t> places_;  // of extents, in units of 8 bytes, rising
    std::vector<std::uint32_t> sorted_;  // indexes of those in order; none where that is the same
    std::vector<std::uint32_t> moved_;   // where each of them is now
    std::size_t at_ = 0;                 // how many were given out, the current one too
    std::optional<Key> current_;
};

}  // namespace braid
