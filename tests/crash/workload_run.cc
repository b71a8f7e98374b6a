#include "tests/crash/workload_run.h"

#include <fmt/format.h>

#include <cstring>

namespace braid::crash {
namespace {

template <class T>
void must(const Result<T>& result, std::string_view what) {
    if (!result) throw Broken(fmt::format("{} failed: {}", what, result.error().message()));
}

}  // namespace

TransactionId planned_id(const PlannedTransaction& planned) {
    TransactionId id{};
    std::memcpy(id.data(), &planned.id, sizeof planned.id);
    return id;
}

std::string planned_holder(const std::string& key) {
    return "holder of " + key;
}

void fill(TransactionBody& body, const PlannedTransaction& planned, const History& history,
          Position durable) {
    if (planned.id != 0) body.set_id(planned_id(planned));
    MoveOptions anyhow;
    anyhow.backward = true;
    anyhow.any_epoch = true;
    for (const PlannedConsumer& one : planned.consumers) {
        if (one.kind == PlannedConsumer::Kind::take)
            body.take_consumer(one.consumer);
        else if (one.kind == PlannedConsumer::Kind::remove)
            body.delete_consumer(one.consumer, anyhow);
        else
            body.set_consumer(one.consumer, one.space, one.position % (durable.value + 1), anyhow);
    }
    for (const PlannedLease& one : planned.leases) {
        const LeaseToken token = history.lease_token(one.key, history.size());
        if (one.kind == PlannedLease::Kind::grant || token == 0)
            body.grant_lease(one.key, planned_holder(one.key), planned_ttl_ns, 0);
        else
            body.release_lease(one.key, token);
    }
    for (const PlannedRecord& record : planned.records) {
        const KeyValue pair{"key", record.metadata};
        AppendOptions options;
        if (!record.metadata.empty()) options.metadata = std::span(&pair, 1);
        body.append(record.space, record.segment, as_bytes(record.payload), options);
    }
}

WorkloadRun::~WorkloadRun() {
    engine_.reset();
}

History WorkloadRun::promised() const {
    History history = history_;
    if (engine_ != nullptr)
        history.durable_through(engine_->watermarks().transaction_at(Level::durable));
    return history;
}

void WorkloadRun::open() {
    Options options = workload_.options;
    options.create = !history_.is_created();
    opening_ = true;
    auto engine = Engine::open(disk_.borrow(), options, Engine::Threads::none);
    opening_ = false;
    must(engine, "opening");
    engine_ = std::move(*engine);
    history_.created();
    auto log_queue = disk_.make_queue(16, nullptr);
    auto drain_queue = disk_.make_queue(16, nullptr);
    must(log_queue, "a queue");
    must(drain_queue, "a queue");
    log_queue_ = std::move(*log_queue);
    drain_queue_ = std::move(*drain_queue);
}

void WorkloadRun::close() {
    must(engine_->close(), "closing");
    history_.all_durable();
    if (callbacks_due_ != 0) throw Broken("closed with a callback outstanding");
    // Where a fault is planted something may still be in flight, to files of the engine's.
    log_queue_.reset();
    drain_queue_.reset();
    engine_.reset();
}

void WorkloadRun::commit(const PlannedTransaction& planned, Durability durability) {
    TransactionBody body(workload_.options);
    const Position durable = engine_->watermarks().durable();
    fill(body, planned, history_, durable);
    const std::size_t index = history_.submit(planned, durable);
    const auto receipt = engine_->commit(body, durability);
    must(receipt, "a commit");
    history_.sequenced(index, *receipt);
    if (durability == Durability::durable) history_.durable(index);
}

void WorkloadRun::commit_async(const PlannedTransaction& planned) {
    TransactionBody body(workload_.options);
    const Position durable = engine_->watermarks().durable();
    fill(body, planned, history_, durable);
    const std::size_t index = history_.submit(planned, durable);
    ++callbacks_due_;
    engine_->commit_async(
        body,
        [this, index](const Result<Receipt>& receipt) {
            --callbacks_due_;
            if (!receipt) {
                broken_ = "an asynchronous commit failed: " + receipt.error().message();
                return;
            }
            try {
                history_.sequenced(index, *receipt);
            } catch (const Broken& broken) {
                broken_ = broken.what();
            }
            history_.durable(index);
        },
        Durability::durable);
}

/// A refusal leaves nothing behind.
void WorkloadRun::conflict(std::uint64_t pick) {
    TransactionBody body(workload_.options);
    const std::string segment = fmt::format("g{}", pick % 3);
    body.append("s1", segment, as_bytes("never"), {.expect = expect::sequence(1'000'000)});
    body.append("never", "never", as_bytes("never"), {});
    const auto receipt = engine_->commit(body, Durability::durable);
    if (receipt || receipt.error().code() != Errc::conflict)
        throw Broken("a condition that isn't met was not a conflict");
}

/// Through some entry of the segment of some record; nothing, while there is none.
void WorkloadRun::trim(std::uint64_t pick) {
    const PlannedRecord* record = history_.record(pick);
    if (record == nullptr) return;
    const auto status = engine_->status(record->space, record->segment);
    must(status, "a status");
    if (status->last_sequence == 0) return;
    const std::uint64_t through = 1 + (pick >> 20) % status->last_sequence.value;
    history_.begin_trim(record->space, record->segment, through);
    must(engine_->trim(record->space, record->segment, through, {.past_consumers = true}),
         "a trim");
    history_.all_durable();
    history_.end_trim(record->space, record->segment);
}

void WorkloadRun::set_clock(std::uint64_t pick) {
    const std::uint64_t now = disk_.now().value;
    const std::uint64_t by = pick % 5'000'000'000;
    disk_.set_clock((pick >> 40) % 2 == 0 ? now + by : now - by, (pick >> 41) % 3);
}

void WorkloadRun::apply(const Operation& operation) {
    switch (operation.step) {
        case Step::commit:
            return commit(workload_.transactions[operation.transaction], Durability::durable);
        case Step::commit_buffered:
            return commit(workload_.transactions[operation.transaction], Durability::buffered);
        case Step::commit_async:
            return commit_async(workload_.transactions[operation.transaction]);
        case Step::conflict:
            return conflict(operation.pick);
        case Step::sync:
            must(engine_->sync(), "a sync");
            return history_.all_durable();
        case Step::step_log:
            for (std::uint64_t i = 0; i <= operation.pick % 6; ++i) engine_->step_log(*log_queue_);
            return;
        case Step::step_drain:
            for (std::uint64_t i = 0; i <= operation.pick % 8; ++i)
                must(engine_->step_drain(*drain_queue_), "a move of the drain");
            return;
        case Step::drain:
            must(engine_->drain(), "a drain");
            return history_.all_durable();
        case Step::gather:
            gathering_ = true;
            must(engine_->gather(), "gathering");
            gathering_ = false;
            return history_.all_durable();
        case Step::trim:
            return trim(operation.pick);
        case Step::clock:
            return set_clock(operation.pick);
        case Step::reopen:
            close();
            return open();
    }
}

/// What a reader was given at that level is a promise, too.
void WorkloadRun::note_what_is_served_as_durable() {
    EntryBounds newest;
    newest.level = Level::durable;
    newest.backward = true;
    newest.limit = 1;
    newest.on_trimmed = OnTrimmed::skip;
    const auto reader = engine_->read_spaces(std::nullopt, newest);
    const Result<Entry>* entry = reader->next();
    if (entry == nullptr) return;
    must(*entry, "reading the newest durable entry");
    history_.durable_through((*entry)->transaction);
}

void WorkloadRun::run() {
    open();
    for (const Operation& operation : workload_.operations) {
        apply(operation);
        if (!broken_.empty()) throw Broken(broken_);
        note_what_is_served_as_durable();
    }
    close();
    open();
    history_.check_and_adopt(*engine_);
    close();
}

}  // namespace braid::crash
