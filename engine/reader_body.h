#pragma once

#include <algorithm>
#include <braid/reader.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "engine/lent_record.h"
#include "engine/segment_source.h"
#include "engine/space_source.h"
#include "engine/watermarks.h"

namespace braid {

class Engine;

/// What a reader asks of every entry.
struct EntryBounds {
    Sequence from = 0;
    Sequence to = no_limit;
    Position after = 0;
    Timestamp from_time = 0;
    Timestamp to_time = no_limit;
    std::uint64_t limit = no_limit;
    bool backward = false;
    Level level = Level::committed;
    OnTrimmed on_trimmed = OnTrimmed::refuse;
    Position as_of = no_limit;
};

/// A reader or follower: takes frames from a source a window at a time, and gives out their records
/// that lie within the bounds. All that it needs for one entry is within itself: a get costs one
/// allocation, the body.
class ReaderBody {
public:
    /// Of one segment.
    ReaderBody(std::shared_ptr<const Engine> engine, const EntryBounds& bounds,
               std::string_view space, std::string_view segment);
    /// Of some spaces, from `from` on, or of all.
    ReaderBody(std::shared_ptr<const Engine> engine, const EntryBounds& bounds,
               SpaceSource::Choice choice, Position from);
    ReaderBody(const ReaderBody&) = delete;
    ReaderBody& operator=(const ReaderBody&) = delete;

    /// Before the first step: the end is no further than this, wherever the store stands.
    void end_at(Position end) noexcept {
        end_ = std::min(end_, end);
        ends_early_ = true;
    }
    /// How the reader's own steps within a frame are taken.
    [[nodiscard]] detail::FrameSteps& steps() noexcept { return steps_; }
    /// Before the first step: of entries whose record is a large body only the numbers and the time
    /// are wanted; their records are empty.
    void leave_bodies() noexcept { wants_bodies_ = false; }
    /// Whether the entry given last is the last one of its transaction.
    [[nodiscard]] bool ends_transaction() const noexcept {
        return frame_.ends_transaction(
            static_cast<std::uint32_t>(current_->sequence - frame_.first_sequence()));
    }
    /// The next entry up to the end as it stood, nullptr at the end.
    const Result<Entry>* next();
    /// The last entry of the next frame, passing over those before it, up to the end as it stands
    /// now.
    const Result<Entry>* next_frame();
    /// Of the entry given last.
    [[nodiscard]] const SegmentState* segment() const noexcept { return segment_; }
    /// The entry of this sequence of the segment; reading goes on from there.
    const Result<Entry>* seek(Sequence sequence);
    /// Of spaces, forward: the first entry at the position or beyond; reading goes on from there.
    const Result<Entry>* go_to(Position position);
    /// The next entry, waiting for one that is committed meanwhile.
    const Result<Entry>* follow(std::uint64_t timeout_ns);
    const Result<Batch>* follow_batch(std::size_t most, std::uint64_t timeout_ns);
    /// Calls `tell` once, when `next` may have something new, or the store has closed; see
    /// Notifier.
    [[nodiscard]] Result<std::uint64_t> notify(std::function<void()> tell);
    void take_back(std::uint64_t number) noexcept;
    [[nodiscard]] Position cursor() const noexcept;
    [[nodiscard]] Position looked_through() const noexcept;

private:
    /// A segment that wasn't there yet.
    struct Missing {
        std::string space;
        std::string segment;
    };

