#include "engine/engine.h"

#include <algorithm>
#include <limits>
#include <thread>

#include "engine/metrics_file.h"
#include "engine/opening.h"
#include "engine/option_limits.h"
#include "engine/store_files.h"
#include "engine/threads.h"
#include "io/planted.h"

namespace braid {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

}  // namespace

Engine::Engine(std::shared_ptr<io::Disk> disk, const Options& options)
    : options_(options),
      disk_(std::move(disk)),
      pinned_(std::make_shared<segment::Pinned>(options.tail_bytes_max)) {
    forget_all();
}

Engine::~Engine() {
    static_cast<void>(close());
}

Result<std::shared_ptr<Engine>> Engine::reopened() const {
    if (!options_.read_only)
        return Error(Errc::invalid_argument, "only a store that is open read-only is refreshed");
    return open(disk_, options_, Threads::none);
}

Result<std::shared_ptr<Engine>> Engine::open(std::shared_ptr<io::Disk> disk, const Options& options,
                                             Threads threads) {
    if (auto problem = options_problem(options)) return Error(Errc::invalid_argument, *problem);
    std::shared_ptr<Engine> engine(new Engine(std::move(disk), options));
    if (auto opened = Opening(*engine).run(threads); !opened) return opened.error();
    return engine;
}

void Engine::identify(const Uuid& store) {
    uuid_ = store;
    store_seed_ = segment::store_seed(store);
    sequencer_.emplace(*table_, *consumers_, *leases_, *ids_, *arena_, store_seed_);
    storage_->identify(store_seed_);
}

void Engine::forget_all() {
    recovery_ = {};
    table_.emplace();
    consumers_.emplace();
    leases_.emplace();
    ids_.emplace(options_.transaction_ids_max);
    // Several at least, or the first one would fill all of the memory.
    arena_.emplace(std::min(options_.arena_chunk_bytes, options_.tail_bytes_max / 4),
                   options_.tail_bytes_max, pinned_);
    notifier_.reset();
    storage_.emplace(*disk_, options_, pinned_);
    notifier_.emplace(watermarks_, *storage_);
}

wal::LogSizes Engine::log_sizes() const {
    wal::LogSizes sizes;
    sizes.file_bytes = options_.log_file_bytes;
    sizes.first_bytes = std::min(sizes.first_bytes, options_.log_file_bytes);
    sizes.total_bytes = options_.log_bytes_max;
    return sizes;
}

void Engine::begin_commits(wal::LogFiles files, std::unique_ptr<wal::LogWriter> writer,
                           std::uint64_t capacity, Threads threads) {
    std::function<void()> drive;
    has_threads_ = threads != Threads::none;
    if (!has_threads_) drive = [this] { drive_simulated_log(); };
    group_ = std::make_unique<GroupCommit>(*disk_, options_.commit_path, std::move(files),
                                           std::move(writer), capacity, watermarks_, log_signal_,
                                           std::move(drive));
}

void Engine::drive_simulated_log() {
    if (simulated_log_queue_ != nullptr) step_log(*simulated_log_queue_);
}

bool Engine::step_log(io::Queue& queue) {
    simulated_log_queue_ = &queue;
    try {
        static_cast<void>(group_->prepare_some());
        return group_->step(queue);
    } catch (const std::bad_alloc&) {
        return false;  // the next step tries again; whoever waits for this one has no use for it
    }
}

std::optional<Error> Engine::refusal() const {
    if (options_.read_only) return Error(Errc::invalid_argument, "the store is open read-only");
    if (closing_) return Error(Errc::closed, "the store is closed");
    return group_->failure();
}

bool Engine::fits(const Sequencer::Need& need) const {
    if (!group_->admits(need.item_bytes)) return false;
    const std::size_t growth = arena_->growth_for(need.item_bytes, need.frames);
    const std::size_t bytes = arena_->bytes();
    // One that is larger than the whole budget is let in alone.
    return growth == 0 || bytes == 0 || bytes + growth <= options_.tail_bytes_max;
}

