#pragma once

#include <optional>
#include <utility>

#include "engine/careful_extents.h"
#include "engine/extent_chain.h"
#include "engine/frame_source.h"
#include "engine/storage.h"

namespace braid {

/// Frames of one segment, by sequence, forward or backward. The next one is wherever its sequence
/// is now: in the tail, in a piece, or in an extent of the segment's chain through the packs.
class SegmentSource : public FrameSource {
public:
    /// From `from` up to `to`, or the other way round. The first and last frame may reach beyond.
    /// `from` 0: from what is left of the segment.
    struct Range {
        Sequence from;
        Sequence to;
        Position after = 0;  ///< entries up to here are not wanted
        bool backward = false;
    };
    SegmentSource(const ReadParts& parts, SegmentState& segment, const Range& range);

    [[nodiscard]] Result<void> fill(Window& window, std::size_t frames) override;
    [[nodiscard]] bool begins_in_trimmed() override;
    [[nodiscard]] const SegmentState& segment() const noexcept { return segment_; }
    /// The next frame is to be the one that holds this sequence.
    void go_to(Sequence sequence);

private:
    [[nodiscard]] bool is_past_end() const { return backward_ ? next_ < last_ : next_ > last_; }
    [[nodiscard]] Result<void> pass_trimmed();
    [[nodiscard]] Error gone() const;
    void fill_from_tail(Window& window, std::size_t frames, Sequence drained);
    [[nodiscard]] segment::TailPlace before_tail(Sequence drained) const noexcept;
    [[nodiscard]] bool take_from_even_tail(Window& window, const segment::TailNode& visible,
                                           Sequence drained);
    static void fetch_record(Bytes frame, std::uint32_t count, std::uint64_t record) noexcept;
    void go_on_in_tail(Window& window, std::size_t frames);
    [[nodiscard]] bool is_next(segment::FrameView frame) const noexcept;
    static void fetch_row(segment::FrameView frame) noexcept;
    static void fetch_node(const segment::TailNode& node, Sequence wanted) noexcept;
    [[nodiscard]] Result<void> fill_from_piece(Window& window, std::size_t frames,
                                               const segment::Piece& piece);
    [[nodiscard]] std::uint64_t add_row(Window& window, std::size_t frames,
                                        RecentFiles::Recent& file, std::uint64_t offset,
                                        std::uint64_t end);
    [[nodiscard]] Result<void> fill_backward_from_piece(Window& window, std::size_t frames,
                                                        const segment::Piece& piece);
    [[nodiscard]] Result<void> fill_from_packs(Window& window, std::size_t frames,
                                               Sequence drained);
    [[nodiscard]] const segment::Piece* piece_of(Sequence sequence) const;
    /// A frame in a piece, from its first byte on.
    struct Place {
        std::uint64_t offset = 0;
        bool is_alone = false;  ///< of its records only the next one was verified
    };
    [[nodiscard]] Result<Place> find_in_piece(RecentFiles::Recent& file,
                                              const segment::Piece& piece);
    [[nodiscard]] bool is_sound_alone(const RecentFiles::Recent& file, std::uint64_t offset,
                                      segment::FrameView frame) const;
    [[nodiscard]] std::uint64_t guess_in_piece(RecentFiles::Recent& file,
                                               const segment::Piece& piece,
                                               const index::SparseIndex& index) const;
    void fetch_between(Bytes frames, const index::SparseIndex::Interval& between) const noexcept;
    [[nodiscard]] const char* verify_in_piece(RecentFiles::Recent& file,
                                              const segment::Piece& piece, std::uint64_t at);
    /// nullptr where it can't be had.
    [[nodiscard]] const index::SparseIndex* sparse_index(const segment::Piece& piece);
    [[nodiscard]] bool is_ours(segment::FrameView frame) const;
    [[nodiscard]] std::uint32_t sound_records(segment::FrameView frame) const;
    [[nodiscard]] Error damaged(const RecentFiles::Recent& file, std::uint64_t offset,
                                std::string_view reason) const;
    [[nodiscard]] Error missing(const std::string& where) const;

    Storage& storage_;
    const segment::Arena& arena_;
    RecentFiles recent_;
    std::uint64_t store_seed_;
    SegmentState& segment_;
    Sequence next_;  // forward: the lowest not given; backward: the highest
    Sequence last_;  // where to stop
    Position after_;
    bool backward_;
    bool from_what_is_left_;
    bool alone_ = false;  // by the last fill: no record but the next one is wanted for now

    /// Forward: of the tail's node that ends before `next_`. It stays there as long as the drain
    /// hasn't come to what it holds.
    const segment::TailNode* before_next_ = nullptr;
    ExtentChain chain_;
    std::optional<CarefulExtents> careful_;  // since the links have led astray
    std::uint64_t gatherings_ = 0;           // by the last fill
    using PieceKey = std::pair<FileId, std::uint64_t>;
    PieceKey index_of_;  // the piece of `index_`: file and offset
    std::shared_ptr<const index::SparseIndex> index_;
    std::uint64_t piece_offset_ = 0;  // forward: of `next_` in the piece that holds it
    Sequence piece_sequence_;         // the `next_` for which that is so
};

}  // namespace braid
