#include <algorithm>

#include "engine/group_commit.h"

/// What GroupCommit does about log files: the next one made ready before it is needed, those left
/// behind told to who keeps them.

namespace braid {
namespace {

/// What a log file is never kept larger than after a clean close.
constexpr std::uint64_t spare_bytes_max = 4 << 20;

}  // namespace

std::uint64_t GroupCommit::usable(std::uint64_t capacity) noexcept {
    return capacity - 2 * io::block_bytes;  // the header's block and the roll's
}

const wal::LogFiles::Taken* GroupCommit::unassigned() const {
    const std::uint64_t assigned = assigned_file_ - writer_file_;
    return ready_.size() > assigned ? &*std::next(ready_.begin(), assigned) : nullptr;
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

Result<void> GroupCommit::prepare(std::uint64_t item_bytes) {
    const std::scoped_lock files_lock(files_mutex_);
    tell_left_files();
    const std::uint64_t needed = wal::batch_bytes(item_bytes) + 2 * io::block_bytes;
    {
        const std::scoped_lock lock(mutex);
        if (failure_) return *failure_;
        if (const auto* next = unassigned()) {
            if (next->capacity >= needed) return {};
            files_.put_back(std::move(ready_.back()));
            ready_.pop_back();
        }
    }
    std::uint64_t capacity = std::max(needed, files_.next_capacity());
    if (!files_.has_room(capacity)) capacity = needed;
    std::list<wal::LogFiles::Taken> place(1);  // a file that is taken must not get lost
    {
        const std::scoped_lock lock(mutex);
        left_.reserve(left_.size() + ready_.size() + 2);
    }
    auto taken = files_.take(capacity);
    if (!taken) return taken.error();
    place.front() = std::move(*taken);
    const std::scoped_lock lock(mutex);
    ready_.splice(ready_.end(), place);
    return {};
}

bool GroupCommit::wants_file() {
    const std::scoped_lock lock(mutex);
    return unassigned() == nullptr && !failure_;
}

bool GroupCommit::wants_drain() {
    const std::scoped_lock lock(files_mutex_);
    tell_left_files();
    return !files_.has_room(files_.next_capacity());
}

void GroupCommit::drained(TransactionNumber transaction) {
    const std::scoped_lock lock(files_mutex_);
    drained_ = transaction.value;
    tell_left_files();
}

Result<void> GroupCommit::shrink() {
    const std::scoped_lock files_lock(files_mutex_);
    while (!ready_.empty()) {
        files_.put_back(std::move(ready_.back()));
        ready_.pop_back();
    }
    if (writer_capacity_ > spare_bytes_max) {
        auto small = files_.take(spare_bytes_max / 4);
        if (!small) return small.error();
        writer_->roll(*blocking_queue_, std::move(*small));
        while (!writer_->error() && !writer_->ready()) writer_->step(*blocking_queue_, true);
        if (writer_->error()) return *writer_->error();
        if (const auto left = writer_->take_left()) left_.push_back(*left);
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