/// Others may take what a drain has made free: then it is tried again, as long as they get on.
Result<void> Engine::make_room(const Sequencer::Need& need) {
    for (std::uint64_t drains = drains_so_far();;) {
        catch_up();
        auto prepared = group_->prepare(need.item_bytes);
        if (prepared) {
            const std::scoped_lock lock(group_->mutex);
            if (fits(need)) return {};
        } else if (prepared.error().code() != Errc::no_space) {
            return prepared;
        }
        // Memory and log files come back with a drain, which wants everything durable first.
        if (auto synced = sync(); !synced)
            return GroupCommit::after_failure(synced.error(), synced.error());
        if (auto drained = drain_all(*drain_queue_); !drained) return drained;
        const std::uint64_t before = std::exchange(drains, drains_so_far());
        if (drains == before) return group_->prepare(need.item_bytes);
    }
}

/// (L) Whether so much isn't written, or in so many files, that more of it would only mean a longer
/// stop once memory is full of it.
bool Engine::is_log_behind() const {
    constexpr std::uint64_t part = 4;  // of the memory for what isn't drained
    return group_->is_far_ahead() || group_->pending_bytes() >= options_.tail_bytes_max / part;
}

/// If that is so, waits for one batch, the oldest, and returns it, durable or failed. So nobody
/// waits for all that is there, nor for what comes meanwhile; nor in a callback, whose thread may
/// be the one that writes it.
std::shared_ptr<CommitBatch> Engine::wait_for_log() {
    if (GroupCommit::is_calling_back()) return nullptr;
    std::shared_ptr<CommitBatch> oldest;
    bool leads = false;
    {
        const std::scoped_lock lock(group_->mutex);
        if (group_->failure() || !is_log_behind()) return nullptr;
        oldest = group_->oldest();
        if (oldest == nullptr) return nullptr;
        leads = group_->add_waiter(*oldest);
    }
    static_cast<void>(group_->wait(*oldest, leads));  // what goes wrong is told to the next commit
    return oldest;
}

/// Waits until the log isn't behind, or has all that is there now.
void Engine::catch_up() {
    const auto newest = [this] {
        const std::scoped_lock lock(group_->mutex);
        return group_->newest();
    }();
    while (newest != nullptr && newest->state.load() != CommitBatch::done)
        if (wait_for_log() == nullptr) return;
}

std::uint64_t Engine::drains_so_far() const {
    const std::scoped_lock lock(group_->mutex);
    return drains_;
}

/// With a callback the answer goes with it.
Engine::Submitted Engine::await(std::shared_ptr<CommitBatch> batch, Result<Receipt> answer,
                                CommitCallback* callback) {
    if (callback == nullptr) {
        const bool leads = group_->add_waiter(*batch);
        return {std::move(answer), std::move(batch), leads};
    }
    batch->callbacks.push_back({std::move(*callback), std::move(answer)});
    return {Receipt{}, std::move(batch)};
}

/// A refusal, and a transaction that writes nothing, may have been judged on what nobody can see
/// yet: the answer comes when it can be seen at its own level.
Engine::Submitted Engine::answer_after_cause(Result<Receipt> answer, Durability durability,
                                             CommitCallback* callback) {
    const Level level = durability == Durability::durable ? Level::durable : Level::committed;
    if (sequencer_->last_transaction() <= watermarks_.transaction_at(level))
        return {std::move(answer), nullptr};
    std::shared_ptr<CommitBatch> cause = group_->newest();
    if (callback != nullptr) GroupCommit::reserve_callback(*cause);
    if (callback != nullptr) group_->hasten(*cause, 0);
    wake_threads(*cause, 0, callback == nullptr ? never : 0);
    return await(std::move(cause), std::move(answer), callback);
}

