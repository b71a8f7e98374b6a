#pragma once

#include <string>
#include <vector>

#include "engine/frame_source.h"
#include "engine/order_merge.h"
#include "engine/storage.h"
#include "segment/tail.h"

namespace braid {

/// Frames of some spaces, or of all, in commit order, forward or backward: from the space order of
/// the packs up to where the drain stands, beyond that from the arena, which is in that order
/// itself.
class SpaceSource : public FrameSource {
public:
    struct Wanted {
        std::string name;
        Position after;
        SpaceState* space = nullptr;
        Position trimmed_told{};  ///< this much trimming the reader knows of
    };

    /// Which spaces to read.
    struct Choice {
        bool all = false;  ///< the whole store; `spaces` is empty then
        std::vector<Wanted> spaces;
        Position trimmed_told{};              ///< with `all`
        std::vector<std::string> segments{};  ///< names, sorted: no others; empty: all
    };

    /// From `from` up to `to`, or the other way round.
    SpaceSource(const ReadParts& parts, Choice choice, Position from, Position to, bool backward);

    [[nodiscard]] Result<void> fill(Window& window, std::size_t frames) override;
    [[nodiscard]] bool begins_in_trimmed() override;
    /// What comes next is at this position, or beyond it in the direction of reading.
    void go_to(Position position) noexcept { next_ = position; }
    [[nodiscard]] Position next() const noexcept { return next_; }
    [[nodiscard]] const Choice& choice() const noexcept { return choice_; }

private:
    void find_spaces();
    [[nodiscard]] Result<void> pass_trimmed();
    [[nodiscard]] bool skip_gap(const PackState* pack);
    /// nullptr if the space isn't one of those.
    [[nodiscard]] const Wanted* wanted(const SpaceState* space) {
        if (space != last_space_) {
            last_wanted_ = find_wanted(space);
            last_space_ = space;
        }
        return last_wanted_;
    }
    [[nodiscard]] const Wanted* find_wanted(const SpaceState* space) const;
    [[nodiscard]] bool is_wanted(SpaceId space) const;
    /// By its name alone.
    [[nodiscard]] bool is_wanted(const SegmentState& segment) const {
        return choice_.segments.empty() || is_named(segment);
    }
    [[nodiscard]] bool is_named(const SegmentState& segment) const;
    void fill_from_arena(Window& window, std::size_t frames, Position drained);
    static void fetch_row(const segment::TailNode& node) noexcept;
    void take(Window& window, const segment::TailNode& node);
    [[nodiscard]] Result<void> fill_from_pack(Window& window, std::size_t frames,
                                              const PackState& pack);
    [[nodiscard]] Result<void> load_order(const PackState& pack, std::size_t frames);
    void cut_order(Position end) noexcept;
    [[nodiscard]] bool begin_merge(const PackState& pack);
    [[nodiscard]] bool load_block(const PackState& pack, const index::OrderSection& section);
    [[nodiscard]] Result<void> load_merged(const PackState& pack, std::size_t frames);
    [[nodiscard]] Error damaged(std::size_t index, const FileId& file,
                                std::string_view reason) const;
    [[nodiscard]] const SpaceState& space_of(std::size_t index) const {
        return *order_spaces_[order_spaces_.size() == 1 ? 0 : index];
    }
    /// A file that the pack's order speaks of.
    struct Source {
        RecentFiles::Recent* file = nullptr;
        std::uint32_t clears = 0;  ///< when `file` was got: it is as valid as RecentFiles says
        FileId id;
        std::uint64_t end = 0;      ///< of the frames in it
        std::uint64_t skip = 0;     ///< bytes from what an order entry speaks of to the frame
        std::uint64_t pinning = 0;  ///< the last one that has it
        std::uint32_t loads = 0;    ///< of the file when it was pinned
        std::uint32_t pin = 0;      ///< its number there
    };
    /// A joined frame that was read from, to which the reader is likely to come back.
    struct Visited {
        std::uint64_t pinning = 0;  ///< the frame is there while the source has this one
        std::uint32_t loads = 0;    ///< and this one
        std::uint32_t source = 0;
        std::uint64_t offset = 0;
        segment::FrameView frame;
        std::uint32_t next = 0;  ///< the record that comes next, if they are read in order
    };
    static constexpr std::size_t visited_max = 256;
    [[nodiscard]] Visited& visited_at(const index::OrderEntry& entry);
    [[nodiscard]] const Visited* visited(const index::OrderEntry& entry, const Source& source);
    /// Whether that source is a piece all of which is trimmed.
    [[nodiscard]] static bool is_gone(const PackState& pack, std::uint32_t number) noexcept {
        return number != 0 && pack.pieces[number - 1].frames_bytes == 0;
    }
    [[nodiscard]] Result<Source*> source(const PackState& pack, std::uint32_t number);
    [[nodiscard]] Result<void> open(Source& source, const PackState& pack, std::uint32_t number);
    void expect(Access access) noexcept;
    void begin_window(Window& window);
    void pin(Window& window, Source& source);
    [[nodiscard]] Result<void> add_stored(Window& window, const PackState& pack, std::size_t index);
    [[nodiscard]] static bool leads_beyond(const index::OrderEntry& entry,
                                           const Source& source) noexcept {
        return entry.offset > source.end ||
               source.end - entry.offset < source.skip + segment::frame_header_bytes;
    }
    [[nodiscard]] bool add_known(Window& window, const index::OrderEntry& entry);
    /// Adds what comes next of the frame of an entry whose source is pinned. What is wrong with it,
    /// or nullptr; of a damaged one `next_` goes past what was added.
    [[nodiscard]] const char* add_pinned(Window& window, const index::OrderEntry& entry,
                                         Source& source);
    [[nodiscard]] segment::FrameView frame_of(const index::OrderEntry& entry, Source& source,
                                              const char*& problem);
    [[nodiscard]] const char* add_entry(Window& window, const index::OrderEntry& entry,
                                        Source& source, segment::FrameView frame,
                                        std::uint32_t begin);
    [[nodiscard]] const char* add_records(Window& window, Source& source, segment::FrameView frame,
                                          std::uint32_t begin, std::uint32_t end);
    void add_sound(Window& window, const index::OrderEntry& entry, Source& source,
                   segment::FrameView frame);
    void fetch(const index::OrderEntry& entry) const noexcept;
    [[nodiscard]] bool is_past_end() const { return backward_ ? next_ < last_ : next_ > last_; }

