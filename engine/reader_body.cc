#include "engine/reader_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <shared_mutex>
#include <utility>

#include "engine/engine.h"
#include "io/planted.h"
#include "segment/body_reference.h"

namespace braid {
namespace {

/// So many bytes before a record is given it is fetched from memory.
constexpr std::size_t fetched_ahead = 4096;

// The handle, which knows nothing of frames, reads them by itself.
static_assert(detail::FrameSteps::numbers_bytes == sizeof(segment::JoinedNumbers));

Error out_of_memory() {
    return {Errc::io, "out of memory", ENOMEM};
}

Error trimmed_by_now(const SegmentState& segment, const Storage& storage) {
    const std::shared_lock lock(storage.publish);
    return Error::trimmed({segment.trimmed_position, 0},
                          fmt::format("segment '{}' of space '{}' is trimmed through sequence {}",
                                      segment.name(), segment.space->name, segment.trimmed.value));
}

}  // namespace

ReaderBody::ReaderBody(std::shared_ptr<const Engine> engine, const EntryBounds& bounds)
    : engine_(std::move(engine)),
      bounds_(bounds),
      asked_(bounds),
      end_(engine_->watermarks().at(is_planted(PlantedFault::level_ignored) ? Level::committed
                                                                            : bounds.level)),
      seen_(bounds.after),
      current_(Entry{}),
      step_(bounds.backward ? ~std::uint32_t{0} : 1),
      window_frames_(few_frames) {
    steps_.entry = &*current_;
    steps_.result = &current_;
    current_->pinned = &engine_->pinned();
    const Position committed = engine_->watermarks().committed();
    if (bounds_.after > committed)
        fail(Error(Errc::out_of_range,
                   fmt::format("the cursor stands at position {}, the store ends at {}",
                               bounds_.after.value, committed.value)));
    if (bounds_.as_of == no_limit || failed_) return;
    if (bounds_.as_of > committed) {
        fail(Error(Errc::out_of_range,
                   fmt::format("there is no state as of position {}: the store ends at {}",
                               bounds_.as_of.value, committed.value)));
    } else if (const auto end = engine_->transaction_end(bounds_.as_of)) {
        end_at(*end);
    } else {
        fail(end.error());
    }
}

ReaderBody::ReaderBody(std::shared_ptr<const Engine> engine, const EntryBounds& bounds,
                       std::string_view space, std::string_view segment)
    : ReaderBody(std::move(engine), bounds) {
    if (!find_segment(space, segment)) source_ = Missing{std::string(space), std::string(segment)};
}

ReaderBody::ReaderBody(std::shared_ptr<const Engine> engine, const EntryBounds& bounds,
                       SpaceSource::Choice choice, Position from)
    : ReaderBody(std::move(engine), bounds) {
    source_.emplace<SpaceSource>(engine_->parts(), std::move(choice), from, Position(no_limit),
                                 bounds.backward);
}

bool ReaderBody::fail(Error error) {
    if (!failed_) seen_ = std::max(seen_, current_->position);
    current_ = std::move(error);
    failed_ = true;
    is_window_within_ = false;
    steps_.stop = steps_.at;
    return false;
}

/// Asks the processor for frames that are soon to be entered.
inline void ReaderBody::fetch_ahead() const noexcept {
    constexpr std::size_t ahead = 6;
    const auto& items = window_.items();
    if (item_ + ahead >= items.size()) return;
    const std::byte* at = items[item_ + ahead].frame.data();
    for (std::size_t line = 0; line < 3; ++line) __builtin_prefetch(at + 64 * line);
}

/// Goes to the first record of the window's current frame if all of its records are to be given,
/// which is the rule in a scan; false, and nothing done, otherwise.
inline bool ReaderBody::enter_whole_frame() {
    if (!is_window_within_ || item_ == window_.items().size()) return false;
    const Window::Item& item = window_.items()[item_];
    const std::uint32_t count = item.end - item.begin;
    if (count > bounds_.limit - granted_) return false;
    ++item_;
    fetch_ahead();
    frame_ = item.frame;
    steps_.at = item.begin;
    steps_.stop = item.end;
    granted_ += count;
    show_frame(item);
    return true;
}

inline void ReaderBody::name_segment(SegmentState& segment) {
    segment_ = &segment;
    current_->space = segment.space->name;
    current_->segment = segment.name();
}

/// Gives the only record of the window's next frame, if that is to be given and has nothing special
/// about it: with frames of a single record each step of a scan comes here.
inline bool ReaderBody::give_single() noexcept {
    if (poisons_views || !is_window_within_ || item_ == window_.items().size()) return false;
    const Window::Item& item = window_.items()[item_];
    const segment::FrameView frame = item.frame;
    if (!frame.is_plain_single() || item.begin == item.end || granted_ == bounds_.limit)
        return false;
    ++item_;
    ++granted_;
    fetch_ahead();
    Entry& entry = *current_;
    if (segment_ != item.segment) name_segment(*item.segment);
    if (std::exchange(has_metadata_, false)) entry.metadata = Metadata();
    is_elsewhere_ = false;
    frame_ = frame;
    steps_.at = steps_.stop = 1;
    memory_ = &window_.memory(item);
    entry.pin = memory_;
    entry.payload = frame.body();
    entry.sequence = frame.first_sequence();
    entry.position = frame.first_position();
    entry.timestamp = frame.timestamp();
    entry.transaction = frame.transaction();
    return true;
}

bool ReaderBody::enter_frame() {
    if (enter_whole_frame()) return true;
    const Window::Item& item = window_.items()[item_++];
    fetch_ahead();
    frame_ = item.frame;
    steps_.at = bounds_.backward ? item.end - 1 : item.begin;
    steps_.stop = steps_.at;
    is_cut_ = false;
    if (item.begin == item.end) return true;
    if (frame_.timestamp(item.end - 1) < bounds_.from_time) return !bounds_.backward;
    if (frame_.timestamp(item.begin) > bounds_.to_time) return bounds_.backward;
    show_frame(item);
    clip();
    return true;
}

/// What all entries of the frame have in common.
inline void ReaderBody::show_frame(const Window::Item& item) {
    Entry& entry = *current_;
    bool has_metadata = frame_.has_metadata();
    is_elsewhere_ = frame_.is_elsewhere() && wants_bodies_;
    if (frame_.is_elsewhere()) {
        body_record_ = {};
        has_metadata &= wants_bodies_;
    }
    if (std::exchange(has_metadata_, has_metadata) && !has_metadata_) entry.metadata = Metadata();
    steps_.is_plain =
        !poisons_views && !bounds_.backward && !has_metadata_ && item.end - item.begin > 1;
    if (steps_.is_plain) {
        steps_.first_sequence = frame_.first_sequence();
        steps_.first_position = frame_.first_position();
        steps_.first_timestamp = frame_.timestamp();
        steps_.first_transaction = frame_.transaction();
        steps_.ends = frame_.body().data();
        steps_.numbers = frame_.is_joined() ? steps_.ends + frame_.ends_bytes() : nullptr;
        steps_.records = steps_.ends + frame_.index_bytes();
        steps_.stride = frame_.length() / frame_.count();
        steps_.ahead = frame_.data() + fetched_ahead + steps_.stride * steps_.at;
    }
    if (segment_ != item.segment) name_segment(*item.segment);
    entry.timestamp = frame_.timestamp();
    entry.transaction = frame_.transaction();
    memory_ = &window_.memory(item);
    entry.pin = memory_;
}

/// Of the records that the window's item means, those within the bounds.
void ReaderBody::clip() {
    const Window::Item& item = window_.items()[item_ - 1];
    const auto before = [&](Sequence wanted) {  // so many records
        const Sequence first = frame_.first_sequence();
        return static_cast<std::uint32_t>(
            std::clamp<std::uint64_t>(wanted < first ? 0 : wanted - first, item.begin, item.end));
    };
    std::uint32_t low =
        std::max(before(bounds_.from), frame_.first_beyond(bounds_.after, item.begin, item.end));
    if (bounds_.from_time != 0)
        low = std::max(low, frame_.first_beyond(bounds_.from_time - 1, item.begin, item.end));
    std::uint32_t high = std::min(frame_.first_beyond(end_, item.begin, item.end),
                                  frame_.first_beyond(bounds_.to_time, item.begin, item.end));
    if (bounds_.to != no_limit) high = std::min(high, before(bounds_.to + 1));
    const std::uint64_t room = bounds_.limit - granted_;
    std::uint64_t taken = 0;
    if (bounds_.backward) {
        const std::uint64_t top = std::min<std::uint64_t>(high, std::uint64_t{steps_.at} + 1);
        taken = std::min<std::uint64_t>(room, top - std::min<std::uint64_t>(low, top));
        steps_.at = static_cast<std::uint32_t>(top) - 1;
        steps_.stop = steps_.at - static_cast<std::uint32_t>(taken);
        is_cut_ = low > item.begin;
    } else {
        steps_.at = std::max(low, steps_.at);
        taken = std::min<std::uint64_t>(room, std::max(high, steps_.at) - steps_.at);
        steps_.stop = steps_.at + static_cast<std::uint32_t>(taken);
        is_cut_ = high < item.end;
    }
    granted_ += taken;
}

Bytes ReaderBody::lend(Bytes record) {
    try {
        const auto lent = std::make_shared<const LentRecord>(record, *memory_);
        current_->pin = &lent_.emplace_back(lent);
        return lent->copy();
    } catch (const std::bad_alloc&) {
        fail(out_of_memory());
        // It counted as seen when it was found.
        if (!bounds_.backward) seen_ = std::min(seen_, frame_.position(steps_.at) - 1);
        throw;
    }
}

inline void ReaderBody::deliver() noexcept(!poisons_views) {
    const std::uint32_t index = steps_.at;
    Bytes record = frame_.is_elsewhere() ? body_record_ : frame_.record(index);
    if constexpr (poisons_views) record = lend(record);
    steps_.at = index + step_;
    Entry& entry = *current_;
    entry.sequence = frame_.first_sequence() + index;
    entry.position = frame_.position(index);
    if (frame_.is_joined()) {
        entry.timestamp = frame_.timestamp(index);
        entry.transaction = frame_.transaction(index);
    }
    if (has_metadata_)
        split(entry, record);
    else
        entry.payload = record;
}

const Result<Entry>* ReaderBody::next() {
    if constexpr (poisons_views) lent_.clear();
    if (steps_.at == steps_.stop) {
        if (give_single()) return &current_;
        static_cast<void>(enter_whole_frame());
    }
    if (!is_ready() && !find_next()) return outcome();
    deliver();
    return &current_;
}

const Result<Entry>* ReaderBody::next_frame() {
    if constexpr (poisons_views) lent_.clear();
    while (!is_ready() && !find_next())
        if (failed_ || !extend()) return outcome();
    steps_.at = steps_.stop - 1;
    deliver();
    return &current_;
}

const Result<Entry>* ReaderBody::seek(Sequence sequence) {
    if constexpr (poisons_views) lent_.clear();
    if (failed_) return outcome();
    SegmentSource* segment = nullptr;
    if (std::holds_alternative<SpaceSource>(source_))
        fail(Error(Errc::invalid_argument, "only a reader of a segment goes to a sequence"));
    else if (source() != nullptr)
        segment = std::get_if<SegmentSource>(&source_);
    if (segment == nullptr) return outcome();
    forget_window();
    bounds_ = asked_;
    const bool within = sequence != 0 && bounds_.from <= sequence && sequence <= bounds_.to;
    (bounds_.backward ? bounds_.to : bounds_.from) = sequence;
    if (within) segment->go_to(sequence);
    const Position seen = last_seen();
    const Result<Entry>* entry = within ? next() : nullptr;
    if (entry != nullptr && (!*entry || (**entry).sequence == sequence)) return entry;
    // The next one is not what was asked for, and counts as not given.
    if (entry != nullptr) {
        current_->position = 0;
        seen_ = seen;
    }
    steps_.stop = steps_.at;
    granted_ = bounds_.limit = 0;
    return nullptr;
}

const Result<Entry>* ReaderBody::go_to(Position position) {
    if (failed_) return outcome();
    forget_window();
    bounds_.after = position - 1;
    std::get<SpaceSource>(source_).go_to(position);
    return next();
}

/// Takes the record with its metadata apart.
void ReaderBody::split(Entry& entry, Bytes record) noexcept {
    const segment::RecordView parts = segment::split_record(record, true);
    entry.payload = parts.payload;
    entry.metadata = Metadata(parts.metadata, parts.pairs);
}

bool ReaderBody::find_next() {
    if (failed_) return false;
    try {
        return find_record();
    } catch (const std::bad_alloc&) {
        // A window half filled isn't read on from: an entry might be missing.
        fail(out_of_memory());
        throw;
    }
}

bool ReaderBody::find_record() {
    seen_ = std::max(seen_, current_->position);
    if (steps_.at == steps_.stop) {
        if (granted_ == bounds_.limit) return false;
        if (is_cut_) clip();  // the end may have risen
    }
    while (!find_in_window() || (is_elsewhere_ && !fetch_body())) {
        if (failed_ || is_cut_ || granted_ == bounds_.limit) return false;
        if (steps_.at != steps_.stop || item_ != window_.items().size()) continue;
        if (auto filled = next_window(); !filled) return fail(filled.error());
        if (window_.items().empty()) {
            looked_through_ = end_;
            return false;
        }
    }
    // Backward, the first record of a frame is the highest.
    seen_ = std::max(seen_, frame_.position(steps_.at));
    return true;
}

/// Gets the record at `steps_.at` from its body file. False if that failed, or if the entry is
/// passed over because it was trimmed since its frame was taken: then its file may be gone.
bool ReaderBody::fetch_body() {
    auto body =
        engine_->parts().storage.files.body(segment::body_reference(frame_), frame_.has_metadata());
    if (body) {
        body_ = std::move(body->pin);
        memory_ = &body_;
        body_record_ = body->bytes;
        current_->pin = memory_;
        is_elsewhere_ = false;
        return true;
    }
    if (body.error().code() != Errc::corrupt || !is_trimmed_by_now())
        return fail(std::move(body.error())
                        .within(fmt::format("segment '{}' of space '{}'", segment_->name(),
                                            segment_->space->name)));
    steps_.stop = steps_.at;
    --granted_;
    if (bounds_.on_trimmed == OnTrimmed::skip) return false;
    return fail(trimmed(trimmed_by_now(*segment_, engine_->parts().storage)));
}

bool ReaderBody::is_trimmed_by_now() const {
    const std::shared_lock lock(engine_->parts().storage.publish);
    return segment_->trimmed >= frame_.first_sequence();
}

bool ReaderBody::find_in_window() {
    while (steps_.at == steps_.stop && !is_cut_ && item_ != window_.items().size())
        if (!enter_frame()) {
            bounds_.limit = granted_;
            return false;
        }
    return steps_.at != steps_.stop;
}

Position ReaderBody::cursor() const noexcept {
    return std::min(last_seen(), engine_->watermarks().durable());
}

Position ReaderBody::looked_through() const noexcept {
    return std::min(std::max(looked_through_, last_seen()), engine_->watermarks().durable());
}

/// Of one window: its frames stay where they are until the next one. A large body can only be the
/// first, so that a batch holds one at most.
const Result<Batch>* ReaderBody::follow_batch(std::size_t most, std::uint64_t timeout_ns) {
    const Position previous = last_seen();
    const Result<Entry>* entry = follow(timeout_ns);
    if (entry == nullptr) return nullptr;
    if (!*entry) {
        batch_ = entry->error();
        return &batch_;
    }
    try {
        batch_entries_.assign(1, **entry);
        while (batch_entries_.size() < most && find_in_window() && !is_elsewhere_) {
            deliver();
            batch_entries_.push_back(*current_);
        }
    } catch (const std::bad_alloc&) {
        // What was taken can't be given any more: nothing may be read on from there.
        if (!failed_) fail(out_of_memory());
        seen_ = previous;
        throw;
    }
    batch_ = Batch{previous, batch_entries_.front().position, batch_entries_.back().position,
                   batch_entries_};
    return &batch_;
}

Reader::Reader(std::unique_ptr<ReaderBody> body)
    : body_(std::move(body)), steps_(&body_->steps()) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;
const Result<Entry>* Reader::next_of_body() {
    return body_->next();
}
const Result<Entry>* Reader::seek(Sequence sequence) {
    return body_->seek(sequence);
}
Position Reader::cursor() const {
    return body_->cursor();
}

}  // namespace braid
