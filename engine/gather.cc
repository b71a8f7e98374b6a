#include "engine/gather.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/descriptors.h"
#include "io/planted.h"
#include "segment/pack.h"

namespace braid {
namespace {

/// After so much it is synced, so that the medium is never asked for much at once.
constexpr std::uint64_t sync_bytes = 8 << 20;
/// Memory for extents is at most the tails' budget, three times: 12 bytes each.
constexpr std::uint64_t bytes_an_extent = 4;

std::uint64_t live_records(const PackState& pack) {
    return pack.info.records() - pack.trimmed_records;
}

PackFacts facts_of(const PackState& pack) {
    PackFacts facts;
    facts.level = pack.level();
    facts.is_gathered = pack.gathered.has_value();
    facts.bytes = pack.info.bytes;
    facts.live = live_records(pack);
    facts.dead = pack.trimmed_records - (pack.gathered ? pack.gathered->left_out : 0);
    return facts;
}

/// The numbers that lead to any of the packs, neighbours put together.
std::vector<index::PackRange> numbers_of(const std::vector<std::unique_ptr<GatherSource>>& packs) {
    std::vector<index::PackRange> all;
    for (const auto& source : packs) {
        const PackState& pack = source->pack();
        all.push_back({pack.info.number, pack.info.number});
        if (pack.gathered)
            all.insert(all.end(), pack.gathered->from.begin(), pack.gathered->from.end());
    }
    std::ranges::sort(all, {}, &index::PackRange::first);
    std::vector<index::PackRange> joined;
    for (const index::PackRange& range : all) {
        if (!joined.empty() && joined.back().last + 1 == range.first)
            joined.back().last = range.last;
        else
            joined.push_back(range);
    }
    return joined;
}

}  // namespace

bool fill_record(const Gathered& gathered, const Storage& storage, index::CatalogRecord& record) {
    std::uint64_t live = 0;
    for (const std::uint32_t number : gathered.sources) {
        if (!storage.has_pack(number)) return false;
        live += live_records(*storage.pack_number(number));
    }
    record.kind = index::CatalogRecordKind::gather;
    record.next_pack = std::max(storage.next_pack(), gathered.info.number + 1);
    record.packs = {gathered.info};
    record.gathered = {gathered.pack};
    record.sections = gathered.sections;
    const std::uint64_t trimmed = gathered.info.records() - live;
    if (trimmed != 0) record.pack_trims = {{gathered.info.number, trimmed}};
    return true;
}

Result<bool> Gather::step(Choice choice) {
    try {
        auto moved = next_phase(choice);
        if (moved) return moved;
        if (moved.error().code() == Errc::corrupt)
            left_alone_.insert(gathered_.sources.begin(), gathered_.sources.end());
        give_up();
        return moved;
    } catch (const std::bad_alloc&) {
        give_up();
        throw;
    }
}

bool Gather::has_sources() const noexcept {
    return std::ranges::all_of(gathered_.sources, [this](std::uint32_t number) {
        return target_.storage.has_pack(number);
    });
}

Result<bool> Gather::next_phase(Choice choice) {
    if (phase_ == Phase::finished) return true;
    if (!has_sources()) {  // trims have retired some
        give_up();
        return true;
    }
    if (phase_ == Phase::idle) {
        const auto run = choose(choice);
        if (!run) return false;
        auto begun = begin(*run);
        return begun ? Result<bool>(true) : begun.error();
    }
    auto done = work();
    return done ? Result<bool>(true) : done.error();
}

Result<void> Gather::work() {
    switch (phase_) {
        case Phase::scan:
            return scan();
        case Phase::copy:
            return copy();
        case Phase::directory:
            return begin_order();
        case Phase::order:
            return add_order();
        default:
            return finish();
    }
}

std::optional<GatherRun> Gather::choose(Choice choice) const {
    constexpr std::size_t at_once = 64;
    const std::size_t run = target_.options.gather_packs;
    if (choice == Choice::due && run == 0) return std::nullopt;
    std::vector<PackFacts> facts;
    facts.reserve(target_.storage.packs().size());
    for (const PackState& pack : target_.storage.packs()) {
        facts.push_back(facts_of(pack));
        facts.back().is_left_alone = left_alone_.contains(pack.info.number);
        facts.back().is_full = full_.contains(pack.info.number);
    }
    return choice == Choice::due ? choose_run(facts, run)
                                 : choose_any(facts, std::max(run, at_once));
}

Result<void> Gather::begin(const GatherRun& run) {
    const std::uint32_t number = target_.storage.next_pack();
    if (number > segment::pack_number_max)
        return Error(Errc::too_large, "the store has used all pack numbers");
    const auto packs = std::span(target_.storage.packs()).subspan(run.first, run.count);
    gathered_.pack.pack = number;
    gathered_.pack.level = run.level;
    gathered_.info.number = number;
    if (auto opened = open_sources(packs); !opened) return opened;
    sum_up();
    target_.storage.reserve_pack(number);
    phase_ = Phase::scan;
    return {};
}

/// A descriptor for each, but no more than a part of what the process has: whoever reads meanwhile
/// must not run out of them. Where they do, or few are left, half of what was got is given back.
Result<void> Gather::open_sources(std::span<const PackState> packs) {
    constexpr std::size_t part = 4;
    constexpr std::size_t halved_from = 4;
    const std::size_t most = std::max<std::size_t>(2, io::descriptors_max() / part);
    bool has_run_out = false;
    for (const PackState& pack : packs.first(std::min(most, packs.size()))) {
        const std::string name = segment::pack_name(pack.info.number);
        auto file = target_.disk.open(name, {});
        has_run_out = !file && file.error().system_error() == EMFILE;
        if (has_run_out && sources_.size() >= halved_from) break;
        gathered_.sources.push_back(pack.info.number);  // so that one that is missing is left alone
        if (!file && file.error().code() == Errc::not_found)
            return Error(Errc::corrupt, fmt::format("{}: the file is missing", name));
        if (!file) return file.error();
        sources_.push_back(
            std::make_unique<GatherSource>(pack, *std::move(file), target_.store_seed));
    }
    if (sources_.size() >= halved_from && (has_run_out || !has_spare(packs.front()))) {
        sources_.resize(sources_.size() / 2);
        gathered_.sources.resize(sources_.size());
    }
    return {};
}

/// Whether some descriptors more can be had: for what is written, and for others.
bool Gather::has_spare(const PackState& pack) const {
    constexpr std::size_t spare = 4;
    std::vector<std::unique_ptr<io::File>> files;
    while (files.size() < spare) {
        auto file = target_.disk.open(segment::pack_name(pack.info.number), {});
        if (!file) return file.error().system_error() != EMFILE;
        files.push_back(*std::move(file));
    }
    return true;
}

Result<void> Gather::scan() {
    GatherSource& source = *sources_[scanned_];
    const auto done = source.scan(target_.table);
    if (!done) return done.error();
    if (!*done) return {};
    extents_ += source.extents();
    if (extents_ > target_.options.tail_bytes_max / bytes_an_extent && scanned_ > 0)
        return go_without_rest();
    if (++scanned_ == sources_.size()) return begin_copy();
    return {};
}

/// The packs before this one have as many extents as may be held in memory.
Result<void> Gather::go_without_rest() {
    const std::uint32_t first = gathered_.sources.front();
    if (scanned_ == 1 && sources_.front()->pack().gathered) {
        full_.insert(first);
        give_up();
        return {};
    }
    sources_.resize(scanned_);
    gathered_.sources.resize(scanned_);
    sum_up();
    full_.insert(gathered_.info.number);
    return begin_copy();
}

/// What the packs to be gathered are together.
void Gather::sum_up() {
    index::PackInfo& info = gathered_.info;
    info.first_position = sources_.front()->pack().info.first_position;
    info.last_position = sources_.back()->pack().info.last_position;
    info.pieces = 0;
    gathered_.pack.left_out = info.records();
    for (const auto& source : sources_) {
        info.pieces += source->pack().info.pieces;
        gathered_.pack.left_out -= live_records(source->pack());
    }
    gathered_.pack.from = numbers_of(sources_);
}

Result<void> Gather::begin_copy() {
    // Only a pack that was never finished can be in the way, and it is ours to overwrite.
    auto file = target_.disk.open(segment::pack_name(gathered_.info.number),
                                  {.write = true, .create = true, .truncate = true});
    if (!file) return file.error();
    file_ = std::move(*file);
    const auto header = segment::make_pack_header(target_.store, gathered_.info.number);
    out_.resize(sizeof header);
    std::memcpy(out_.data(), &header, sizeof header);
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        if (auto first = sources_[i]->next(); !first) return first;
        if (!sources_[i]->is_at_end()) heap_.push_back(i);
    }
    phase_ = Phase::copy;
    const auto later = [this](std::size_t left, std::size_t right) {
        return sources_[left]->key() > sources_[right]->key();
    };
    std::ranges::make_heap(heap_, later);
    return {};
}

