#pragma once

#include <atomic>
#include <braid/result.hpp>
#include <braid/status.hpp>
#include <braid/transaction.hpp>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/signal.h"
#include "engine/watermarks.h"
#include "io/disk.h"
#include "wal/log_writer.h"

namespace braid {

/// What is logged in one go: transactions that were sequenced one after another.
struct CommitBatch {
    wal::BatchBody body;
    io::AlignedBuffer memory;  ///< that the body will be encoded in
    Position last_position;
    std::uint64_t file = 0;                   ///< ordinal of the log file that it goes to
    std::uint64_t due_ns = ~std::uint64_t{};  ///< when the log thread is to see to it
    std::uint32_t waiters = 0;                ///< blocking committers
    std::uint64_t transactions = 0;
    std::uint64_t opened_ns = 0;
    std::uint64_t submitted_ns = 0;  ///< its write, to the log
    struct Callback {
        CommitCallback call;
        Result<Receipt> result;  ///< if the batch becomes durable
    };
    std::vector<Callback> callbacks;
    std::optional<Error> error;  ///< written before `state` is done

    enum State : std::uint32_t { waiting, lead, done };
    std::atomic<std::uint32_t> state{waiting};  // futex word of the blocking committers
};

/// Shares one flush among all who wait for one. Leading is a role that one thread at a time has: a
/// blocking committer who finds nobody leading writes its batch with the blocking queue, and hands
/// the role to a waiter of the next batch when it is done; the log thread leads where only
/// asynchronous or buffered commits wait, and everywhere with `CommitPath::ring`. Owns no thread.
///
/// The sequencer's lock is this object's `mutex`: joining a batch is part of being sequenced.
///
/// From there on nothing asks for memory until those who wait are told: a batch brings what writing
/// it needs, and goes from list to list.
class GroupCommit {
public:
    /// `log_thread` is raised when only that thread can see to what is pending. `drive`, where
    /// there are no threads, moves the writes that somebody else's queue has in flight.
    GroupCommit(io::Disk& disk, CommitPath path, wal::LogFiles files,
                std::unique_ptr<wal::LogWriter> writer, std::uint64_t capacity,
                Watermarks& watermarks, Signal& log_thread, std::function<void()> drive);

    std::mutex mutex;  ///< of the sequencer and of everything marked (L) here

    /// (L) Whether the log has space in hand for a transaction of so many bytes.
    [[nodiscard]] bool admits(std::uint64_t item_bytes) const;
    /// (L) The batch that a transaction of so many bytes, which `admits` let pass, will be in, with
    /// memory for it and one more callback. May throw std::bad_alloc, and has then changed nothing
    /// that counts.
    [[nodiscard]] CommitBatch& open_batch(std::uint64_t item_bytes);
    /// (L) Adds the transaction, sequenced since, to that batch. `due_ns`: when the log thread must
    /// have begun to write it, if nobody else has.
    void join(CommitBatch& batch, Bytes items, Position last_position,
              TransactionNumber transaction, std::uint64_t due_ns) noexcept;
    /// (L) The batch that was joined last, if it isn't durable yet.
    [[nodiscard]] std::shared_ptr<CommitBatch> newest() const;
    /// (L) The first batch that isn't durable yet, or nullptr.
    [[nodiscard]] std::shared_ptr<CommitBatch> oldest() const;
    /// (L) Whether somebody leads, who will see to what is due, or raise the log thread for it.
    [[nodiscard]] bool is_led() const noexcept { return leading_; }
    /// (L) Set by a failed log write: nothing is accepted any more.
    [[nodiscard]] const std::optional<Error>& failure() const noexcept { return failure_; }
    /// (L) Makes the batch due by then, and with it those before it. Who leads sees to it; where
    /// nobody does the log thread is to be raised.
    void hasten(CommitBatch& batch, std::uint64_t due_ns) noexcept;
    /// What is told to one who waited for a batch that failed: nothing is unknown to a refused one.
    [[nodiscard]] static Error after_failure(const Result<Receipt>& answer,
                                             const Error& unknown) noexcept;
    /// Whether this thread is in a callback: it may be the one that leads, and must not wait.
    [[nodiscard]] static bool is_calling_back() noexcept;
    /// (L) Makes sure that the batch can take one more callback. May throw std::bad_alloc.
    static void reserve_callback(CommitBatch& batch);
    /// (L) Bytes sequenced and not handed to the log yet.
    [[nodiscard]] std::uint64_t pending_bytes() const noexcept { return pending_bytes_; }
    /// What the log thread plans its sleep by.
    struct Pulse {
        std::uint64_t batches = 0;  ///< durable so far
        /// Of the first batch in the queue, if there is one, and nobody who will see to it.
        std::optional<std::uint64_t> next_due;
        bool wants_seal = false;  ///< the last batch isn't attested
        bool busy = false;        ///< something is pending or being written
    };
    [[nodiscard]] Pulse pulse();

