#pragma once

#include <atomic>
#include <braid/options.hpp>
#include <braid/reader.hpp>
#include <braid/status.hpp>
#include <braid/transaction.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/body_files.h"
#include "engine/drain.h"
#include "engine/group_commit.h"
#include "engine/notifier.h"
#include "engine/pace.h"
#include "engine/reader_body.h"
#include "engine/rewrite.h"
#include "engine/segment_table.h"
#include "engine/sequencer.h"
#include "engine/signal.h"
#include "engine/storage.h"
#include "engine/watermarks.h"
#include "io/disk.h"

namespace braid {

class EngineThreads;

/// A store at work: the parts in one place, and the ways through them. The public classes are thin
/// handles on it.
///
/// Locks, in the order in which they are taken: the drain's role (`drain_mutex_`), GroupCommit's
/// files, GroupCommit::mutex (the sequencer), Storage::publish, the segment table's, the arena's.
class Engine : public std::enable_shared_from_this<Engine> {
public:
    enum class Threads : std::uint8_t {
        run,   ///< a log thread and a drain thread
        none,  ///< none: the caller steps, or commits and drains by itself (simulation)
    };

    [[nodiscard]] static Result<std::shared_ptr<Engine>> open(std::shared_ptr<io::Disk> disk,
                                                              const Options& options,
                                                              Threads threads);
    ~Engine();
    /// With `read_only`: the store as it is now.
    [[nodiscard]] Result<std::shared_ptr<Engine>> reopened() const;

    Result<void> close();
    [[nodiscard]] bool is_closed() const noexcept {
        return closed_.load(std::memory_order_acquire);
    }

    [[nodiscard]] const Options& options() const noexcept { return options_; }
    [[nodiscard]] BodyBuffers& body_buffers() const noexcept { return body_buffers_; }
    [[nodiscard]] Watermarks& watermarks() const noexcept { return watermarks_; }
    [[nodiscard]] Notifier& notifier() const noexcept { return *notifier_; }
    [[nodiscard]] std::uint64_t monotonic_ns() const { return disk_->monotonic_ns(); }

    [[nodiscard]] Result<Receipt> commit(TransactionBody& body, Durability durability);
    void commit_async(TransactionBody& body, CommitCallback callback, Durability durability);
    /// The same, but false, with nothing done, where it would have to wait for room.
    [[nodiscard]] bool try_commit_async(TransactionBody& body, CommitCallback callback,
                                        Durability durability);
    [[nodiscard]] Result<void> sync();
    [[nodiscard]] Result<void> drain();
    [[nodiscard]] Result<void> gather();
    [[nodiscard]] Result<void> trim(std::string_view space, std::string_view segment,
                                    Sequence through, const TrimOptions& options = {});

    [[nodiscard]] ReadParts parts() const noexcept {
        return {*storage_, *arena_, *table_, store_seed_};
    }
    [[nodiscard]] std::unique_ptr<ReaderBody> read_segment(std::string_view space,
                                                           std::string_view segment,
                                                           const EntryBounds& bounds) const;
    /// `spaces`: nullopt for the whole store.
    [[nodiscard]] std::unique_ptr<ReaderBody> read_spaces(
        std::optional<std::vector<SpaceCursor>> spaces, const EntryBounds& bounds,
        std::vector<std::string> only_segments = {}) const;
    [[nodiscard]] Result<std::optional<KeptEntry>> peek(std::string_view space,
                                                        std::string_view segment,
                                                        Level level) const;
    [[nodiscard]] Result<SegmentStatus> status(std::string_view space,
                                               std::string_view segment) const;
    /// Of a segment whose newest entry is this one; nullptr: nothing of it is left.
    [[nodiscard]] Result<SegmentStatus> status_of(const SegmentState& segment,
                                                  const Entry* last) const;
    [[nodiscard]] std::optional<Consumer> consumer(std::string_view name, Level level) const;
    [[nodiscard]] std::vector<std::string> consumer_names(std::string after,
                                                          std::uint64_t limit) const;
    [[nodiscard]] Result<Lease> acquire_lease(std::string_view key, std::string_view holder,
                                              std::chrono::nanoseconds ttl);
    [[nodiscard]] Result<void> renew_lease(std::string_view key, LeaseToken token);
    [[nodiscard]] std::optional<Lease> lease(std::string_view key, Level level) const;
    [[nodiscard]] std::vector<Lease> leases(std::string after, std::uint64_t limit) const;
    [[nodiscard]] std::optional<index::NotedTransaction> noted(const TransactionId& id) const;
    [[nodiscard]] Result<std::uint64_t> lag(const Source& source, Position cursor) const;
    /// False for the first entries of a segment, true for all beyond.
    using EntryTest = std::function<bool(const Entry&)>;
    /// The first sequence for which it is true; one beyond the last if there is none. `status` is
    /// the segment's.
    [[nodiscard]] Result<Sequence> first_sequence_where(const SegmentState& segment,
                                                        const SegmentStatus& status,
                                                        const EntryTest& is_beyond) const;
    /// The same of a choice of spaces up to `end`: a position before which it is false, and from
    /// which on it is true.
    [[nodiscard]] Result<Position> first_position_where(const SpaceSource::Choice& choice,
                                                        Position end,
                                                        const EntryTest& is_beyond) const;
    /// The end of the last transaction that lies at or before the position; of what is trimmed
    /// nobody knows.
    [[nodiscard]] Result<Position> transaction_end(Position position) const;
    [[nodiscard]] const segment::Pinned& pinned() const noexcept { return *pinned_; }
    [[nodiscard]] const SegmentTable& table() const noexcept { return *table_; }
    /// Of a store that is open read-only, where what is stored isn't what it was: looks what a
    /// writer has gathered and trimmed since. False if that is nothing, or can't be read.
    [[nodiscard]] bool look_again() const;
    [[nodiscard]] Result<VerifyReport> verify() const;
    /// What of packs and segments' own files can be made again from the frames, and should be.
    [[nodiscard]] Result<std::vector<Rewrite>> plan_rewrites() const {
        return braid::plan_rewrites(*disk_, uuid_, *storage_, *table_);
    }
    [[nodiscard]] StoreStat stat() const;
    [[nodiscard]] Metrics metrics() const;