Result<void> Gather::copy() {
    while (!heap_.empty()) {
        if (auto copied = copy_next(); !copied) return copied;
        if (offset() / step_bytes != written_ / step_bytes) return write_out(false);
    }
    finish_extent();
    gathered_.info.extents_end = offset();
    out_.resize(out_.size() + (io::whole_blocks(offset()) - offset()));
    gathered_.pack.directory_entries = directory_.entries();
    directory_bytes_ = directory_.finish(gathered_.info.number, target_.store_seed);
    directory_ = {};
    phase_ = Phase::directory;
    return {};
}

/// The lowest extent of all.
Result<void> Gather::copy_next() {
    const auto later = [this](std::size_t left, std::size_t right) {
        return sources_[left]->key() > sources_[right]->key();
    };
    std::ranges::pop_heap(heap_, later);
    GatherSource& source = *sources_[heap_.back()];
    const auto extent = source.extent();
    if (!extent) return extent.error();
    const GatherSource::Key key = source.key();
    source.moved_to(add(*extent));
    if (auto next = source.next(); !next) return next;
    if (source.is_at_end())
        heap_.pop_back();
    else
        std::ranges::push_heap(heap_, later);
    if (!heap_.empty() && sources_[heap_.front()]->key() <= key)
        return Error(Errc::corrupt,
                     fmt::format("two extents that were to be gathered hold sequence {} of segment "
                                 "{}",
                                 key.second, key.first));
    return {};
}

