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

Error out_of_memory() {
    return {Errc::io, "out of memory", ENOMEM};
}

constexpr std::size_t window_frames_most = 256;

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

bool ReaderBody::find_segment(std::string_view space, std::string_view segment) {
    const ReadParts parts = engine_->parts();
    SegmentState* state = parts.table.find(space, segment, end_);
    if (state == nullptr) return false;
    source_.emplace<SegmentSource>(
        parts.storage, parts.store_seed, *state,
        SegmentSource::Range{bounds_.from, bounds_.to, bounds_.after, bounds_.backward});
    return true;
}

/// nullptr until what is to be read exists.
FrameSource* ReaderBody::source() {
    if (auto* space = std::get_if<SpaceSource>(&source_)) return space;
    if (const auto* missing = std::get_if<Missing>(&source_)) {
        const Missing names = *missing;
        if (!find_segment(names.space, names.segment)) return nullptr;
    }
    return std::get_if<SegmentSource>(&source_);
}

bool ReaderBody::fail(Error error) {
    if (!failed_) seen_ = std::max(seen_, current_->position);
    current_ = std::move(error);
    failed_ = true;
    is_window_within_ = false;
    steps_.stop = steps_.at;
    return false;
}

/// Takes the next frames; none at the end.
Result<void> ReaderBody::next_window() {
    window_.clear();
    is_window_within_ = false;
    item_ = 0;
    if (engine_->is_closed()) return Error(Errc::closed, "the store was closed");
    FrameSource* from = source();
    if (from == nullptr) return {};
    from->set_end(end_);
    if (bounds_.as_of != no_limit) from->read_as_of_end();
    if (std::exchange(is_at_start_, false)) go_near_start(*from);
    if (auto filled = fill_window(*from); !filled) return filled;
    is_window_within_ = is_window_within();
    window_frames_ = std::min(window_frames_ * 2, window_frames_most);
    return {};
}

/// Whether no bound and no end cuts anything off the window's frames, but for what is gone and the
/// limit.
bool ReaderBody::is_window_within() const noexcept {
    if (bounds_.backward || window_.items().empty()) return false;
    const segment::FrameView first = window_.items().front().frame;
    const segment::FrameView last = window_.items().back().frame;
    return first.first_position() > bounds_.after && first.first_sequence() >= bounds_.from &&
           first.timestamp() >= bounds_.from_time && last.last_position() <= end_ &&
           (bounds_.to == no_limit || last.last_sequence() <= bounds_.to) &&
           last.timestamp() <= bounds_.to_time;
}

Result<void> ReaderBody::fill_window(FrameSource& from) {
    for (;;) {
        auto filled = from.fill(window_, window_frames_);
        if (filled) return filled;
        const Errc code = filled.error().code();
        if (code == Errc::corrupt && engine_->look_again()) {
            window_.clear();
            continue;
        }
        if (code != Errc::trimmed) return filled;
        if (bounds_.on_trimmed == OnTrimmed::refuse) return trimmed(filled.error());
    }
}

/// The error with the first position that is left, found by going on; nothing is read after it.
Error ReaderBody::trimmed(const Error& gone) {
    const Position seen = std::max(seen_, current_->position);
    bounds_.on_trimmed = OnTrimmed::skip;
    const Result<Entry>* left = next();
    const Position first_left = left != nullptr && *left ? (**left).position : Position(0);
    seen_ = seen;
    if (!failed_) current_->position = 0;  // wasn't given
    const std::string where = first_left == 0
                                  ? "nothing is left behind it"
                                  : fmt::format("the first position left is {}", first_left.value);
    return Error::trimmed({gone.trimmed()->trimmed_through, first_left},
                          fmt::format("{}; {}", gone.message(), where));
}

/// Goes to the first record of the window's current frame if all of its records are to be given,
/// which is the rule in a scan; false, and nothing done, otherwise.
inline bool ReaderBody::enter_whole_frame() {
    if (!is_window_within_ || item_ == window_.items().size()) return false;
    const Window::Item& item = window_.items()[item_];
    const std::uint32_t count = item.frame.count();
    if (item.gone != 0 || count > bounds_.limit - granted_) return false;
    ++item_;
    fetch_ahead();
    frame_ = item.frame;
    steps_.at = 0;
    steps_.stop = count;
    granted_ += count;
    show_frame(item);
    return true;
}