    /// (L) Counts a blocking committer of the batch, who then must `wait`: as its leader, if this
    /// is true.
    [[nodiscard]] bool add_waiter(CommitBatch& batch) noexcept;
    /// Waits until the batch is done, leading when it is this thread's turn. Blocks. False if the
    /// batch failed: its `error` says why.
    [[nodiscard]] bool wait(CommitBatch& batch, bool leads);
    /// The log thread's turn: writes batches through its queue until none is due at `now_ns` and
    /// nothing is in flight, unless somebody else leads. False if there was nothing to do. May
    /// throw std::bad_alloc, and has then changed nothing.
    bool lead_due(io::Queue& queue, std::uint64_t now_ns);
    /// One small move of the log thread, for a simulation: submits what is pending, takes what has
    /// completed; never blocks. False if there was nothing to do.
    bool step(io::Queue& queue);
    /// The log thread is gone: from now on who waits leads, whatever the path.
    void forget_log_thread();
    /// Seals the log if its last batch isn't attested, unless somebody else leads. Blocks.
    void seal();

    /// (L) What isn't written yet goes into so many log files that the next one should wait.
    [[nodiscard]] bool is_far_ahead() const noexcept;
    /// Makes the next log file ready, with room for a transaction of so many bytes. Blocks.
    /// `no_space` where only a drain, or a larger disk, would help.
    [[nodiscard]] Result<void> prepare(std::uint64_t item_bytes);
    /// The same for the log thread, in small steps: as much of it as the use of this file asks for.
    /// False if that is done. Blocks for one write, and in the last step for a sync. Without memory
    /// it is an error, so that whoever calls goes on to write what is due.
    [[nodiscard]] Result<bool> prepare_some() noexcept;
    /// A drain chooses its cut now: it is going to take over what is written so far.
    void drain_begins();
    /// What the catalog holds since that drain: log files are free.
    void drained(TransactionNumber transaction);
    /// The store is being closed: from now on `prepare` is refused with `closed`. Waits for one
    /// that is under way. Blocks.
    void stop_preparing();
    /// At close, when all is drained: goes over to a small file and removes the others. Blocks.
    [[nodiscard]] Result<void> shrink();

    void count(Metrics& metrics);
    void count(StoreStat& stat);
    /// Whether a further log file could not be had without a drain, or much of the log holds what
    /// isn't drained.
    [[nodiscard]] bool wants_drain();

private:
    /// The first batch in the queue that somebody waits for who can lead.
    [[nodiscard]] std::shared_ptr<CommitBatch> first_to_lead() const;
    void tell_left_files();
    void put_back_ready();
    [[nodiscard]] std::uint64_t capacity_for(std::uint64_t item_bytes);
    /// Whether so much is written and not drained that a drain is wanted, or hasn't kept pace.
    [[nodiscard]] bool is_behind();
    /// (L) What of a next file of that capacity should be filled by now.
    [[nodiscard]] std::uint64_t filled_by_now(std::uint64_t capacity) const noexcept;
    void take_room(std::uint64_t bytes) noexcept;
    [[nodiscard]] std::list<wal::LogFiles::Taken> place_for_file();
    void make_ready(std::list<wal::LogFiles::Taken> place, wal::LogFiles::Taken taken) noexcept;
    [[nodiscard]] static std::uint64_t usable(std::uint64_t capacity) noexcept;
    /// The file after the assigned one, if it is ready.
    [[nodiscard]] const wal::LogFiles::Taken* unassigned() const;
    /// Whether the open batch has room for so many bytes.
    [[nodiscard]] bool extends_batch(std::uint64_t item_bytes) const;
    [[nodiscard]] CommitBatch& begin_batch(std::uint64_t item_bytes, bool next_file);
    /// What they take of the assigned file.
    [[nodiscard]] std::uint64_t log_cost(std::uint64_t item_bytes) const;
    using Batches = std::list<std::shared_ptr<CommitBatch>>;

