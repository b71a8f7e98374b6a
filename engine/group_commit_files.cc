#include <algorithm>

#include "engine/group_commit.h"

/// What GroupCommit does about log files: the next one made ready before it is needed, those left
/// behind told to who keeps them.

namespace braid {
namespace {

/// What a log file is never kept larger than after a clean close.
constexpr std::uint64_t spare_bytes_max = 4 << 20;
/// What of a new log file is filled in one go.
constexpr std::uint64_t fill_step = 64 << 10;
/// What is sequenced and not written yet takes no more files than so many, since each is open.
constexpr std::uint64_t files_ahead_max = 8;
/// The log thread looks after the next file whenever so much of this one has been used.
constexpr std::uint64_t use_step = 32 << 10;
/// With this part of all log files written a drain is wanted: then a file comes free before a
/// larger one has to be filled.
constexpr std::uint64_t undrained_share = 8;

}  // namespace

std::uint64_t GroupCommit::usable(std::uint64_t capacity) noexcept {
    return capacity - 2 * io::block_bytes;  // the header's block and the roll's
}

const wal::LogFiles::Taken* GroupCommit::unassigned() const {
    const std::uint64_t assigned = assigned_file_ - writer_file_;
    return ready_.size() > assigned ? &*std::next(ready_.begin(), assigned) : nullptr;
}

bool GroupCommit::is_far_ahead() const noexcept {
    return assigned_file_ - writer_file_ >= files_ahead_max;
}

void GroupCommit::tell_left_files() {
    std::vector<wal::LogWriter::Left> left;
    {
        const std::scoped_lock lock(mutex);
        left = left_;
        left_.clear();  // and keeps its memory
    }
    for (const auto& [slot, last_transaction] : left) files_.finished(slot, last_transaction);
    files_.drained(drained_);
}

/// A drained file rather than a new one: so as long as drains keep pace, nothing is written
/// but what is committed, and files stay small. Where they don't, large files spare rolls.
std::uint64_t GroupCommit::capacity_for(std::uint64_t item_bytes) {
    const std::uint64_t needed = wal::batch_bytes(item_bytes) + 2 * io::block_bytes;
    if (const std::uint64_t free = files_.free_capacity(); free >= needed) return free;
    const std::uint64_t usual = is_behind() ? files_.larger_capacity() : files_.next_capacity();
    const std::uint64_t wanted = std::max(needed, usual);
    return files_.has_room(wanted) ? wanted : needed;
}

Result<void> GroupCommit::prepare(std::uint64_t item_bytes) {
    const std::scoped_lock files_lock(files_mutex_);
    if (prepares_no_more_) return Error(Errc::closed, "the store is closed");
    tell_left_files();
    {
        const std::scoped_lock lock(mutex);
        if (failure_) return *failure_;
        if (const auto* next = unassigned()) {
            if (usable(next->capacity) >= wal::batch_bytes(item_bytes)) return {};
            files_.put_back(std::move(ready_.back()));
            ready_.pop_back();
        }
    }
    auto place = place_for_file();
    auto taken = files_.take(capacity_for(item_bytes));
    if (!taken) return taken.error();
    make_ready(std::move(place), std::move(*taken));
    return {};
}

/// A file that is taken must not get lost where memory runs out.
std::list<wal::LogFiles::Taken> GroupCommit::place_for_file() {
    std::list<wal::LogFiles::Taken> place(1);
    const std::scoped_lock lock(mutex);
    left_.reserve(left_.size() + ready_.size() + 2);
    return place;
}

void GroupCommit::make_ready(std::list<wal::LogFiles::Taken> place,
                             wal::LogFiles::Taken taken) noexcept {
    place.front() = std::move(taken);
    const std::scoped_lock lock(mutex);
    ready_.splice(ready_.end(), place);
}

/// The next file is filled at the pace at which this one is used, and is there when three quarters
/// of it are: so that neither a flush nor whoever waits for the log thread waits for a long write,
/// and a store that is hardly written takes hardly more disk.
std::uint64_t GroupCommit::filled_by_now(std::uint64_t capacity) const noexcept {
    const std::uint64_t whole = usable(assigned_capacity_);
    const double used = static_cast<double>(whole - assigned_room_) / static_cast<double>(whole);
    const auto paced = static_cast<std::uint64_t>(used / 0.75 * static_cast<double>(capacity));
    return std::min(capacity, fill_step + paced);
}

void GroupCommit::take_room(std::uint64_t bytes) noexcept {
    const std::uint64_t steps = assigned_room_ / use_step;
    assigned_room_ -= bytes;
    if (assigned_room_ / use_step != steps && unassigned() == nullptr) log_thread_.raise();
}

Result<bool> GroupCommit::prepare_some() noexcept {
    try {
        const std::scoped_lock files_lock(files_mutex_);
        tell_left_files();
        const std::uint64_t capacity = capacity_for(0);
        {
            const std::scoped_lock lock(mutex);
            if (failure_ || unassigned() != nullptr || files_.filled() >= filled_by_now(capacity))
                return false;
        }
        auto place = place_for_file();
        auto taken = files_.take_some(capacity, fill_step);
        if (!taken) return taken.error();
        if (!*taken) return true;
        make_ready(std::move(place), std::move(**taken));
        return false;
    } catch (const std::bad_alloc&) {
        return Error(Errc::io, "out of memory", ENOMEM);
    }
}

bool GroupCommit::wants_drain() {
    const std::scoped_lock files_lock(files_mutex_);
    tell_left_files();
    return !files_.has_room(files_.next_capacity()) || is_behind();
}

bool GroupCommit::is_behind() {
    const std::scoped_lock lock(mutex);
    return log_bytes_written_ - log_bytes_drained_ >= files_.bytes_max() / undrained_share;
}

void GroupCommit::drain_begins() {
    const std::scoped_lock lock(mutex);
    log_bytes_draining_ = log_bytes_written_;
}

void GroupCommit::drained(TransactionNumber transaction) {
    const std::scoped_lock files_lock(files_mutex_);
    drained_ = transaction.value;
    tell_left_files();
    const std::scoped_lock lock(mutex);
    log_bytes_drained_ = log_bytes_draining_;
}

void GroupCommit::stop_preparing() {
    const std::scoped_lock lock(files_mutex_);
    prepares_no_more_ = true;
}

void GroupCommit::put_back_ready() {
    const std::scoped_lock lock(mutex);
    while (!ready_.empty()) {
        files_.put_back(std::move(ready_.back()));
        ready_.pop_back();
    }
}

Result<void> GroupCommit::shrink() {
    const std::scoped_lock files_lock(files_mutex_);
    put_back_ready();
    if (writer_capacity_ > spare_bytes_max) {
        // So that neither a large free file nor one half made is what is taken next.
        if (auto trimmed = files_.trim(spare_bytes_max); !trimmed) return trimmed;
        auto small = files_.take(spare_bytes_max / 4);
        if (!small) return small.error();
        writer_->roll(*blocking_queue_, std::move(*small));
        while (!writer_->error() && !writer_->ready()) writer_->step(*blocking_queue_, true);
        if (writer_->error()) return *writer_->error();
        {
            const std::scoped_lock lock(mutex);
            if (const auto left = writer_->take_left()) left_.push_back(*left);
        }
        tell_left_files();
    }
    return files_.trim(0);
}

void GroupCommit::count(StoreStat& stat) {
    const std::scoped_lock lock(files_mutex_);
    stat.log_bytes = files_.total_bytes();
    stat.log_files = files_.count();
}

}  // namespace braid