bool ReaderBody::enter_frame() {
    if (enter_whole_frame()) return true;
    const Window::Item& item = window_.items()[item_++];
    fetch_ahead();
    frame_ = item.frame;
    steps_.at = bounds_.backward ? frame_.count() - 1 : 0;
    steps_.stop = steps_.at;
    is_cut_ = false;
    const Timestamp timestamp = frame_.timestamp();
    if (timestamp < bounds_.from_time) return !bounds_.backward;
    if (timestamp > bounds_.to_time) return bounds_.backward;
    show_frame(item);
    clip();
    return true;
}

/// What all entries of the frame have in common.
inline void ReaderBody::show_frame(const Window::Item& item) {
    steps_.first_sequence = frame_.first_sequence();
    steps_.first_position = frame_.first_position();
    Entry& entry = *current_;
    bool has_metadata = frame_.has_metadata();
    is_elsewhere_ = frame_.is_elsewhere() && wants_bodies_;
    if (frame_.is_elsewhere()) {
        body_record_ = {};
        has_metadata &= wants_bodies_;
    }
    if (std::exchange(has_metadata_, has_metadata) && !has_metadata_) entry.metadata = Metadata();
    steps_.is_plain = !poisons_views && !bounds_.backward && !has_metadata_ && frame_.count() > 1;
    if (steps_.is_plain) {
        steps_.ends = frame_.body().data();
        steps_.records = steps_.ends + frame_.ends_bytes();
    }
    if (segment_ != item.segment) name_segment(*item.segment);
    entry.timestamp = frame_.timestamp();
    entry.transaction = frame_.transaction();
    memory_ = &window_.memory(item);
    entry.pin = memory_;
}

void ReaderBody::name_segment(SegmentState& segment) {
    segment_ = &segment;
    current_->space = segment.space->name;
    current_->segment = segment.name();
}

void ReaderBody::clip() {
    const Window::Item& item = window_.items()[item_ - 1];
    const Position position = frame_.first_position();
    const Sequence sequence = frame_.first_sequence();
    const std::uint64_t count = frame_.count();
    // How many records at the beginning lie before the bounds, and how many do not lie behind them.
    const auto before = [](std::uint64_t first, std::uint64_t wanted) {
        return first < wanted ? wanted - first : 0;
    };
    const std::uint64_t low = std::max(before(position.value, bounds_.after.value + 1),
                                       before(sequence.value, bounds_.from.value));
    const std::uint64_t high =
        std::min({count, before(position.value, end_.value + 1),
                  bounds_.to == no_limit ? count : before(sequence.value, bounds_.to.value + 1)});
    const std::uint64_t gone = std::max<std::uint64_t>(low, item.gone);
    const std::uint64_t room = bounds_.limit - granted_;
    std::uint64_t taken = 0;
    if (bounds_.backward) {
        const std::uint64_t top = std::min<std::uint64_t>(high, std::uint64_t{steps_.at} + 1);
        taken = std::min(room, top - std::min(gone, top));
        steps_.at = static_cast<std::uint32_t>(top) - 1;
        steps_.stop = steps_.at - static_cast<std::uint32_t>(taken);
        is_cut_ = low > 0;
    } else {
        steps_.at = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(gone, steps_.at, count));
        taken = std::min(room, std::max<std::uint64_t>(high, steps_.at) - steps_.at);
        steps_.stop = steps_.at + static_cast<std::uint32_t>(taken);
        is_cut_ = high < count;
    }
    granted_ += taken;
}

/// Asks the processor for frames that are soon to be entered.
inline void ReaderBody::fetch_ahead() const noexcept {
    constexpr std::size_t ahead = 6;
    const auto& items = window_.items();
    if (item_ + ahead >= items.size()) return;
    const std::byte* at = items[item_ + ahead].frame.data();
    for (std::size_t line = 0; line < 3; ++line) __builtin_prefetch(at + 64 * line);
}

Bytes ReaderBody::lend(Bytes record) {
    try {
        const auto lent = std::make_shared<const LentRecord>(record, *memory_);
        current_->pin = &lent_.emplace_back(lent);
        return lent->copy();
    } catch (const std::bad_alloc&) {
        fail(out_of_memory());
        // It counted as seen when it was found.
        if (!bounds_.backward) seen_ = std::min(seen_, frame_.first_position() + steps_.at - 1);
        throw;
    }
}