    ReaderBody(std::shared_ptr<const Engine> engine, const EntryBounds& bounds);
    /// Whether there is a record to be delivered, or else whether it failed.
    [[nodiscard]] Position last_seen() const noexcept {
        return failed_ ? seen_ : std::max(seen_, current_->position);
    }
    /// Whether a record is to be delivered without another window.
    [[nodiscard]] bool find_in_window();
    [[nodiscard]] const Result<Entry>* outcome() const { return failed_ ? &current_ : nullptr; }
    [[nodiscard]] bool find_next();
    [[nodiscard]] bool find_record();
    /// Whether the record at `steps_.at` can be delivered as it is.
    [[nodiscard]] bool is_ready() const noexcept {
        return steps_.at != steps_.stop && !is_elsewhere_;
    }
    [[nodiscard]] bool fetch_body();
    [[nodiscard]] bool is_trimmed_by_now() const;
    bool fail(Error error);
    [[nodiscard]] FrameSource* source();
    [[nodiscard]] bool find_segment(std::string_view space, std::string_view segment);
    [[nodiscard]] Result<void> next_window();
    void go_near_start(FrameSource& from);
    void find_start(SegmentSource& source) const;
    void find_start(SpaceSource& source) const;
    void forget_window() noexcept;
    /// Whether it lies in what is read, or behind that; backward whether it lies behind that.
    [[nodiscard]] bool is_beyond_start(Position position, Timestamp timestamp) const noexcept {
        return bounds_.backward ? position > end_ || timestamp > bounds_.to_time
                                : position > bounds_.after && timestamp >= bounds_.from_time;
    }
    [[nodiscard]] Result<void> fill_window(FrameSource& from);
    [[nodiscard]] bool is_window_within() const noexcept;
    [[nodiscard]] Error trimmed(const Error& gone);
    [[nodiscard]] bool give_single() noexcept;
    [[nodiscard]] bool enter_whole_frame();
    /// Looks at the window's current frame: false if it ends the reading, by its time.
    [[nodiscard]] bool enter_frame();
    void show_frame(const Window::Item& item);
    void name_segment(SegmentState& segment);
    /// Sets which of the frame's records are to come.
    void clip();
    /// Shows record `steps_.at` of the frame, and moves on.
    void deliver() noexcept(!poisons_views);
    /// In debug builds: what is given out in place of the record.
    [[nodiscard]] Bytes lend(Bytes record);
    static void split(Entry& entry, Bytes record) noexcept;
    void fetch_ahead() const noexcept;
    [[nodiscard]] bool extend();
    void wait(std::uint32_t seen, std::uint64_t timeout_ns);

    std::shared_ptr<const Engine> engine_;
    EntryBounds bounds_;
    EntryBounds asked_;  // as they were at first: a seek and the end of the reading change them
    Position end_;
    std::uint64_t granted_ = 0;  // records delivered, with those up to `steps_.stop`
    Position seen_;              // no less than the highest position given out before `current_`
    Position looked_through_;    // nothing wanted is left up to here
    Result<Entry> current_;
    std::list<std::shared_ptr<const void>> lent_;  // in debug builds: LentRecords until next step
    bool failed_ = false;
    std::vector<Entry> batch_entries_;
    Result<Batch> batch_ = Batch{};

    // Of the frame that records are taken from. Backward `steps_.at` falls.
    segment::FrameView frame_;
    detail::FrameSteps steps_;
    bool has_metadata_ = false;
    bool is_elsewhere_ = false;  // the record is still to be fetched from its body file
    Bytes body_record_;          // once it was; empty where it isn't wanted
    std::uint32_t step_;
    bool is_cut_ = false;  // by the bounds or the end: nothing behind `steps_.stop`, now or ever

    Window window_;
    bool is_window_within_ = false;                        // the bounds
    std::size_t item_ = 0;                                 // in the window: the next frame's
    std::shared_ptr<const void> body_;                     // that was fetched last
    const std::shared_ptr<const void>* memory_ = nullptr;  // that holds the records
    SegmentState* segment_ = nullptr;
    bool is_at_start_ = true;
    bool ends_early_ = false;  // there may be much beyond the end
    bool wants_bodies_ = true;
    std::size_t window_frames_;  // to ask for next: grows as reading goes on
    std::variant<Missing, SegmentSource, SpaceSource> source_;
};

}  // namespace braid