    Storage& storage_;
    RecentFiles recent_;
    segment::Arena& arena_;
    SegmentTable& table_;
    std::uint64_t store_seed_;
    Choice choice_;
    Position next_;
    Position last_;
    bool backward_;

    // A part of a pack's order: all there is of the spaces wanted from one position to another.
    std::uint32_t order_pack_ = 0;  // 0: none
    Position order_first_;
    Position order_last_;
    std::vector<index::OrderEntry> order_;         // in position order
    std::vector<const SpaceState*> order_spaces_;  // of each, or one of all
    OrderMerge merge_;                             // of that pack
    bool can_go_on_ = false;                       // the next part comes from there
    std::uint64_t gatherings_ = 0;                 // when that part was loaded
    std::vector<Source> sources_;                  // of that pack, by their numbers
    std::vector<Visited> visited_;                 // by their places; none before the first
    SegmentState* segment_ = nullptr;              // of the frame added last
    const SpaceState* last_space_ = nullptr;       // that was asked for
    const Wanted* last_wanted_ = nullptr;          // what it is
    // Sources stay pinned from window to window, as long as their memory does: each pinning has
    // numbers of its own.
    std::uint64_t pinning_ = 1;
    std::size_t pinned_ = 0;                                 // memories that the window keeps
    static constexpr std::size_t no_pins = ~std::size_t{0};  // of this pack
    Access access_ = Access::sequential;
};

}  // namespace braid