inline void ReaderBody::deliver() noexcept(!poisons_views) {
    const std::uint32_t index = steps_.at;
    Bytes record = frame_.is_elsewhere() ? body_record_ : frame_.record(index);
    if constexpr (poisons_views) record = lend(record);
    steps_.at = index + step_;
    Entry& entry = *current_;
    entry.sequence = steps_.first_sequence + index;
    entry.position = steps_.first_position + index;
    if (has_metadata_)
        split(entry, record);
    else
        entry.payload = record;
}

const Result<Entry>* ReaderBody::next() {
    if constexpr (poisons_views) lent_.clear();
    if (steps_.at == steps_.stop) static_cast<void>(enter_whole_frame());
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
    const Result<Entry>* entry = within ? next() : nullptr;
    if (entry != nullptr && (!*entry || (**entry).sequence == sequence)) return entry;
    // The next one is not what was asked for, and counts as not given.
    if (entry != nullptr) current_->position = 0;
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

/// What comes next is somewhere else.
void ReaderBody::forget_window() noexcept {
    window_.clear();
    is_window_within_ = false;
    item_ = 0;
    window_frames_ = 1;
    is_at_start_ = false;
    steps_.stop = steps_.at;
    is_cut_ = false;
    granted_ = 0;
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
    seen_ = std::max(seen_, frame_.first_position() + steps_.at);
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

bool ReaderBody::extend() {
    const Position end = engine_->watermarks().at(bounds_.level);
    if (end == end_) return false;
    end_ = end;
    return true;
}

const Result<Entry>* ReaderBody::follow(std::uint64_t timeout_ns) {
    if (const Result<Entry>* entry = next()) return entry;  // without a look at the clock
    const std::uint64_t start = engine_->monotonic_ns();
    for (;;) {
        const std::uint32_t seen = engine_->watermarks().changes();
        if (const Result<Entry>* entry = next()) return entry;
        if (extend()) continue;
        if (engine_->is_closed()) {
            fail(Error(Errc::closed, "the store was closed"));
            return &current_;
        }
        const std::uint64_t waited = engine_->monotonic_ns() - start;
        if (waited >= timeout_ns) return nullptr;
        wait(seen, timeout_ns - waited);
    }
}

Result<std::uint64_t> ReaderBody::notify(std::function<void()> tell) {
    const auto* segment = std::get_if<SegmentSource>(&source_);
    const bool is_waiting = steps_.at == steps_.stop && item_ == window_.items().size() && !failed_;
    const Position beyond = is_waiting ? end_ : Position(0);
    return engine_->notifier().add(
        {bounds_.level, beyond, is_waiting && segment != nullptr ? &segment->segment() : nullptr},
        std::move(tell));
}

void ReaderBody::take_back(std::uint64_t number) noexcept {
    engine_->notifier().take_back(number);
}

/// A few sleep on the marks themselves, which is the shortest way. Of many, a commit would wake
/// all: they are left to the notifier.
void ReaderBody::wait(std::uint32_t seen, std::uint64_t timeout_ns) {
    constexpr std::uint32_t few = 8;
    if (engine_->watermarks().sleepers() < few) return engine_->watermarks().wait(seen, timeout_ns);
    std::atomic<std::uint32_t> told = 0;
    const auto number = notify([&told] {
        told.store(1);
        io::futex_wake(told, 1);
    });
    if (!number) return engine_->watermarks().wait(seen, timeout_ns);
    if (!engine_->is_closed()) io::futex_wait(told, 0, timeout_ns);
    take_back(*number);
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

Follower::Follower(std::unique_ptr<ReaderBody> body)
    : body_(std::move(body)), steps_(&body_->steps()) {}
Follower::Follower(Follower&&) noexcept = default;
Follower& Follower::operator=(Follower&&) noexcept = default;
Follower::~Follower() = default;
const Result<Entry>* Follower::next_of_body(std::chrono::nanoseconds timeout) {
    return body_->follow(static_cast<std::uint64_t>(std::max<std::int64_t>(timeout.count(), 0)));
}
const Result<Batch>* Follower::next_batch(std::size_t most, std::chrono::nanoseconds timeout) {
    return body_->follow_batch(
        most, static_cast<std::uint64_t>(std::max<std::int64_t>(timeout.count(), 0)));
}
Result<std::uint64_t> Follower::call_when_ready(std::function<void()> ready) {
    return body_->notify(std::move(ready));
}
void Follower::cancel_call(std::uint64_t call) noexcept {
    body_->take_back(call);
}
Position Follower::looked_through() const {
    return body_->looked_through();
}
Position Follower::cursor() const {
    return body_->cursor();
}

}  // namespace braid