void Engine::wake_threads(const CommitBatch& batch, std::size_t item_bytes, std::uint64_t due_ns) {
    const bool begins_batch = batch.body.bytes == item_bytes && due_ns != never;
    const bool is_left_to_it = !group_->is_led() && (begins_batch || due_ns == 0);
    if (is_left_to_it || log_thread_idle_.load()) log_signal_.raise();
    if (tails_want_drain()) drain_signal_.raise();
}

/// When the log thread is to write the batch. One that is due already needn't look at the clock.
std::uint64_t Engine::due_of(const CommitBatch& batch, bool buffered, bool has_callback) const {
    if (!buffered) return has_callback ? 0 : never;
    if (batch.due_ns != never) return never;
    return monotonic_ns() +
           static_cast<std::uint64_t>(std::chrono::nanoseconds(options_.flush_interval).count());
}

/// Older states of what transactions change needn't be kept.
void Engine::note_durable() noexcept {
    const TransactionNumber durable = watermarks_.transaction_at(Level::durable);
    consumers_->note_durable(durable);
    leases_->note_durable(durable);
}

Engine::Submitted Engine::submit(TransactionBody& body, Durability durability,
                                 CommitCallback* callback, NoRoom no_room) {
    body.finish();
    if (body.error()) return {*body.error(), nullptr};
    sequencer_->resolve(body);
    const Timestamp now = disk_->now();
    const bool buffered = durability == Durability::buffered;
    for (;;) {
        std::unique_lock lock(group_->mutex);
        if (auto refused = refusal()) return {*refused, nullptr};
        if (const auto* known = body.id() ? ids_->find(*body.id()) : nullptr)
            return repeat(*known, body, durability, callback, lock);
        if (auto refused = sequencer_->judge(body, watermarks_.durable())) {
            if (refused->code() == Errc::conflict) ++conflicts_;
            return answer_after_cause(*std::move(refused), durability, callback);
        }
        if (!body.writes()) {
            if (!body.demands_anything()) return {Receipt{}, nullptr};
            return answer_after_cause(Receipt{}, durability, callback);
        }
        if (body.unwritten_body() != nullptr) {
            // What refers to a body is sequenced once that is durable. Then it is judged anew.
            lock.unlock();
            if (no_room == NoRoom::give_up) return {Receipt{}, nullptr, false, true};
            if (auto written = bodies_->write(body); !written) return {written.error(), nullptr};
            continue;
        }
        const Sequencer::Need need = sequencer_->prepare(body);
        if (!fits(need)) {
            lock.unlock();
            if (no_room == NoRoom::give_up) return {Receipt{}, nullptr, false, true};
            if (auto room = make_room(need); !room) return {room.error(), nullptr};
            continue;
        }
        Sequencer::Sequenced done = sequencer_->reserve(body, need);
        CommitBatch& batch = group_->open_batch(need.item_bytes);
        const std::uint64_t due = due_of(batch, buffered, callback != nullptr);
        // From here on nothing allocates, nothing can be refused.
        note_durable();
        const Position before = sequencer_->last_position();
        sequencer_->sequence(body, need, now, done);
        const Position last = sequencer_->last_position();
        group_->join(batch, done.items, last, done.receipt.transaction, due);
        ++commits_;
        records_ += last - before;
        wake_threads(batch, done.items.size(), due);
        if (is_planted(PlantedFault::durable_mark_early))
            watermarks_.raise_durable(last, done.receipt.transaction);
        if (buffered) {
            watermarks_.raise_committed(last, done.receipt.transaction);
            return {std::move(done.receipt), nullptr,        false, false,
                    need.item_bytes,         is_log_behind()};
        }
        return await(group_->newest(), std::move(done.receipt), callback);
    }
}

