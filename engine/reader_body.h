#pragma once

#include <braid/reader.hpp>
#include <functional>
#include <memory>

#include "engine/frame_source.h"
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
};

/// A reader or follower: takes frames from a source a window at a time, and gives out their records
/// that lie within the bounds.
class ReaderBody {
public:
    /// Makes the source, once what is to be read exists; nullptr until then.
    using OpenSource = std::function<std::unique_ptr<FrameSource>(Position end)>;

    ReaderBody(std::shared_ptr<const Engine> engine, const EntryBounds& bounds,
               OpenSource open_source);

    /// The next entry up to the end as it stood, nullptr at the end.
    const Result<Entry>* next();
    /// The next entry, waiting for one that is committed meanwhile.
    const Result<Entry>* follow(std::uint64_t timeout_ns);
    [[nodiscard]] Position cursor() const noexcept;

private:
    enum class Verdict : std::uint8_t { deliver, skip, end };

    const Result<Entry>* fail(Error error);
    const Result<Entry>* find_next();
    [[nodiscard]] Result<bool> next_frame();
    [[nodiscard]] Result<void> fill_window();
    [[nodiscard]] Error trimmed(const Error& gone);
    void enter_frame();
    [[nodiscard]] Verdict judge_frame() const;
    [[nodiscard]] Verdict judge_record(std::uint32_t index) const;
    void deliver(std::uint32_t index);
    [[nodiscard]] bool extend();

    std::shared_ptr<const Engine> engine_;
    EntryBounds bounds_;
    OpenSource open_source_;
    Position end_;
    std::unique_ptr<FrameSource> source_;
    Window window_;
    std::size_t item_ = 0;      // in the window
    std::uint32_t record_ = 0;  // records of the frame taken
    bool in_frame_ = false;
    std::size_t window_frames_;  // to ask for next: grows as reading goes on
    std::uint64_t delivered_ = 0;
    Position seen_;  // the highest position given out
    bool failed_ = false;
    Result<Entry> current_;
};

}  // namespace braid