    // One turn each of the log's and the drain's work, never waiting, for simulations: with threads
    // none. False if there was nothing to do. Where nothing is to be drained, packs are gathered.
    bool step_log(io::Queue& queue);
    [[nodiscard]] Result<bool> step_drain(io::Queue& queue);
    /// Whether it is time for the drain's thread to begin one.
    [[nodiscard]] bool wants_drain() const;

private:
    friend class EngineThreads;
    friend class Opening;

    Engine(std::shared_ptr<io::Disk> disk, const Options& options);

    /// What became of a transaction: refused or sequenced; `batch` is what its answer waits for.
    struct Submitted {
        Result<Receipt> result;
        std::shared_ptr<CommitBatch> batch;
        bool leads = false;              ///< the waiting thread is to write it
        bool no_room = false;            ///< nothing became of it, and nobody waited
        std::size_t buffered_bytes = 0;  ///< in memory, and nobody waits for anything
        bool log_is_behind = false;      ///< whoever commits buffered should wait for it
    };
    /// What to do where memory and log have no room for a transaction.
    enum class NoRoom : std::uint8_t { wait, give_up };
    /// Without a callback a thread is going to wait; a callback is moved from if a batch takes it.
    [[nodiscard]] Submitted submit(TransactionBody& body, Durability durability,
                                   CommitCallback* callback, NoRoom no_room);
    [[nodiscard]] Submitted answer_after_cause(Result<Receipt> answer, Durability durability,
                                               CommitCallback* callback);
    /// The answer to a transaction whose id is known.
    [[nodiscard]] Submitted repeat(index::NotedTransaction known, const TransactionBody& body,
                                   Durability durability, CommitCallback* callback,
                                   std::unique_lock<std::mutex>& lock);
    [[nodiscard]] Result<Receipt> receipt_of(const index::NotedTransaction& known) const;
    [[nodiscard]] bool read_receipt_in_memory(Receipt& receipt) const;
    [[nodiscard]] Result<void> read_stored_receipt(Receipt& receipt) const;
    [[nodiscard]] Submitted await(std::shared_ptr<CommitBatch> batch, Result<Receipt> answer,
                                  CommitCallback* callback);
    [[nodiscard]] Result<bool> step_drain(io::Queue& queue, bool block);
    [[nodiscard]] Result<void> finish_work();
    /// Why a segment isn't to be trimmed through that position: who has yet to read what is there.
    [[nodiscard]] std::optional<Error> held_back(const Source& segment, Position position) const;
    void note_durable() noexcept;
    [[nodiscard]] std::optional<Error> refusal() const;
    [[nodiscard]] bool fits(const Sequencer::Need& need) const;
    [[nodiscard]] Result<void> make_room(const Sequencer::Need& need);
    [[nodiscard]] std::uint64_t drains_so_far() const;
    [[nodiscard]] std::uint64_t due_of(const CommitBatch& batch, bool buffered,
                                       bool has_callback) const;
    void keep_pace(const Submitted& buffered);
    [[nodiscard]] bool is_log_behind() const;
    std::shared_ptr<CommitBatch> wait_for_log();
    void catch_up();
    void wake_threads(const CommitBatch& batch, std::size_t item_bytes, std::uint64_t due_ns);
    [[nodiscard]] bool tails_want_drain() const noexcept;
    /// Of what a NamedTable holds.
    template <class Table>
    [[nodiscard]] std::vector<std::string> names_of(const Table& table, std::string after,
                                                    std::uint64_t limit) const;
    /// Of the sequencer; nobody's where there is none.
    [[nodiscard]] std::unique_lock<std::mutex> lock_sequencer() const;
    [[nodiscard]] Result<VerifyReport> verify_now() const;
    [[nodiscard]] Result<std::uint64_t> lag_now(const Source& source, Position cursor) const;
    [[nodiscard]] Result<std::uint64_t> count_readable(const Source& source, Position cursor) const;
    /// Entries of a space beyond the cursor, where nothing of it is trimmed.
    [[nodiscard]] Result<std::uint64_t> lag_in_space(const SpaceState& space, Position cursor,
                                                     Position end) const;
    [[nodiscard]] Result<std::uint64_t> lag_in_segment(const Source& source, Position cursor) const;
    /// Waits for whoever has it. `closed` once the store is.
    [[nodiscard]] Result<std::unique_lock<std::mutex>> take_drain_role();
    /// Drains until nothing durable is left in memory. Waits for a drain that is under way.
    [[nodiscard]] Result<void> drain_all(io::Queue& queue);
    /// The same for who has the drain's role.
    [[nodiscard]] Result<void> drain_rest(io::Queue& queue);
    /// One drain of what is durable now. False if there was nothing.
    [[nodiscard]] Result<bool> drain_once(io::Queue& queue);
    /// A step of gathering packs, for who has the drain's role. False if there is nothing to do.
    [[nodiscard]] Result<bool> step_gather(io::Queue& queue, bool block, Gather::Choice choice);
    /// The same for whoever gets the drain's role; a drain that is due comes first.
    [[nodiscard]] Result<bool> gather_some(io::Queue& queue, Gather::Choice choice);
    /// If the option asks for the file.
    void write_metrics(bool closed) const noexcept;