/// Buffered commits wait for nothing else; with a simulated engine nothing is to be waited for.
void Engine::keep_pace(const Submitted& buffered) {
    if (!has_threads_) return;
    if (buffered.log_is_behind) wait_for_log();
    const std::uint64_t delay =
        pace_.delay_ns(buffered.buffered_bytes, arena_->bytes(), monotonic_ns());
    if (delay == 0) return;
    slowed_ns_.fetch_add(delay, std::memory_order_relaxed);
    std::this_thread::sleep_for(std::chrono::nanoseconds(delay));
}

Result<Receipt> Engine::commit(TransactionBody& body, Durability durability) {
    if (options_.read_only) return *refusal();
    Submitted submitted = submit(body, durability, nullptr, NoRoom::wait);
    if (submitted.batch != nullptr && !group_->wait(*submitted.batch, submitted.leads))
        return GroupCommit::after_failure(submitted.result, *submitted.batch->error);
    if (submitted.buffered_bytes != 0) keep_pace(submitted);
    return std::move(submitted.result);
}

void Engine::commit_async(TransactionBody& body, CommitCallback callback, Durability durability) {
    if (options_.read_only) return callback(*refusal());
    Submitted submitted = submit(body, durability, &callback, NoRoom::wait);
    if (submitted.batch == nullptr) callback(std::move(submitted.result));
}

bool Engine::try_commit_async(TransactionBody& body, CommitCallback callback,
                              Durability durability) {
    if (options_.read_only) return callback(*refusal()), true;
    Submitted submitted = submit(body, durability, &callback, NoRoom::give_up);
    if (submitted.no_room) return false;
    if (submitted.batch == nullptr) callback(std::move(submitted.result));
    return true;
}

Result<void> Engine::sync() {
    if (options_.read_only) return {};
    std::shared_ptr<CommitBatch> newest;
    bool leads = false;
    {
        const std::scoped_lock lock(group_->mutex);
        if (group_->failure()) return *group_->failure();
        newest = group_->newest();
        if (newest == nullptr) return {};
        leads = group_->add_waiter(*newest);
    }
    if (!group_->wait(*newest, leads)) return *newest->error;
    return {};
}

namespace {

template <class Work>
Result<void> or_out_of_memory(Work work) {
    try {
        return work();
    } catch (const std::bad_alloc&) {
        return Error(Errc::io, "out of memory", ENOMEM);
    }
}

}  // namespace

Result<void> Engine::close() {
    if (options_.read_only || drain_ == nullptr) {  // or it was never open
        closed_ = true;
        notifier_->close();
        watermarks_.wake();
        return {};
    }
    {
        const std::scoped_lock lock(group_->mutex);
        if (std::exchange(closing_, true)) return {};
    }
    bodies_->close();  // nobody writes to the directory any more once the lock is gone
    threads_.reset();
    group_->forget_log_thread();
    group_->stop_preparing();
    auto done = or_out_of_memory([&] { return sync(); });
    {
        // Other threads' calls may be under way, and want to write as well: before or never.
        const std::scoped_lock role(drain_mutex_);
        if (done) done = or_out_of_memory([&] { return finish_work(); });
        gather_->give_up();
        write_metrics(true);  // while the directory is ours
        closed_.store(true, std::memory_order_release);
        lock_.reset();
    }
    notifier_->close();
    watermarks_.wake();
    return done;
}

/// What is left to do of a log that is durable can be left to the next opening.
Result<void> Engine::finish_work() {
    if (auto drained = drain_rest(*drain_queue_); !drained) return drained;
    drain_->shorten_catalog();
    group_->seal();
    return group_->shrink();
}

