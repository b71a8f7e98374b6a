#include "engine/reader_body.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/engine.h"
#include "io/planted.h"

namespace braid {
namespace {

constexpr std::size_t window_frames_first = 4;
constexpr std::size_t window_frames_most = 256;

}  // namespace

ReaderBody::ReaderBody(std::shared_ptr<const Engine> engine, const EntryBounds& bounds,
                       OpenSource open_source)
    : engine_(std::move(engine)),
      bounds_(bounds),
      open_source_(std::move(open_source)),
      end_(engine_->watermarks().at(is_planted(PlantedFault::level_ignored) ? Level::committed
                                                                            : bounds.level)),
      window_frames_(window_frames_first),
      seen_(bounds.after),
      current_(Entry{}) {
    const Position committed = engine_->watermarks().committed();
    if (bounds_.after > committed)
        fail(Error(Errc::out_of_range,
                   fmt::format("the cursor stands at position {}, the store ends at {}",
                               bounds_.after.value, committed.value)));
}

const Result<Entry>* ReaderBody::fail(Error error) {
    current_ = std::move(error);
    failed_ = true;
    return &current_;
}

Result<bool> ReaderBody::next_frame() {
    if (in_frame_) ++item_;
    in_frame_ = false;
    if (item_ == window_.items().size()) {
        window_.clear();
        item_ = 0;
        if (engine_->is_closed()) return Error(Errc::closed, "the store was closed");
        if (source_ == nullptr) source_ = open_source_(end_);
        if (source_ == nullptr) return false;
        source_->set_end(end_);
        if (auto filled = fill_window(); !filled) return filled.error();
        window_frames_ = std::min(window_frames_ * 2, window_frames_most);
        if (window_.items().empty()) return false;
    }
    in_frame_ = true;
    record_ = 0;
    return true;
}

Result<void> ReaderBody::fill_window() {
    for (;;) {
        auto filled = source_->fill(window_, window_frames_);
        if (filled || filled.error().code() != Errc::trimmed) return filled;
        if (bounds_.on_trimmed == OnTrimmed::refuse) return trimmed(filled.error());
    }
}

/// The error with the first position that is left, found by going on; nothing is read after it.
Error ReaderBody::trimmed(const Error& gone) {
    const Position seen = seen_;
    bounds_.on_trimmed = OnTrimmed::skip;
    const Result<Entry>* left = next();
    const Position first_left = left != nullptr && *left ? (**left).position : Position(0);
    seen_ = seen;
    const std::string where = first_left == 0
                                  ? "nothing is left behind it"
                                  : fmt::format("the first position left is {}", first_left.value);
    return Error::trimmed({gone.trimmed()->trimmed_through, first_left},
                          fmt::format("{}; {}", gone.message(), where));
}

ReaderBody::Verdict ReaderBody::judge_frame() const {
    const Timestamp timestamp = window_.items()[item_].frame.timestamp();
    if (timestamp < bounds_.from_time) return bounds_.backward ? Verdict::end : Verdict::skip;
    if (timestamp > bounds_.to_time) return bounds_.backward ? Verdict::skip : Verdict::end;
    return Verdict::deliver;
}

ReaderBody::Verdict ReaderBody::judge_record(std::uint32_t index) const {
    const Window::Item& item = window_.items()[item_];
    const Position position = item.frame.first_position() + index;
    const Sequence sequence = item.frame.first_sequence() + index;
    const bool backward = bounds_.backward;
    if (position > end_ || sequence > bounds_.to) return backward ? Verdict::skip : Verdict::end;
    if (position <= bounds_.after || sequence < bounds_.from)
        return backward ? Verdict::end : Verdict::skip;
    if (sequence <= item.trimmed) return Verdict::skip;
    return position <= item.after ? Verdict::skip : Verdict::deliver;
}

void ReaderBody::enter_frame() {
    const Window::Item& item = window_.items()[item_];
    Entry& entry = *current_;
    entry.space = item.segment->space->name;
    entry.segment = item.segment->name;
    entry.timestamp = item.frame.timestamp();
    entry.transaction = item.frame.transaction();
    entry.pin = &window_.memory(item);
}

void ReaderBody::deliver(std::uint32_t index) {
    const segment::FrameView frame = window_.items()[item_].frame;
    Entry& entry = *current_;
    entry.sequence = frame.first_sequence() + index;
    entry.position = frame.first_position() + index;
    entry.record = frame.record(index);
    const segment::RecordView record = segment::split_record(entry.record, frame.has_metadata());
    entry.payload = record.payload;
    entry.metadata = Metadata(record.metadata, record.pairs);
    ++delivered_;
    seen_ = std::max(seen_, entry.position);
}

const Result<Entry>* ReaderBody::next() {
    if (failed_) return &current_;
    try {
        return find_next();
    } catch (const std::bad_alloc&) {
        // A window half filled isn't read on from: an entry might be missing.
        fail(Error(Errc::io, "out of memory", ENOMEM));
        throw;
    }
}

const Result<Entry>* ReaderBody::find_next() {
    while (delivered_ < bounds_.limit) {
        if (!in_frame_ || record_ == window_.items()[item_].frame.count()) {
            auto found = next_frame();
            if (!found) return fail(found.error());
            if (!*found) return nullptr;
            const Verdict verdict = judge_frame();
            if (verdict == Verdict::end) {
                bounds_.limit = delivered_;
                return nullptr;
            }
            if (verdict == Verdict::skip) {
                record_ = window_.items()[item_].frame.count();
                continue;
            }
            enter_frame();
        }
        const std::uint32_t count = window_.items()[item_].frame.count();
        const std::uint32_t index = bounds_.backward ? count - 1 - record_ : record_;
        const Verdict verdict = judge_record(index);
        if (verdict == Verdict::end) return nullptr;
        ++record_;
        if (verdict == Verdict::skip) continue;
        deliver(index);
        return &current_;
    }
    return nullptr;
}

Position ReaderBody::cursor() const noexcept {
    return std::min(seen_, engine_->watermarks().durable());
}

bool ReaderBody::extend() {
    const Position end = engine_->watermarks().at(bounds_.level);
    if (end == end_) return false;
    end_ = end;
    return true;
}

const Result<Entry>* ReaderBody::follow(std::uint64_t timeout_ns) {
    const std::uint64_t start = engine_->monotonic_ns();
    for (;;) {
        const std::uint32_t seen = engine_->watermarks().changes();
        if (const Result<Entry>* entry = next()) return entry;
        if (extend()) continue;
        if (engine_->is_closed()) return fail(Error(Errc::closed, "the store was closed"));
        const std::uint64_t waited = engine_->monotonic_ns() - start;
        if (waited >= timeout_ns) return nullptr;
        engine_->watermarks().wait(seen, timeout_ns - waited);
    }
}

Reader::Reader(std::unique_ptr<ReaderBody> body) : body_(std::move(body)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;
const Result<Entry>* Reader::next() {
    return body_->next();
}
Position Reader::cursor() const {
    return body_->cursor();
}

Follower::Follower(std::unique_ptr<ReaderBody> body) : body_(std::move(body)) {}
Follower::Follower(Follower&&) noexcept = default;
Follower& Follower::operator=(Follower&&) noexcept = default;
Follower::~Follower() = default;
const Result<Entry>* Follower::next() {
    return body_->follow(std::numeric_limits<std::uint64_t>::max());
}
const Result<Entry>* Follower::next(std::chrono::nanoseconds timeout) {
    return body_->follow(static_cast<std::uint64_t>(std::max<std::int64_t>(timeout.count(), 0)));
}
Position Follower::cursor() const {
    return body_->cursor();
}

}  // namespace braid
