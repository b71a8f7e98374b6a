#include "engine/drain.h"

#include <algorithm>
#include <braid/check.hpp>
#include <utility>

#include "io/planted.h"
#include "segment/pack.h"

namespace braid {
namespace {

/// What comes faster isn't kept in the page cache: it would turn all of it over within minutes, and
/// new memory for it can cost a virtual machine more than the disk does (docs/decisions/0016).
constexpr std::uint64_t cached_bytes_a_second_max = 64 << 20;
/// Files that a drain has open at once.
constexpr std::size_t outputs_at_once = 16;
/// A catalog file is begun anew when it has got so many times as long as its snapshot.
constexpr std::uint64_t snapshots_while_open = 4;
constexpr std::uint64_t snapshots_when_closed = 2;
/// Below this part of the memory for what isn't drained a catalog is never too long.
constexpr std::uint64_t catalog_part = 64;
/// While it is begun anew, each drain writes one segment at least for so much memory of tails.
constexpr std::uint64_t tail_bytes_a_rewritten_segment = 4096;

/// So many at a time are taken under the lock, so that no commit waits long.
constexpr std::size_t turn = 256;

/// Calls `step` under the lock until it is false.
template <class Step>
void in_turns(std::mutex& mutex, Step step) {
    for (bool more = true; more;) {
        const std::scoped_lock lock(mutex);
        more = step();
    }
}

}  // namespace

Drain::Drain(const DrainTarget& target, const index::LoadedCatalog& catalog)
    : target_(target),
      catalog_(catalog.end),
      catalog_doubtful_(catalog.torn_bytes != 0),
      catalog_snapshot_bytes_(catalog.snapshot_end),
      next_space_(catalog.next_space),
      next_segment_(catalog.next_segment) {}

Result<bool> Drain::step(io::Queue& queue, bool block) {
    // Another one has none of the writes that are awaited, and would take them for done.
    BRAID_CHECK(is_idle() || queue_ == nullptr || queue_ == &queue,
                "a drain goes on with another queue than the one that has its writes");
    queue_ = &queue;
    try {
        auto moved = take_completions(queue, block);
        auto next = moved ? next_phase(queue) : Result<bool>(moved.error());
        if (!next) fail(queue);
        return next;
    } catch (const std::bad_alloc&) {
        // What the catalog has is to be published: the next step goes on with that.
        const bool recorded = phase_ == Phase::publish && !catalog_doubtful_;
        if (!recorded) fail(queue);
        queue_ = nullptr;  // nothing is in flight
        throw;
    }
}

/// What is still in flight uses our buffers: it must come back before they go.
void Drain::fail(io::Queue& queue) {
    while (queue.in_flight() != 0) static_cast<void>(queue.wait());
    give_up_rewrite();  // it may have what didn't come to be
    give_up();
}

Result<void> Drain::take_completions(io::Queue& queue, bool block) {
    const std::size_t least = phase_ == Phase::build ? writes_in_flight : 1;
    const bool waits = block && queue.in_flight() >= least;
    io::Completion completion;
    for (bool taken = waits; taken || queue.poll(completion); taken = false) {
        if (taken) completion = queue.wait();
        if (!completion.result) return completion.result.error();
        if (completion.token != 0) --parts_[completion.token - 1].writes;
    }
    return {};
}

Result<bool> Drain::next_phase(io::Queue& queue) {
    if (phase_ == Phase::idle) return begin();
    if (phase_ == Phase::build) return build(queue) ? begin_write() : Result<bool>(true);
    if (phase_ == Phase::write) {
        // The rest of a pack is in the page cache: nothing beside it is to be written direct then.
        const auto is_written = [](const Part& part) { return part.writes == 0; };
        if (!std::all_of(parts_.begin(), parts_.end(), is_written)) return true;
        if (auto opened = open_outputs(); !opened) return opened.error();
        submit_writes(queue);
        if (queue.in_flight() == 0) phase_ = Phase::sync;
        return true;
    }
    if (queue.in_flight() != 0) return true;
    switch (phase_) {
        case Phase::sync:
            // A frame that the catalog vouches for must be on the medium first.
            submit_syncs(queue);
            phase_ = Phase::synced;
            return true;
        case Phase::synced:
            close_outputs();
            phase_ = outputs_at_work().empty() ? Phase::record : Phase::write;
            return true;
        case Phase::record: {
            // So must its file's name.
            if (auto synced = target_.disk.sync_directory(); !synced) return synced.error();
            catalog_doubtful_ = true;  // until the record is known to be durable
            const std::uint64_t offset = catalog_.offset;
            record_bytes_ = encode_catalog_record(record_, target_.store, catalog_);
            queue.submit({.mode = io::WriteMode::cached,
                          .file = catalog_file_.get(),
                          .bytes = record_bytes_,
                          .offset = offset});
            phase_ = Phase::sync_record;
            return true;
        }
        case Phase::sync_record:
            if (is_gathering() && is_planted(PlantedFault::packs_retired_early))
                remove_gathered_from();
            queue.reserve(1);
            queue.submit({.kind = io::Request::Kind::sync, .file = catalog_file_.get()});
            phase_ = Phase::publish;
            return true;
        case Phase::publish:
            catalog_doubtful_ = false;
            publish();
            return true;
        default:
            return true;
    }
}

Result<bool> Drain::begin() {
    if (!collect()) return false;
    collect_trim();
    // Before a file is touched of which a record may speak that may have reached the medium.
    if (catalog_doubtful_)
        if (auto rewritten = rewrite_rest(); !rewritten) return rewritten.error();
    if (nodes_.empty()) return begin_write();
    assign();
    choose_mode();
    if (auto named = name_outputs(); !named) return named.error();
    if (auto opened = open_outputs(); !opened) return opened.error();
    begin_build();
    phase_ = Phase::build;
    return true;
}

/// What the record says is known, but nothing of it counts before all else is durable.
Result<bool> Drain::begin_write() {
    finish_record();
    if (auto rewritten = rewrite_some(); !rewritten) return rewritten.error();
    if (catalog_file_ == nullptr) {
        auto file = target_.disk.open(index::catalog_name(catalog_.file), {.write = true});
        if (!file) return file.error();
        catalog_file_ = std::move(*file);
    }
    phase_ = Phase::write;
    return true;
}

bool Drain::collect() {
    const Position drained = target_.storage.drained();
    record_.cut = drained;
    record_.transaction = target_.storage.transaction();
    record_.timestamp = target_.storage.timestamp();
    record_.next_pack = target_.storage.next_pack();
    if (trim_) return true;  // alone: a piece must not land in a file that it retires
    if (gathered_ && collect_gathered()) return true;  // alone: it holds what it says now
    {
        const std::scoped_lock lock(target_.commit_mutex);
        const auto durable = target_.watermarks.transaction_at(Level::durable);
        if (durable <= record_.transaction) return false;
        record_.transaction = durable;
        record_.cut = target_.watermarks.durable();
        const auto taken = is_planted(PlantedFault::moves_drained_early)
                               ? target_.sequencer.last_transaction()
                               : durable;
        target_.consumers.begin_drain(taken);
        target_.leases.begin_drain(taken);
    }
    if (record_.cut > drained) collect_frames(drained);
    collect_named();
    collect_ids(target_.storage.transaction(), record_);
    return true;
}

void Drain::collect_frames(Position drained) {
    const Position cut = record_.cut;
    chunks_ = target_.arena.chunks();
    for (const auto& chunk : chunks_) {
        const std::size_t count = chunk->nodes();
        for (std::size_t i = chunk->find(drained + 1, count); i < count; ++i) {
            const segment::TailNode& node = chunk->node(i);
            if (node.last_position() > cut) break;
            nodes_.push_back(&node);
        }
    }
    const segment::FrameView last = nodes_.back()->view();
    BRAID_CHECK(last.last_position() == cut && last.ends_transaction(),
                "the drain's cut {} isn't the end of a transaction", cut.value);
    record_.timestamp = last.timestamp();
}

void Drain::collect_named() {
    in_turns(target_.commit_mutex,
             [&] { return target_.consumers.collect(turn, record_.consumers); });
    in_turns(target_.commit_mutex, [&] { return target_.leases.collect(turn, record_.leases); });
}

/// Those that have come since, up to what the record is about.
void Drain::collect_ids(TransactionNumber after, index::CatalogRecord& record) {
    if (is_planted(PlantedFault::ids_not_drained)) return;
    in_turns(target_.commit_mutex,
             [&] { return target_.ids.collect(after, record.transaction, turn, record.noted); });
}

void Drain::collect_trim() {
    if (!trim_) return;
    record_.trims.push_back(trim_->segment);
    record_.pack_trims = trim_->packs;
    if (trim_->body_files.empty()) return;
    record_.next_body_file = target_.storage.next_body_file();
    record_.body_files = trim_->body_files;
}

/// By how fast the frames came since the drain before; the first drain's stay in the cache.
void Drain::choose_mode() {
    constexpr std::uint64_t us_a_second = 1'000'000;
    mode_ = io::WriteMode::cached;
    begun_us_ = target_.disk.monotonic_ns() / 1000;
    if (!drained_us_) return;
    const std::uint64_t slow_us = frames_bytes_ * us_a_second / cached_bytes_a_second_max;
    if (begun_us_ - *drained_us_ < slow_us) mode_ = io::WriteMode::uncached;
}

/// False if it can't be: then it is forgotten.
bool Drain::collect_gathered() {
    if (fill_record(*gathered_, target_.storage, record_)) return true;
    const std::string name = segment::pack_name(gathered_->info.number);
    gathered_.reset();
    target_.storage.reserve_pack(0);
    static_cast<void>(target_.disk.remove(name));
    return false;
}

/// A few at a time, so that a drain takes few descriptors however many pieces it has.
std::span<Drain::Output> Drain::outputs_at_work() noexcept {
    const auto left = std::span(outputs_).subspan(outputs_finished_);
    return left.first(std::min(outputs_at_once, left.size()));
}

Result<void> Drain::open_outputs() {
    for (Output& output : outputs_at_work()) {
        if (output.file != nullptr) continue;
        auto file = target_.disk.open(
            output.name,
            {.write = true, .create = true, .truncate = output.truncate, .direct = output.direct});
        if (!file) return file.error();
        output.file = std::move(*file);
    }
    return {};
}

void Drain::submit_writes(io::Queue& queue) {
    for (Output& output : outputs_at_work()) {
        while (output.submitted < output.bytes.size()) {
            if (queue.in_flight() >= writes_in_flight) return;
            const std::uint64_t offset = output.offset + output.submitted;
            const std::size_t bytes = std::min(write_bytes_max - offset % write_bytes_max,
                                               output.bytes.size() - output.submitted);
            queue.submit({.mode = mode_,
                          .file = output.file.get(),
                          .bytes = Bytes(output.bytes).subspan(output.submitted, bytes),
                          .offset = offset});
            output.submitted += bytes;
        }
    }
}

void Drain::submit_syncs(io::Queue& queue) {
    const auto outputs = outputs_at_work();
    queue.reserve(outputs.size() + 1);
    for (const Output& output : outputs)
        queue.submit({.kind = io::Request::Kind::sync, .file = output.file.get()});
    // Nothing relies on it yet, but the end of it isn't to wait for all of it.
    if (rewrite_) queue.submit({.kind = io::Request::Kind::sync, .file = &rewrite_->file()});
}

void Drain::close_outputs() noexcept {
    for (Output& output : outputs_at_work()) {
        stored_bytes_ += output.handed_over + output.bytes.size();
        output = {};
    }
    outputs_finished_ += outputs_at_work().size();
}

bool Drain::is_catalog_long(std::uint64_t snapshots) const noexcept {
    return catalog_.offset > std::max<std::uint64_t>(target_.options.tail_bytes_max / catalog_part,
                                                     snapshots * catalog_snapshot_bytes_);
}

void Drain::shorten_catalog() noexcept {
    if (!catalog_doubtful_ && !is_catalog_long(snapshots_when_closed)) return;
    try {
        static_cast<void>(rewrite_rest());
    } catch (const std::bad_alloc&) {  // as any other failure
    }
    give_up_rewrite();
}

Result<void> Drain::settle_catalog() {
    try {
        auto rewritten = rewrite_rest();
        if (!rewritten) give_up_rewrite();
        return rewritten;
    } catch (const std::bad_alloc&) {
        give_up_rewrite();
        throw;
    }
}

/// More segments than the drain brings, so that all are written one day. What it is about to change
/// comes behind them.
Result<void> Drain::rewrite_some() {
    if (!rewrite_ && !is_catalog_long(snapshots_while_open)) return {};
    const std::uint64_t more = std::max<std::uint64_t>(
        target_.options.tail_bytes_max / tail_bytes_a_rewritten_segment, work_.size() / 2);
    const auto is_more_left = rewrite_segments(record_.next_segment - next_segment_ + more);
    if (is_more_left && !*is_more_left) return finish_rewrite();
    // The old catalog is as good: a later drain tries again.
    if (!is_more_left || !rewrite_->add_changes(record_)) give_up_rewrite();
    return {};
}

void Drain::give_up_rewrite() noexcept {
    if (rewrite_) rewrite_->give_up();
    rewrite_.reset();
}

Result<void> Drain::rewrite_rest() {
    auto all = rewrite_segments(next_segment_.value);
    return all ? finish_rewrite() : all.error();
}

Result<bool> Drain::rewrite_segments(std::uint64_t count) {
    if (!rewrite_) {
        auto begun = CatalogRewrite::begin({target_.table, target_.storage}, target_.disk,
                                           target_.store, catalog_.file + 1);
        if (!begun) return begun.error();
        rewrite_.emplace(*std::move(begun));
    }
    return rewrite_->add(next_segment_, count);
}

Result<void> Drain::finish_rewrite() {
    catalog_file_.reset();
    catalog_doubtful_ = true;  // until the new file is there
    CatalogRewrite rewrite = *std::exchange(rewrite_, std::nullopt);
    index::CatalogRecord rest;
    rest.transaction = target_.storage.transaction();
    std::string consumer;
    std::string lease;
    in_turns(target_.commit_mutex,
             [&] { return target_.consumers.snapshot(consumer, turn, rest.consumers); });
    in_turns(target_.commit_mutex,
             [&] { return target_.leases.snapshot(lease, turn, rest.leases); });
    collect_ids(0, rest);
    if (auto finished = rewrite.finish(std::move(rest), catalog_); !finished) return finished;
    catalog_doubtful_ = false;
    catalog_snapshot_bytes_ = catalog_.offset;
    stored_bytes_ += catalog_.offset;
    return {};
}

}  // namespace braid
