#include "engine/group_commit.h"

#include <fmt/format.h>
#include <algorithm>
#include <limits>
#include <thread>

#include "io/planted.h"

namespace braid {
namespace {

thread_local bool calling_back = false;

/// A batch that has this much is full: it takes no more transactions, and may go out beside
/// another.
constexpr std::uint64_t full_batch_bytes = 256 << 10;
/// To wake a thread that commits again.
constexpr std::uint64_t wake_ns = 5'000;
/// However long the last flush took.
constexpr std::uint64_t patience_ns_max = 1'000'000;
/// Buffered commits are flushed early when so much waits.
constexpr std::uint64_t pending_bytes_max = 1 << 20;

}  // namespace

GroupCommit::GroupCommit(io::Disk& disk, CommitPath path, wal::LogFiles files,
                         std::unique_ptr<wal::LogWriter> writer, std::uint64_t capacity,
                         Watermarks& watermarks, Signal& log_thread, std::function<void()> drive)
    : disk_(disk),
      watermarks_(watermarks),
      log_thread_(log_thread),
      drive_(std::move(drive)),
      files_(std::move(files)),
      writer_(std::move(writer)),
      blocking_queue_(io::make_blocking_queue()),
      writer_capacity_(capacity),
      path_(path),
      assigned_capacity_(capacity),
      assigned_room_(writer_->room()) {
    blocking_queue_->reserve(writer_->requests_max());
    spare_memory_.reserve(2);
    left_.reserve(1);
}

bool GroupCommit::extends_batch(std::uint64_t item_bytes) const {
    return !queue_.empty() && queue_.back()->file == assigned_file_ &&
           queue_.back()->body.bytes != 0 &&
           queue_.back()->body.bytes + item_bytes <= full_batch_bytes;
}

std::uint64_t GroupCommit::log_cost(std::uint64_t item_bytes) const {
    if (!extends_batch(item_bytes)) return wal::batch_bytes(item_bytes);
    const std::uint64_t bytes = queue_.back()->body.bytes;
    return wal::batch_bytes(bytes + item_bytes) - wal::batch_bytes(bytes);
}

bool GroupCommit::admits(std::uint64_t item_bytes) const {
    if (log_cost(item_bytes) <= assigned_room_) return true;
    const wal::LogFiles::Taken* next = unassigned();
    return next != nullptr && wal::batch_bytes(item_bytes) <= usable(next->capacity);
}

namespace {

/// Room for one more, without moving all for each one.
template <class T>
void reserve_one(std::vector<T>& list) {
    if (list.size() == list.capacity()) list.reserve(2 * list.size() + 1);
}

/// Memory to encode so many bytes of items in; grows by doubling.
void reserve_memory(CommitBatch& batch, std::uint64_t item_bytes) {
    const std::uint64_t needed = wal::batch_bytes(item_bytes);
    if (needed <= batch.memory.capacity()) return;
    io::AlignedBuffer memory(std::max(needed, 2 * batch.memory.capacity()));
    batch.memory = std::move(memory);
}

}  // namespace

bool GroupCommit::is_calling_back() noexcept {
    return calling_back;
}

void GroupCommit::reserve_callback(CommitBatch& batch) {
    reserve_one(batch.callbacks);
}

CommitBatch& GroupCommit::open_batch(std::uint64_t item_bytes) {
    // One that was opened, and never joined since memory ran out, would bar the way.
    if (!queue_.empty() && queue_.back()->body.bytes == 0) queue_.pop_back();
    const bool next_file = log_cost(item_bytes) > assigned_room_;
    if (next_file || !extends_batch(item_bytes)) return begin_batch(item_bytes, next_file);
    CommitBatch& batch = *queue_.back();
    reserve_one(batch.body.pieces);
    reserve_one(batch.callbacks);
    reserve_memory(batch, batch.body.bytes + item_bytes);
    return batch;
}

CommitBatch& GroupCommit::begin_batch(std::uint64_t item_bytes, bool next_file) {
    auto batch = std::make_shared<CommitBatch>();
    batch->body.pieces.reserve(1);
    batch->callbacks.reserve(1);
    if (!spare_memory_.empty()) {
        batch->memory = std::move(spare_memory_.back());
        spare_memory_.pop_back();
    }
    reserve_memory(*batch, item_bytes);
    batch->opened_ns = disk_.monotonic_ns();
    queue_.push_back(std::move(batch));
    if (next_file) {
        assigned_capacity_ = unassigned()->capacity;
        assigned_room_ = usable(assigned_capacity_);
        ++assigned_file_;
    }
    queue_.back()->file = assigned_file_;
    return *queue_.back();
}

void GroupCommit::join(CommitBatch& batch, Bytes items, Position last_position,
                       TransactionNumber transaction, std::uint64_t due_ns) noexcept {
    take_room(log_cost(items.size()));
    std::vector<Bytes>& pieces = batch.body.pieces;
    if (!pieces.empty() && pieces.back().data() + pieces.back().size() == items.data())
        pieces.back() = {pieces.back().data(), pieces.back().size() + items.size()};
    else
        pieces.push_back(items);
    batch.body.bytes += items.size();
    batch.body.last_transaction = transaction.value;
    ++batch.transactions;
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

std::shared_ptr<CommitBatch> GroupCommit::first_to_lead() const {
    if (path_ == CommitPath::ring) return nullptr;
    for (const auto& batch : queue_)
        if (batch->waiters != 0) return batch;
    return nullptr;
}

std::shared_ptr<CommitBatch> GroupCommit::newest() const {
    // An empty one is left where memory ran out between opening it and joining it.
    if (!queue_.empty() && queue_.back()->body.bytes != 0) return queue_.back();
    if (queue_.size() > 1) return *std::prev(queue_.end(), 2);
    return in_flight_.empty() ? nullptr : in_flight_.back();
}

std::shared_ptr<CommitBatch> GroupCommit::oldest() const {
    if (!in_flight_.empty()) return in_flight_.front();
    return queue_.empty() || queue_.front()->body.bytes == 0 ? nullptr : queue_.front();
}

std::optional<std::uint64_t> GroupCommit::next_due() const {
    if (queue_.empty()) return std::nullopt;
    return pending_bytes_ >= pending_bytes_max ? 0 : queue_.front()->due_ns;
}

GroupCommit::Pulse GroupCommit::pulse() {
    const std::scoped_lock lock(mutex);
    const bool is_seen_to = leading_ || first_to_lead() != nullptr;
    return {batches_, is_seen_to ? std::nullopt : next_due(),
            wants_seal_ && !failure_ && assigned_room_ >= io::block_bytes,
            !queue_.empty() || !in_flight_.empty()};
}

bool GroupCommit::is_due(std::uint64_t now_ns) const {
    const auto due = next_due();
    return due && *due <= now_ns && first_to_lead() == nullptr;
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
    in_flight_.splice(in_flight_.end(), queue_, queue_.begin());
    pending_bytes_ -= batch->body.bytes;
    lock.unlock();
    batch->submitted_ns = disk_.monotonic_ns();
    writer_->submit(queue, batch->body, std::move(batch->memory));
    return true;
}

void GroupCommit::record(const CommitBatch& batch, std::uint64_t now_ns) noexcept {
    batch_bytes_.record(batch.body.bytes);
    batch_transactions_.record(batch.transactions);
    flush_times_ns_.record(now_ns - batch.submitted_ns);
    batch_waits_ns_.record(now_ns - batch.opened_ns);
}

void GroupCommit::finish_written(Batches& done, std::uint64_t now_ns) {
    // After a failure nobody is left to be told, whatever was still in flight.
    while (!failure_ && batches_ < writer_->durable_batches()) {
        ++batches_;
        done.splice(done.end(), in_flight_, in_flight_.begin());
        watermarks_.raise_durable(done.back()->last_position, done.back()->body.last_transaction);
        record(*done.back(), now_ns);
    }
    log_bytes_written_ = writer_->bytes_written();
    log_flushes_ = writer_->flushes();
    wants_seal_ = writer_->wants_seal();
}

namespace {

/// An error with a cause's sentence, or, where there is no memory for that, with a few words.
Error caused(Errc code, std::string_view what, const Error& cause) noexcept {
    try {
        return {code, fmt::format("{}: {}", what, cause.message()), cause.system_error()};
    } catch (const std::bad_alloc&) {
        return {code, "the log failed", cause.system_error()};
    }
}

}  // namespace

void GroupCommit::fail_all(Batches& done) noexcept {
    const Error& cause = *writer_->error();
    failure_ = caused(Errc::failed, "the store stopped after a failed log write; reopen it", cause);
    for (Batches* batches : {&in_flight_, &queue_}) {
        for (const auto& batch : *batches)
            batch->error = caused(
                Errc::unknown_outcome,
                "the log write failed; reopening decides whether the transaction is there", cause);
        done.splice(done.end(), *batches);
    }
    pending_bytes_ = 0;
    watermarks_.wake();
}

Error GroupCommit::after_failure(const Result<Receipt>& answer, const Error& unknown) noexcept {
    if (!answer)
        return caused(Errc::failed, "nothing was written, and the store has stopped", unknown);
    try {
        return unknown;
    } catch (const std::bad_alloc&) {
        return {unknown.code(), "the log failed", unknown.system_error()};
    }
}

/// Who is woken before the next leader will be in its batch; who is woken after, in the one behind
/// it. So as many come first as are back within half a flush: where a flush is slow, all share the
/// next one; where the processor is the limit, the next flush runs while the others are woken.
void GroupCommit::wake(const Batches& done, const CommitBatch* own, const CommitBatch* next,
                       std::uint64_t early) {
    for (const auto& batch : done) batch->state.store(CommitBatch::done, std::memory_order_release);
    const auto sleepers = [&](const CommitBatch& batch) {
        return batch.waiters - (&batch == own ? 1 : 0);
    };
    for (const auto& batch : done) {
        const auto count = std::min<std::uint64_t>(early, sleepers(*batch));
        if (count != 0) io::futex_wake(batch->state, static_cast<int>(count));
        early -= count;
    }
    if (next != nullptr) io::futex_wake(next->state, 1);
    for (const auto& batch : done) {
        if (sleepers(*batch) != 0) io::futex_wake(batch->state);
        const bool is_nested = std::exchange(calling_back, true);
        for (CommitBatch::Callback& callback : batch->callbacks)
            callback.call(batch->error ? after_failure(callback.result, *batch->error)
                                       : std::move(callback.result));
        calling_back = is_nested;
    }
}

void GroupCommit::collect(Batches& done, std::uint64_t now_ns) {
    if (const auto left = writer_->take_left()) left_.push_back(*left);
    finish_written(done, now_ns);
    if (writer_->error() && !failure_) fail_all(done);
    keep_spare_memory();
}

bool GroupCommit::advance(io::Queue& queue, bool block) {
    const bool moved = writer_->step(queue, block);
    const std::uint64_t now = disk_.monotonic_ns();
    Batches done;
    {
        const std::scoped_lock lock(mutex);
        collect(done, now);
    }
    wake(done, nullptr, nullptr, 0);
    return moved || !done.empty();
}

void GroupCommit::keep_spare_memory() noexcept {
    while (spare_memory_.size() < spare_memory_.capacity()) {
        io::AlignedBuffer memory = writer_->take_spare();
        if (memory.capacity() == 0) return;
        spare_memory_.push_back(std::move(memory));
    }
}

bool GroupCommit::is_unsettled() const {
    return writer_->in_flight() != 0 || (!writer_->error() && !writer_->ready());
}

void GroupCommit::settle(io::Queue& queue) {
    do {
        advance(queue, true);
    } while (is_unsettled());
}

std::shared_ptr<CommitBatch> GroupCommit::hand_over() noexcept {
    leading_ = false;
    if (queue_.empty()) return nullptr;
    // Who waits for a later batch leads the earlier ones as well.
    std::shared_ptr<CommitBatch> next = first_to_lead();
    if (next == nullptr) {
        log_thread_.raise();
        return nullptr;
    }
    leading_ = true;
    next->state.store(CommitBatch::lead, std::memory_order_release);
    return next;
}

void GroupCommit::stop_leading() {
    std::shared_ptr<CommitBatch> next;
    {
        const std::scoped_lock lock(mutex);
        next = hand_over();
    }
    wake({}, nullptr, next.get(), 0);
}

std::uint64_t GroupCommit::queued_waiters() const noexcept {
    std::uint64_t waiters = 0;
    for (const auto& batch : queue_) waiters += batch->waiters;
    return waiters;
}

/// Whoever shared the last flush may be about to commit again. The first one back would lead a
/// batch of its own, and all others wait for it to be flushed: so it lets those run first who were
/// woken before it, for a quarter to a half of what that flush took, and only right after it: twice
/// as long as they needed the last time, or half as long as it waited in vain. Where a second batch
/// was begun nobody can join the first any more.
void GroupCommit::await_company() {
    const std::uint64_t longest_ns = std::min(last_flush_ns_ / 2, patience_ns_max);
    patience_ns_ = std::clamp(patience_ns_, longest_ns / 2, longest_ns);
    for (bool has_waited = false;; has_waited = true) {
        const std::uint64_t since_ns = disk_.monotonic_ns() - last_flushed_ns_;
        bool all_here = false;
        {
            const std::scoped_lock lock(mutex);
            all_here = queue_.size() > 1 || queued_waiters() >= awaited_;
        }
        if (all_here || since_ns >= patience_ns_) {
            if (has_waited) patience_ns_ = all_here ? 2 * since_ns : patience_ns_ / 2;
            return;
        }
        std::this_thread::yield();
    }
}

void GroupCommit::lead_one(const CommitBatch& own) {
    if (awaited_ > 1) await_company();
    const std::uint64_t start = disk_.monotonic_ns();
    while (take_next(*blocking_queue_, false) && writer_->submitted_batches() == batches_)
        settle(*blocking_queue_);  // that was a roll; the batch comes next
    do {
        writer_->step(*blocking_queue_, true);
    } while (is_unsettled());
    const std::uint64_t end = disk_.monotonic_ns();
    const std::uint64_t flush_ns = end - start;
    Batches done;
    std::shared_ptr<CommitBatch> next;
    std::uint64_t early = 0;
    {
        const std::scoped_lock lock(mutex);
        collect(done, end);
        std::uint64_t waiters = 0;
        for (const auto& batch : done) waiters += batch->waiters;
        const bool is_followed = first_to_lead() != nullptr;
        early = is_followed ? flush_ns / 2 / wake_ns : 0;
        awaited_ = is_followed ? std::min(waiters, queued_waiters() + early) : waiters;
        last_flush_ns_ = flush_ns;
        last_flushed_ns_ = end;
        next = hand_over();  // from here on all that is the leader's is somebody else's
    }
    wake(done, &own, next.get(), early);
}

bool GroupCommit::add_waiter(CommitBatch& batch) noexcept {
    ++batch.waiters;
    if (path_ == CommitPath::ring) {
        hasten(batch, 0);
        if (!leading_) log_thread_.raise();
        return false;
    }
    return !std::exchange(leading_, true);
}

/// Whoever hands the role over to this batch marks it: one of its waiters takes the mark, and
/// leads.
bool GroupCommit::wait(CommitBatch& batch, bool leads) {
    for (;;) {
        if (leads) lead_one(batch);
        std::uint32_t state = CommitBatch::lead;
        leads = batch.state.compare_exchange_strong(state, CommitBatch::waiting,
                                                    std::memory_order_acquire);
        if (leads) continue;
        if (state == CommitBatch::done) return !batch.error;
        if (drive_)
            drive_();
        else
            io::futex_wait(batch.state, CommitBatch::waiting);
    }
}

bool GroupCommit::lead_due(io::Queue& queue, std::uint64_t now_ns) {
    queue.reserve(writer_->requests_max() - std::min(queue.in_flight(), writer_->requests_max()));
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
    queue.reserve(writer_->requests_max() - std::min(queue.in_flight(), writer_->requests_max()));
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

void GroupCommit::forget_log_thread() {
    std::shared_ptr<CommitBatch> next;
    {
        const std::scoped_lock lock(mutex);
        path_ = CommitPath::automatic;
        if (!leading_) next = hand_over();
    }
    wake({}, nullptr, next.get(), 0);
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

void GroupCommit::count(Metrics& metrics) {
    const std::scoped_lock lock(mutex);
    metrics.batches = batches_;
    metrics.log_bytes_written = log_bytes_written_;
    metrics.log_flushes = log_flushes_;
    metrics.batch_bytes = batch_bytes_;
    metrics.batch_transactions = batch_transactions_;
    metrics.flush_ns = flush_times_ns_;
    metrics.batch_wait_ns = batch_waits_ns_;
    metrics.pending_bytes = pending_bytes_;
}

}  // namespace braid