/// By name, and body files that no frame refers to nor is going to.
std::vector<std::string> Engine::unknown_files(const std::vector<io::DirectoryEntry>& files) const {
    std::vector<std::string> names = braid::unknown_files(files);
    std::vector<io::DirectoryEntry> bodies;
    for (const io::DirectoryEntry& file : files)
        if (store_file_kind(file.name) == StoreFile::body &&
            (bodies_ == nullptr || !bodies_->is_in_use(store_file_numbers(file.name).number)))
            bodies.push_back(file);
    if (bodies.empty()) return names;
    const std::shared_lock lock(storage_->publish);
    const auto undrained = undrained_body_files(*arena_, storage_->drained());
    for (const io::DirectoryEntry& file : bodies) {
        const std::uint64_t number = store_file_numbers(file.name).number;
        if (storage_->body_file(number).bodies == 0 && !undrained.contains(number))
            names.push_back(file.name);
    }
    return names;
}

StoreStat Engine::stat() const {
    StoreStat stat = recovery_;
    stat.uuid = uuid_;
    stat.io = disk_->backend();
    if (!options_.read_only) stat.log_sync = disk_->log_sync();
    stat.committed = watermarks_.committed();
    stat.durable = watermarks_.durable();
    stat.spaces = table_->space_names(stat.committed, {}, 0).size();
    stat.segments = table_->visible_segments(stat.committed);
    stat.segment_bytes = table_->segment_bytes();
    stat.tail_bytes = arena_->bytes();
    stat.pinned_bytes = pinned_->bytes();
    if (auto files = disk_->list()) stat.unknown_files = unknown_files(*files);
    const auto count_sequenced = [&] {
        stat.sequenced = sequencer_->last_position();
        stat.last_transaction = sequencer_->last_transaction();
        stat.last_timestamp = sequencer_->last_timestamp();
    };
    if (group_ == nullptr) {
        count_sequenced();
    } else {
        group_->count(stat);
        const std::scoped_lock lock(group_->mutex);
        count_sequenced();
    }
    const std::shared_lock lock(storage_->publish);
    stat.drained = storage_->drained();
    stat.body_files = storage_->body_files().size();
    for (const index::BodyFileCount& file : storage_->body_files())
        stat.bodies += file.bodies - file.trimmed;
    stat.packs = storage_->packs().size();
    for (const PackState& pack : storage_->packs()) {
        stat.pack_bytes += pack.info.bytes;
        if (stat.packs_by_level.size() <= pack.level())
            stat.packs_by_level.resize(pack.level() + 1);
        ++stat.packs_by_level[pack.level()];
        if (pack.gathered) stat.gathered_bytes += pack.info.bytes;
        if (pack.gathered)
            for (const index::PackRange& range : pack.gathered->from)
                stat.redirected_packs += std::uint64_t{range.last} - range.first + 1;
        stat.pieces += pack.pieces.size();
        for (const segment::Piece& piece : pack.pieces)
            if (piece.frames_bytes != 0) stat.piece_bytes += piece.end() - piece.offset;
    }
    return stat;
}

Metrics Engine::metrics() const {
    Metrics metrics;
    if (group_ == nullptr) return metrics;
    metrics.tail_bytes = arena_->bytes();
    metrics.pinned_bytes = pinned_->bytes();
    {
        const std::shared_lock lock(storage_->publish);
        // In this order: what is drained never passes what is committed.
        const Position drained = storage_->drained();
        metrics.undrained_count = watermarks_.committed() - drained;
    }
    group_->count(metrics);
    const std::scoped_lock lock(group_->mutex);
    metrics.commits = commits_;
    metrics.records = records_;
    metrics.conflicts = conflicts_;
    metrics.drains = drains_;
    metrics.drained_bytes = drained_bytes_;
    metrics.stored_bytes = stored_bytes_;
    metrics.gatherings = gatherings_;
    metrics.gathered_bytes = gathered_bytes_;
    metrics.slowed_ns = slowed_ns_.load(std::memory_order_relaxed);
    return metrics;
}

/// No commit waits for this: it is called between drains, and by the close.
void Engine::write_metrics(bool closed) const noexcept {
    if (options_.metrics_interval.count() == 0) return;
    try {
        write_metrics_file(*disk_, metrics(), closed);
    } catch (const std::bad_alloc&) {
    }
}

}  // namespace braid