    /// Hands the next batch, or the roll that must come before it, to the writer. `only_full`:
    /// beside another one in flight only a full one.
    bool take_next(io::Queue& queue, bool only_full);
    /// Takes what the writer has finished and tells those who wait. False if nothing happened.
    bool advance(io::Queue& queue, bool block);
    /// Until nothing is in flight.
    void settle(io::Queue& queue);
    /// (L) What is over, for better or worse.
    void collect(Batches& done, std::uint64_t now_ns);
    /// Whether the leader has to stay: a write is under way, or, unless all is lost, a roll.
    [[nodiscard]] bool is_unsettled() const;
    void finish_written(Batches& done, std::uint64_t now_ns);
    void record(const CommitBatch& batch, std::uint64_t now_ns) noexcept;
    void fail_all(Batches& done) noexcept;
    /// Tells those who wait for what is over, and calls the next leader, if there is one.
    /// `own`: the batch of the calling thread, which needn't be woken. `early`: so many are woken
    /// before the next leader.
    static void wake(const Batches& done, const CommitBatch* own, const CommitBatch* next,
                     std::uint64_t early);
    void keep_spare_memory() noexcept;
    void await_company();
    /// (L) Those who wait in batches that aren't handed to the log.
    [[nodiscard]] std::uint64_t queued_waiters() const noexcept;
    void lead_one(const CommitBatch& own);
    /// (L) Gives the role up, or to a waiter of the batch that is returned, who is to be called.
    [[nodiscard]] std::shared_ptr<CommitBatch> hand_over() noexcept;
    void stop_leading();
    [[nodiscard]] std::optional<std::uint64_t> next_due() const;
    [[nodiscard]] bool is_due(std::uint64_t now_ns) const;

    io::Disk& disk_;
    Watermarks& watermarks_;
    Signal& log_thread_;
    std::function<void()> drive_;

    // Of files_; taken before `mutex`, never while holding it. Held while a file is made, so a
    // leader never takes it.
    std::mutex files_mutex_;
    wal::LogFiles files_;
    std::uint64_t drained_ = 0;      // last transaction in the catalog; under files_mutex_
    bool prepares_no_more_ = false;  // likewise

    // The leader's alone, under the role.
    std::unique_ptr<wal::LogWriter> writer_;
    std::unique_ptr<io::Queue> blocking_queue_;
    std::uint64_t writer_capacity_ = 0;  // of the file being written
    std::uint64_t last_flush_ns_ = 0;    // of the last batch that a committer wrote: how long,
    std::uint64_t last_flushed_ns_ = 0;  // until when,
    std::uint64_t awaited_ = 0;          // how many are to wait for the next one,
    std::uint64_t patience_ns_ = 0;      // and how long after the last one they may take

    // Under `mutex`.
    std::vector<wal::LogWriter::Left> left_;  // files rolled over, files_ not told yet; has room
                                              // for one more a file in ready_
    std::vector<io::AlignedBuffer> spare_memory_;  // for batches to come
    CommitPath path_;
    bool leading_ = false;
    Batches queue_;                          // not handed to the log
    Batches in_flight_;                      // handed to the log
    std::list<wal::LogFiles::Taken> ready_;  // files after the writer's
    std::uint64_t writer_file_ = 0;          // ordinal of the file being written
    std::uint64_t assigned_file_ = 0;        // ordinal of the file that new transactions go to
    std::uint64_t assigned_capacity_ = 0;
    std::uint64_t assigned_room_ = 0;  // bytes left in it beside all batches that it will hold
    std::uint64_t pending_bytes_ = 0;
    std::uint64_t batches_ = 0;
    std::uint64_t log_bytes_written_ = 0;
    std::uint64_t log_bytes_draining_ = 0;  // of those, what the drain under way takes over,
    std::uint64_t log_bytes_drained_ = 0;   // and the last one has taken over
    std::uint64_t log_flushes_ = 0;
    Histogram batch_bytes_;
    Histogram batch_transactions_;
    Histogram flush_times_ns_;
    Histogram batch_waits_ns_;
    bool wants_seal_ = false;  // as the writer said when it was last looked at
    std::optional<Error> failure_;
};

}  // namespace braid
