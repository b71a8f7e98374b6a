#include "engine/group_commit.h"

#include <fmt/format.h>
#include <algorithm>
#include <limits>

#include "io/planted.h"

namespace braid {
namespace {

/// A batch that has this much is full: it takes no more transactions, and may go out beside
/// another.
constexpr std::uint64_t full_batch_bytes = 256 << 10;
/// Buffered commits are flushed early when so much waits.
constexpr std::uint64_t pending_bytes_max = 1 << 20;
/// What a log file is never kept larger than after a clean close.
constexpr std::uint64_t spare_bytes_max = 4 << 20;

}  // namespace

GroupCommit::GroupCommit(wal::LogFiles files, std::unique_ptr<wal::LogWriter> writer,
                         std::uint64_t capacity, Watermarks& watermarks, Signal& log_thread,
                         std::function<void()> drive)
    : watermarks_(watermarks),
      log_thread_(log_thread),
      drive_(std::move(drive)),
      files_(std::move(files)),
      writer_(std::move(writer)),
      blocking_queue_(io::make_blocking_queue()),
      writer_capacity_(capacity),
      assigned_room_(writer_->room()) {}

std::uint64_t GroupCommit::usable(std::uint64_t capacity) noexcept {
    return capacity - 2 * io::block_bytes;  // the header's block and the roll's
}

const wal::LogFiles::Taken* GroupCommit::unassigned() const {
    const std::uint64_t assigned = assigned_file_ - writer_file_;
    return ready_.size() > assigned ? &ready_[assigned] : nullptr;
}

bool GroupCommit::extends_batch(std::uint64_t item_bytes) const {
    return !queue_.empty() && queue_.back()->file == assigned_file_ &&
           queue_.back()->body.bytes + item_bytes <= full_batch_bytes;
}

std::uint64_t GroupCommit::log_cost(std::uint64_t item_bytes) const {
    if (!extends_batch(item_bytes) || queue_.back()->body.bytes == 0)
        return wal::batch_bytes(item_bytes);
    const std::uint64_t bytes = queue_.back()->body.bytes;
    return wal::batch_bytes(bytes + item_bytes) - wal::batch_bytes(bytes);
}

bool GroupCommit::admits(std::uint64_t item_bytes) const {
    if (log_cost(item_bytes) <= assigned_room_) return true;
    const wal::LogFiles::Taken* next = unassigned();
    return next != nullptr && wal::batch_bytes(item_bytes) <= usable(next->capacity);
}

std::shared_ptr<CommitBatch> GroupCommit::open_batch(std::uint64_t item_bytes) {
    const bool next_file = log_cost(item_bytes) > assigned_room_;
    if (next_file || !extends_batch(item_bytes)) {
        auto batch = std::make_shared<CommitBatch>();
        batch->body.pieces.reserve(1);
        batch->callbacks.reserve(1);
        queue_.push_back(batch);
        if (next_file) {
            assigned_room_ = usable(unassigned()->capacity);
            ++assigned_file_;
        }
        batch->file = assigned_file_;
        return batch;
    }
    CommitBatch& batch = *queue_.back();
    const auto more = [](auto& list) {
        if (list.size() == list.capacity()) list.reserve(2 * list.size() + 1);
    };
    more(batch.body.pieces);
    more(batch.callbacks);
    return queue_.back();
}

void GroupCommit::join(CommitBatch& batch, Bytes items, Position last_position,
                       TransactionNumber transaction, std::uint64_t due_ns) noexcept {
    assigned_room_ -= log_cost(items.size());
    std::vector<Bytes>& pieces = batch.body.pieces;
    if (!pieces.empty() && pieces.back().data() + pieces.back().size() == items.data())
        pieces.back() = {pieces.back().data(), pieces.back().size() + items.size()};
    else
        pieces.push_back(items);
    batch.body.bytes += items.size();
    batch.body.last_transaction = transaction.value;
    batch.last_position = last_position;
    pending_bytes_ += items.size();
    hasten(batch, due_ns);
}

void GroupCommit::hasten(CommitBatch& batch, std::uint64_t due_ns) noexcept {
    if (batch.due_ns <= due_ns) return;
    batch.due_ns = due_ns;
    // Batches are written in order: what is due makes due what stands before it.
    for (const auto& before : queue_) {
        before->due_ns = std::min(before->due_ns, due_ns);
        if (before.get() == &batch) break;
    }
}

CommitBatch* GroupCommit::first_waited_for() const {
    for (const auto& batch : queue_)
        if (batch->waiters != 0) return batch.get();
    return nullptr;
}

std::shared_ptr<CommitBatch> GroupCommit::newest() const {
    // An empty one is left where memory ran out between opening it and joining it.
    if (!queue_.empty() && queue_.back()->body.bytes != 0) return queue_.back();
    if (queue_.size() > 1) return queue_[queue_.size() - 2];
    return in_flight_.empty() ? nullptr : in_flight_.back();
}

std::optional<std::uint64_t> GroupCommit::next_due() const {
    if (queue_.empty()) return std::nullopt;
    return pending_bytes_ >= pending_bytes_max ? 0 : queue_.front()->due_ns;
}

GroupCommit::Pulse GroupCommit::pulse() {
    const std::scoped_lock lock(mutex);
    return {batches_, next_due(), wants_seal_ && !failure_ && assigned_room_ >= io::block_bytes,
            !queue_.empty() || !in_flight_.empty()};
}

bool GroupCommit::is_due(std::uint64_t now_ns) const {
    const auto due = next_due();
    return due && *due <= now_ns && first_waited_for() == nullptr;
}

bool GroupCommit::take_next(io::Queue& queue, bool only_full) {
    if (!writer_->ready()) return false;
    std::unique_lock lock(mutex);
    if (queue_.empty() || queue_.front()->body.bytes == 0 || failure_) return false;
    const std::shared_ptr<CommitBatch> batch = queue_.front();
    if (only_full && writer_->in_flight() != 0 && batch->body.bytes < full_batch_bytes / 2)
        return false;
    if (batch->file != writer_file_) {
        wal::LogFiles::Taken next = std::move(ready_.front());
        ready_.pop_front();
        ++writer_file_;
        lock.unlock();
        writer_capacity_ = next.capacity;
        writer_->roll(queue, std::move(next));
        log_thread_.raise();  // a further file is to be made ready
        return true;
    }
    queue_.pop_front();
    in_flight_.push_back(batch);
    pending_bytes_ -= batch->body.bytes;
    lock.unlock();
    writer_->submit(queue, batch->body);
    return true;
}

void GroupCommit::finish_written(Batches& done) {
    // After a failure nobody is left to be told, whatever was still in flight.
    while (!failure_ && batches_ < writer_->durable_batches()) {
        ++batches_;
        done.push_back(std::move(in_flight_.front()));
        in_flight_.pop_front();
        watermarks_.raise_durable(done.back()->last_position);
    }
    log_bytes_written_ = writer_->bytes_written();
    log_flushes_ = writer_->flushes();
    wants_seal_ = writer_->wants_seal();
}

void GroupCommit::fail_all(Batches& done) {
    const Error& cause = *writer_->error();
    failure_ = Error(
        Errc::failed,
        fmt::format("the store stopped after a failed log write; reopen it: {}", cause.message()),
        cause.system_error());
    const Error unknown(Errc::unknown_outcome,
                        fmt::format("the log write failed; reopening decides whether the "
                                    "transaction is there: {}",
                                    cause.message()),
                        cause.system_error());
    for (auto* batches : {&in_flight_, &queue_}) {
        for (auto& batch : *batches) {
            batch->error = unknown;
            done.push_back(std::move(batch));
        }
        batches->clear();
    }
    pending_bytes_ = 0;
    watermarks_.wake();
}

Error GroupCommit::after_failure(const Result<Receipt>& answer, const Error& unknown) {
    if (answer) return unknown;
    return Error(
        Errc::failed,
        fmt::format("nothing was written, and the store has stopped: {}", unknown.message()),
        unknown.system_error());
}

void GroupCommit::wake(const Batches& done) {
    for (const auto& batch : done) {
        batch->state.store(CommitBatch::done, std::memory_order_release);
        io::futex_wake(batch->state);
        for (CommitBatch::Callback& callback : batch->callbacks)
            callback.call(batch->error ? after_failure(callback.result, *batch->error)
                                       : std::move(callback.result));
    }
}

bool GroupCommit::advance(io::Queue& queue, bool block) {
    const bool moved = writer_->step(queue, block);
    Batches done;
    {
        const std::scoped_lock lock(mutex);
        if (const auto left = writer_->take_left()) left_.push_back(*left);
        finish_written(done);
        if (writer_->error() && !failure_) fail_all(done);
    }
    wake(done);
    return moved || !done.empty();
}

bool GroupCommit::is_unsettled() const {
    return writer_->in_flight() != 0 || (!writer_->error() && !writer_->ready());
}

void GroupCommit::settle(io::Queue& queue) {
    do {
        advance(queue, true);
    } while (is_unsettled());
}

void GroupCommit::stop_leading() {
    const std::scoped_lock lock(mutex);
    leading_ = false;
    if (queue_.empty()) return;
    // Who waits for a later batch leads the earlier ones as well.
    CommitBatch* next = first_waited_for();
    if (next == nullptr) return log_thread_.raise();
    next->state.store(CommitBatch::lead, std::memory_order_release);
    io::futex_wake(next->state, 1);
}

void GroupCommit::lead_one() {
    while (take_next(*blocking_queue_, false) && writer_->submitted_batches() == batches_)
        settle(*blocking_queue_);  // that was a roll; the batch comes next
    settle(*blocking_queue_);
    stop_leading();
}

Result<void> GroupCommit::wait(CommitBatch& batch) {
    while (batch.state.load(std::memory_order_acquire) != CommitBatch::done) {
        std::unique_lock lock(mutex);
        if (batch.state.load(std::memory_order_acquire) == CommitBatch::done) break;
        if (!leading_) {
            leading_ = true;
            lock.unlock();
            lead_one();
            continue;
        }
        // Somebody leads. A call to lead that came too late must not keep this thread awake.
        std::uint32_t called = CommitBatch::lead;
        batch.state.compare_exchange_strong(called, CommitBatch::waiting);
        lock.unlock();
        if (drive_)
            drive_();
        else
            io::futex_wait(batch.state, CommitBatch::waiting);
    }
    if (batch.error) return *batch.error;
    return {};
}

bool GroupCommit::lead_due(io::Queue& queue, std::uint64_t now_ns) {
    {
        const std::scoped_lock lock(mutex);
        if (leading_ || failure_ || !is_due(now_ns)) return false;
        leading_ = true;
    }
    for (bool more = true; more;) {
        while (take_next(queue, true)) {
        }
        advance(queue, true);
        const std::scoped_lock lock(mutex);
        more = is_unsettled() || (!writer_->error() && is_due(now_ns));
    }
    stop_leading();
    return true;
}

bool GroupCommit::step(io::Queue& queue) {
    {
        const std::scoped_lock lock(mutex);
        leading_ = true;
    }
    bool moved = take_next(queue, false);
    moved = advance(queue, false) || moved;
    const std::scoped_lock lock(mutex);
    leading_ = is_unsettled();
    return moved;
}

void GroupCommit::seal() {
    if (is_planted(PlantedFault::seal_left_out)) return;
    {
        const std::scoped_lock lock(mutex);
        if (leading_ || failure_ || !queue_.empty() || !wants_seal_ ||
            assigned_room_ < io::block_bytes)
            return;
        assigned_room_ -= io::block_bytes;
        leading_ = true;
    }
    writer_->submit_seal(*blocking_queue_);
    settle(*blocking_queue_);
    stop_leading();
}

void GroupCommit::tell_left_files() {
    std::vector<wal::LogWriter::Left> left;
    {
        const std::scoped_lock lock(mutex);
        left.swap(left_);
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
    auto taken = files_.take(capacity);
    if (!taken) return taken.error();
    const std::scoped_lock lock(mutex);
    ready_.push_back(std::move(*taken));
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

void GroupCommit::count(Metrics& metrics) {
    const std::scoped_lock lock(mutex);
    metrics.batches = batches_;
    metrics.log_bytes_written = log_bytes_written_;
    metrics.log_flushes = log_flushes_;
}

void GroupCommit::count(StoreStat& stat) {
    const std::scoped_lock lock(files_mutex_);
    stat.log_bytes = files_.total_bytes();
    stat.log_files = files_.count();
}

}  // namespace braid