/// Returns where the extent is from now on. Of those that are joined the first one's links stay:
/// they lead to what is before all of them.
std::uint64_t Gather::add(Bytes extent) {
    const Bytes frame_bytes = extent.subspan(segment::extent_header_bytes);
    const segment::FrameView frame(frame_bytes.data());
    copied_records_ += frame.count();
    if (!joiner_.takes(frame)) {
        finish_extent();
        extent_offset_ = offset();
        out_.insert(out_.end(), extent.begin(), extent.begin() + segment::extent_header_bytes);
    }
    if (segment::FrameJoiner::is_small(frame)) {
        joiner_.add(frame);
    } else {
        out_.insert(out_.end(), frame_bytes.begin(), frame_bytes.end());
        directory_.add(frame.segment(), frame.first_sequence(), frame.count(), extent_offset_);
    }
    return extent_offset_;
}

void Gather::finish_extent() {
    if (joiner_.is_empty()) return;
    directory_.add(joiner_.segment(), joiner_.first_sequence(), joiner_.count(), extent_offset_);
    joiner_.finish(out_, target_.store_seed);
}

/// Writes the directory, and then looks which spaces' sections there are.
Result<void> Gather::begin_order() {
    if (directory_written_ < directory_bytes_.size()) {
        const std::size_t bytes =
            std::min<std::size_t>(step_bytes, directory_bytes_.size() - directory_written_);
        const auto part = Bytes(directory_bytes_).subspan(directory_written_, bytes);
        out_.insert(out_.end(), part.begin(), part.end());
        directory_written_ += bytes;
        return write_out(false);
    }
    directory_bytes_ = {};
    gathered_.info.order_offset = offset();
    std::uint32_t pieces = 0;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        for (const index::OrderSection& section : sources_[i]->pack().sections)
            parts_.push_back({i, &section, pieces});
        pieces += sources_[i]->pack().info.pieces;
    }
    std::ranges::stable_sort(parts_, {}, [](const Part& part) { return part.section->space; });
    phase_ = Phase::order;
    return {};
}

Result<void> Gather::finish() {
    if (auto written = write_out(true); !written) return written;
    if (ordered_records_ != copied_records_) return other_than_counted();
    gathered_.info.bytes = written_;
    if (!is_planted(PlantedFault::gathered_unsynced))
        if (auto synced = file_->sync(); !synced) return synced;
    file_.reset();
    phase_ = Phase::finished;
    return {};
}

/// What is gathered is as much in use as what it is made of.
io::WriteMode Gather::mode() const noexcept {
    std::uint64_t bytes = 0;
    std::uint64_t cached = 0;
    for (const auto& source : sources_) {
        bytes += source->pack().info.bytes;
        cached += source->cached_bytes();
    }
    return cached < bytes / 2 ? io::WriteMode::uncached : io::WriteMode::cached;
}

/// All, or up to a multiple of what a step writes.
Result<void> Gather::write_out(bool all) {
    std::uint64_t end = offset();
    if (!all) end = end / step_bytes * step_bytes;
    if (end <= written_) return {};
    const std::size_t bytes = end - written_;
    auto done = file_->write(Bytes(out_).first(bytes), written_, mode());
    if (!done) return done;
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(bytes));
    written_ += bytes;
    written_bytes_ += bytes;
    if (written_ - synced_ < sync_bytes) return {};
    synced_ = written_;
    return file_->sync();
}

std::optional<Gathered> Gather::take_finished() {
    if (phase_ != Phase::finished) return std::nullopt;
    Gathered gathered = std::move(gathered_);
    forget();
    return gathered;
}

void Gather::give_up() noexcept {
    if (phase_ == Phase::idle && gathered_.sources.empty()) return;
    const bool has_file = file_ != nullptr || phase_ == Phase::finished;
    const std::uint32_t number = gathered_.info.number;
    forget();
    target_.storage.reserve_pack(0);
    if (!has_file) return;
    try {
        static_cast<void>(target_.disk.remove(segment::pack_name(number)));
    } catch (const std::bad_alloc&) {  // stays, and is overwritten, or removed by the next opening
    }
}

/// The number stays taken.
void Gather::forget() noexcept {
    phase_ = Phase::idle;
    gathered_ = {};
    file_.reset();
    sources_.clear();
    scanned_ = extents_ = 0;
    heap_.clear();
    out_.clear();
    written_ = synced_ = 0;
    directory_ = {};
    joiner_.clear();
    directory_bytes_ = {};
    directory_written_ = 0;
    copied_records_ = ordered_records_ = 0;
    parts_.clear();
    part_ = space_begin_ = space_end_ = 0;
    counting_ = false;
    encoder_.reset();
}

}  // namespace braid