    // Of an opening.
    [[nodiscard]] wal::LogSizes log_sizes() const;
    void identify(const Uuid& store);
    void forget_all();
    /// The store's files that it knows nothing of, among those of a listing.
    [[nodiscard]] std::vector<std::string> unknown_files(
        const std::vector<io::DirectoryEntry>& files) const;
    void begin_commits(wal::LogFiles files, std::unique_ptr<wal::LogWriter> writer,
                       std::uint64_t capacity, Threads threads);
    void drive_simulated_log();

    const Options options_;
    std::shared_ptr<io::Disk> disk_;
    const std::shared_ptr<segment::Pinned> pinned_;
    std::unique_ptr<io::Lock> lock_;
    Uuid uuid_{};
    std::uint64_t store_seed_ = 0;
    StoreStat recovery_;  // what the opening found

    Watermarks mutable watermarks_;
    std::optional<SegmentTable> mutable table_;
    std::optional<ConsumerTable> mutable consumers_;
    std::optional<LeaseTable> mutable leases_;
    std::optional<TransactionIds> mutable ids_;
    std::optional<segment::Arena> mutable arena_;
    std::optional<Storage> mutable storage_;
    std::mutex mutable look_again_mutex_;    // of what follows
    std::uint64_t mutable next_record_ = 0;  // behind what was read of the catalog
    Pace pace_{options_.tail_bytes_max};
    std::atomic<std::uint64_t> slowed_ns_{0};
    std::optional<Sequencer> sequencer_;
    std::optional<Notifier> mutable notifier_;
    Signal log_signal_;
    Signal drain_signal_;
    BodyBuffers mutable body_buffers_;
    std::unique_ptr<BodyFiles> bodies_;   // none if read-only
    std::unique_ptr<GroupCommit> group_;  // likewise

    std::mutex mutable drain_mutex_;                   // the drain's role
    std::atomic<std::uint32_t> drain_role_wanted_{0};  // by so many who wait for it
    std::unique_ptr<Drain> drain_;
    std::unique_ptr<Gather> gather_;
    std::uint64_t drain_begun_ns_ = 0;            // by the monotonic clock
    std::unique_ptr<io::Queue> drain_queue_;      // blocking, for callers that drain
    io::Queue* simulated_log_queue_ = nullptr;    // that step_log was last called with
    io::Queue* simulated_drain_queue_ = nullptr;  // likewise step_drain

    std::uint64_t commits_ = 0;         // under the sequencer's lock
    std::uint64_t records_ = 0;         // likewise
    std::uint64_t conflicts_ = 0;       // likewise
    std::uint64_t drains_ = 0;          // likewise
    std::uint64_t drained_bytes_ = 0;   // likewise
    std::uint64_t stored_bytes_ = 0;    // likewise
    std::uint64_t gatherings_ = 0;      // likewise
    std::uint64_t gathered_bytes_ = 0;  // likewise
    bool closing_ = false;              // likewise
    std::atomic<bool> closed_{false};
    bool has_threads_ = false;  // written once
    std::atomic<std::uint64_t> drained_position_{0};
    std::atomic<bool> log_thread_idle_{false};  // sleeps until a commit wakes it
    std::unique_ptr<EngineThreads> threads_;
};

}  // namespace braid
