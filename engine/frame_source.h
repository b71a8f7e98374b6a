#pragma once

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <braid/result.hpp>
#include <memory>
#include <utility>

#include "engine/segment_table.h"
#include "engine/storage.h"
#include "segment/frame.h"
#include "segment/tail.h"

namespace braid {

/// A reader asks for so few frames at first. It may want no more; who reads on asks for many.
inline constexpr std::size_t few_frames = 4;
[[nodiscard]] constexpr Access access_for(std::size_t frames) noexcept {
    return frames <= few_frames ? Access::random : Access::sequential;
}

/// What readers read from.
struct ReadParts {
    Storage& storage;
    segment::Arena& arena;
    SegmentTable& table;
    std::uint64_t store_seed;
};

/// Frames that a reader holds, in the order of reading, with what keeps their memory.
class Window {
public:
    struct Item {
        Item(segment::FrameView item_frame, SegmentState* of, std::uint32_t in,
             std::uint32_t first_record, std::uint32_t end_record) noexcept
            : frame(item_frame), segment(of), pin(in), begin(first_record), end(end_record) {}

        segment::FrameView frame;
        SegmentState* segment;
        std::uint32_t pin;
        /// Which of its records are meant. Others are trimmed, not wanted, were given before, or
        /// have an item of their own.
        std::uint32_t begin;
        std::uint32_t end;
    };

    void clear() noexcept {
        items_.clear();
        pins_.clear();
    }
    /// Leaves what is pinned to whoever fills it next.
    void clear_items() noexcept { items_.clear(); }
    /// Of a window without items.
    void clear_pins() noexcept { pins_.clear(); }
    [[nodiscard]] std::size_t pins() const noexcept { return pins_.size(); }
    /// Adds memory that the items added next lie in, and returns its number.
    std::uint32_t pin(std::shared_ptr<const void> memory) {
        pins_.push_back(std::move(memory));
        return static_cast<std::uint32_t>(pins_.size() - 1);
    }
    /// A frame of which entries up to `after` are not wanted.
    void add(segment::FrameView frame, SegmentState* segment, Position after = 0) {
        add_records(static_cast<std::uint32_t>(pins_.size() - 1), frame, segment, after, 0,
                    frame.count());
    }
    /// The same of a node's frame, without a look at that: it may be in no cache yet.
    void add(const segment::TailNode& node, SegmentState* segment, Position after) {
        const auto gone = [&](std::uint64_t through, std::uint64_t first) {
            return static_cast<std::uint32_t>(
                through < first ? 0 : std::min<std::uint64_t>(node.count, through - first + 1));
        };
        const std::uint32_t begin =
            std::max(gone(after.value, node.first_position.value),
                     gone(segment->trimmed.value, node.first_sequence.value));
        items_.emplace_back(node.view(), segment, static_cast<std::uint32_t>(pins_.size() - 1),
                            begin, node.count);
    }
    /// The same of some of the frame's records, in memory of this number.
    void add_records(std::uint32_t pin, segment::FrameView frame, SegmentState* segment,
                     Position after, std::uint32_t begin, std::uint32_t end) {
        if (after != 0) begin = frame.first_beyond(after, begin, end);
        if (const Sequence first = frame.first_sequence() + begin; segment->trimmed >= first)
            begin += static_cast<std::uint32_t>(
                std::min<std::uint64_t>(end - begin, segment->trimmed - first + 1));
        // Made where it stays: what is copied there waits for what was just written.
        items_.emplace_back(frame, segment, pin, begin, end);
    }
    /// The same, and its memory unless that is the last one's.
    void add(segment::FrameView frame, SegmentState* segment,
             const std::shared_ptr<const void>& memory, Position after) {
        if (pins_.empty() || pins_.back() != memory) pin(memory);
        add(frame, segment, after);
    }
    /// A frame that holds the sequence `next` of a segment: its records from there on, or backward
    /// up to there, since the others may have been given when they were in frames of their own; at
    /// most so many. `next` moves on. Its memory is pinned unless that is the last one's.
    void add_next(segment::FrameView frame, SegmentState* segment,
                  const std::shared_ptr<const void>& memory, Sequence& next, bool backward,
                  std::uint32_t most = ~std::uint32_t{0}) {
        if (pins_.empty() || pins_.back() != memory) pin(memory);
        const Sequence first = frame.first_sequence();
        const auto index = static_cast<std::uint32_t>(next - first);
        const std::uint32_t left = backward ? index + 1 : frame.count() - index;
        const std::uint32_t begin = backward ? index + 1 - std::min(left, most) : index;
        const std::uint32_t end = begin + std::min(left, most);
        add_records(static_cast<std::uint32_t>(pins_.size() - 1), frame, segment, 0, begin, end);
        next = backward ? first + begin - 1 : first + end;
    }

    /// Few are within the window itself, so that a get needs no memory for them.
    using Items = boost::container::small_vector<Item, few_frames>;
    [[nodiscard]] const Items& items() const noexcept { return items_; }
    [[nodiscard]] const std::shared_ptr<const void>& memory(const Item& item) const noexcept {
        return pins_[item.pin];
    }

private:
    Items items_;
    boost::container::small_vector<std::shared_ptr<const void>, 2> pins_;
};

/// Where a reader's frames come from: one segment or some spaces, from tails or from files,
/// whichever holds what comes next. One thread at a time.
class FrameSource {
public:
    virtual ~FrameSource() = default;

    /// Puts the next frames, at most `frames`, into the window, which has no items, verified; none
    /// at the end. What it has pinned is kept or cleared. A window may hold less than what is
    /// there. An error stands in the place of the frame that can't be had. `trimmed` stands where
    /// entries that were still to come are gone, and comes once: the next call goes on with what is
    /// left. Takes `Storage::publish`, shared.
    [[nodiscard]] virtual Result<void> fill(Window& window, std::size_t frames) = 0;

    /// Whether the next `fill` is to tell that what comes next is trimmed. Takes `publish`, shared.
    [[nodiscard]] virtual bool begins_in_trimmed() = 0;

    /// Positions beyond this one need not be given (they may be). Rises for a follower.
    void set_end(Position end) noexcept { end_ = end; }
    /// The end is where the store stood once: if entries beyond it are trimmed, entries up to it
    /// are gone that stood there then, and that is told, also backward.
    void read_as_of_end() noexcept { is_as_of_end_ = true; }

protected:
    /// Whether it is to be told that this much is trimmed.
    [[nodiscard]] bool is_beyond_as_of(Position trimmed) const noexcept {
        return is_as_of_end_ && trimmed > end_ && !is_told_beyond_;
    }
    /// The same, and that it is told now.
    [[nodiscard]] bool tell_beyond_as_of(Position trimmed) noexcept {
        return is_beyond_as_of(trimmed) && !std::exchange(is_told_beyond_, true);
    }

    Position end_;

private:
    bool is_as_of_end_ = false;
    bool is_told_beyond_ = false;
};

}  // namespace braid
