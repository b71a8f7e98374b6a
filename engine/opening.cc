#include "engine/opening.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "engine/store_files.h"
#include "engine/threads.h"
#include "index/new_catalog.h"
#include "io/planted.h"
#include "segment/body_reference.h"
#include "segment/pack.h"

namespace braid {
namespace {

/// A reader beside a writer may find that what it has just read of is gone: it begins again.
constexpr int read_tries_max = 20;

Error not_a_store(std::string_view why) {
    return Error(Errc::not_found, fmt::format("there is no store in this directory: {}", why));
}

/// No file is so large: sums of such numbers don't wrap around.
constexpr std::uint64_t file_bytes_max = std::uint64_t{1} << 60;

bool is_possible(const index::PackInfo& pack) {
    return pack.extents_end >= segment::file_header_bytes &&
           pack.order_offset >= pack.extents_end && pack.bytes >= pack.order_offset &&
           pack.bytes <= file_bytes_max && pack.first_position <= pack.last_position;
}

bool is_possible(const segment::Piece& piece) {
    return piece.offset <= file_bytes_max && piece.frames_bytes <= file_bytes_max &&
           piece.index_offset >= piece.offset + piece.frames_bytes &&
           piece.index_offset <= file_bytes_max && piece.index_bytes <= file_bytes_max &&
           piece.first_sequence <= piece.last_sequence;
}

/// Lengths and offsets are used before anything of the files is looked at.
const char* impossible_number(const index::CatalogRecord& record) {
    for (const index::PackInfo& pack : record.packs)
        if (!is_possible(pack)) return "a pack whose numbers don't fit together";
    for (const segment::Piece& piece : record.pieces)
        if (!is_possible(piece)) return "a piece whose numbers don't fit together";
    for (const index::OrderSection& section : record.sections)
        if (section.offset > file_bytes_max || section.bytes > file_bytes_max)
            return "an order section whose numbers can't be";
    if (record.next_body_file > segment::body_file_number_max + 1)
        return "a body file whose number can't be";
    return nullptr;
}

/// Takes what the catalog says of names and segments into the table as it is decoded: of a million
/// segments no list is made.
class TableItems : public index::CatalogItems {
public:
    explicit TableItems(SegmentTable& table) : table_(table) {}

    void expect_names(std::size_t count) override { expected_ = std::max(expected_, count); }
    const char* take(const segment::SpaceNamed& named) override {
        if (!table_.restore(named)) return wrong_name;
        SpaceState& space = *table_.find(named.space);
        space.in_catalog = true;
        space.first_position = durable_long_ago;
        return nullptr;
    }
    const char* take(std::span<const segment::SegmentNameView> names) override {
        // The record's spaces are known by now.
        if (expected_ != 0) table_.expect(std::exchange(expected_, 0));
        return table_.restore(names) ? nullptr : wrong_name;
    }
    const char* take(std::span<const index::SegmentUpdate> segments) override {
        for (const index::SegmentUpdate& update : segments) {
            SegmentState* segment = table_.find(update.segment);
            if (segment == nullptr) return "a segment that was never named";
            segment->set_drained(update);
            segment->last_sequence = update.last_sequence;
            segment->last_position = update.last_position;
            segment->first_timestamp = update.first_timestamp;
            segment->first_position = durable_long_ago;
        }
        return nullptr;
    }

private:
    static constexpr const char* wrong_name =
        "a name that is known already, isn't the next one, or has no space";
    static constexpr Position durable_long_ago = 1;  // so visible

    SegmentTable& table_;
    std::size_t expected_ = 0;
};

/// A file that keeps a store from being made.
Error foreign(const std::string& name, StoreFile kind) {
    // Others too call a file metrics.json.
    if (kind == StoreFile::unknown || kind == StoreFile::metrics)
        return Error(Errc::invalid_argument,
                     fmt::format("a store can't be made here: the directory holds '{}', and no "
                                 "catalog",
                                 name));
    return Error(
        Errc::corrupt,
        fmt::format("the catalog is missing: the directory holds '{}', and no catalog", name));
}

}  // namespace

Result<void> Opening::run(Engine::Threads threads) {
    return engine_.options_.read_only ? open_for_reading() : open_for_writing(threads);
}

Result<void> Opening::open_for_writing(Engine::Threads threads) {
    auto files = disk_.list();
    if (!files) return files.error();
    if (index::catalog_numbers(*files).empty()) {
        if (!engine_.options_.create) return no_catalog();
        // Before as much as the lock is put into a directory that is somebody else's.
        if (auto free = unfinished_creation(); !free) return free.error();
    }
    const auto wait = std::chrono::nanoseconds(engine_.options_.lock_wait).count();
    auto lock = disk_.lock("LOCK", static_cast<std::uint64_t>(wait));
    if (!lock) return lock.error();
    engine_.lock_ = std::move(*lock);
    // Under the lock the answer may be another one.
    files = disk_.list();
    if (!files) return files.error();
    if (index::catalog_numbers(*files).empty())
        if (auto created = create(); !created) return created;
    if (auto loaded = load(); !loaded) return loaded;
    if (auto settled = settle_catalog(); !settled) return settled;
    if (auto begun = begin_log(); !begun) return begun;
    begin_bodies(*files);
    engine_.leases_->begin(engine_.monotonic_ns());
    return start(threads);
}

Result<void> Opening::open_for_reading() {
    for (int tries = 1;; ++tries) {
        auto loaded = load();
        // What was read from caches must be on the medium before anybody is told of it.
        if (loaded) loaded = sync_log();
        if (loaded) break;
        const Errc code = loaded.error().code();
        const bool may_be_moving = code == Errc::corrupt || code == Errc::not_found;
        if (!may_be_moving || tries == read_tries_max) return loaded;
        engine_.forget_all();
    }
    engine_.watermarks_.raise_durable(engine_.sequencer_->last_position(),
                                      engine_.sequencer_->last_transaction());
    engine_.leases_->begin(engine_.monotonic_ns());
    return {};
}

/// The log file first, the catalog last: where there is a catalog, there is a log, and one that is
/// missing later is damage.
Result<void> Opening::create() {
    if (!engine_.options_.create) return no_catalog();
    auto leftovers = unfinished_creation();
    if (!leftovers) return leftovers.error();
    for (const std::string& name : *leftovers)
        if (auto removed = disk_.remove(name); !removed) return removed;
    const std::uint64_t random[2] = {disk_.random(), disk_.random()};
    Uuid uuid;
    std::memcpy(uuid.data(), random, sizeof random);
    wal::LogFiles files(disk_, engine_.log_sizes(), {});
    auto taken = files.take(files.next_capacity());
    if (!taken) return taken.error();
    auto writer = wal::LogWriter::begin(disk_, uuid, {}, std::move(*taken), 1);
    if (!writer) return writer.error();
    index::CatalogRecord empty;
    empty.kind = index::CatalogRecordKind::snapshot;
    index::CatalogEnd end;
    return write_catalog_file(disk_, empty, uuid, end);
}

Result<bool> Opening::is_unused_log(const std::string& name) {
    auto file = disk_.open(name, {});
    if (!file) return file.error();
    std::vector<std::byte> blocks(2 * io::block_bytes);
    auto read = (*file)->read(blocks, 0);
    if (!read) return read.error();
    const auto first_batch = Bytes(blocks).subspan(io::block_bytes);
    return std::all_of(first_batch.begin(), first_batch.end(),
                       [](std::byte byte) { return byte == std::byte{}; });
}

/// Why there is nothing to open: no store was ever made here, or its catalog is gone.
Error Opening::no_catalog() {
    auto leftovers = unfinished_creation();
    const bool is_store = !leftovers && leftovers.error().code() != Errc::invalid_argument;
    return is_store ? leftovers.error() : not_a_store("it has no catalog");
}

/// A creation that didn't come to its end leaves the lock, an empty log and part of a catalog.
/// Anything else in the directory is somebody's, and is left alone: a store's whose catalog is
/// gone (`corrupt`), or not a store's at all (`invalid_argument`).
Result<std::vector<std::string>> Opening::unfinished_creation() {
    auto files = disk_.list();
    if (!files) return files.error();
    std::vector<std::string> leftovers;
    for (const io::DirectoryEntry& file : *files) {
        if (file.name == "LOCK") continue;
        const StoreFile kind = store_file_kind(file.name);
        auto ours = kind == StoreFile::log ? is_unused_log(file.name)
                                           : Result<bool>(kind == StoreFile::unfinished_catalog ||
                                                          kind == StoreFile::unfinished_log);
        if (!ours) return ours.error();
        if (!*ours) return foreign(file.name, kind);
        leftovers.push_back(file.name);
    }
    return leftovers;
}

Result<void> Opening::load() {
    TableItems items(*engine_.table_);
    auto catalog = index::load_catalog(
        disk_, [this](const index::CatalogRecord& record) { return apply(record); }, items);
    if (!catalog) return catalog.error().code() == Errc::not_found ? no_catalog() : catalog.error();
    catalog_ = std::move(*catalog);
    if (auto whole = check_packs(); !whole) return whole;
    engine_.identify(catalog_.store);
    engine_.next_record_ = catalog_.end.next_record;
    const Storage& storage = *engine_.storage_;
    engine_.drained_position_ = storage.drained().value;
    engine_.sequencer_->restore(storage.drained(), storage.transaction(), storage.timestamp());
    auto scan = wal::scan_log(disk_, catalog_.store, storage.transaction().value,
                              [&](Bytes body, const std::string& file, std::uint64_t offset) {
                                  engine_.recovery_.recovered_bytes += body.size();
                                  return engine_.sequencer_->replay(body, storage.transaction(),
                                                                    file, offset);
                              });
    if (!scan) return of_torn_catalog(scan.error());
    scan_ = std::move(*scan);
    if (scan_.newest_number == 0)
        return Error(Errc::corrupt,
                     fmt::format("{}: there is a catalog, but no log file that was ever begun",
                                 index::catalog_name(catalog_.end.file)));
    const TransactionNumber last = engine_.sequencer_->last_transaction();
    // What is written next goes on behind what headers say.
    if (scan_.last_transaction() > last && !is_planted(PlantedFault::closed_file_unchecked))
        return Error(Errc::corrupt,
                     fmt::format("{}: headers of the log speak of transactions up to {}, "
                                 "what is in it ends with {}",
                                 wal::log_name(scan_.predecessor_slot), scan_.last_transaction(),
                                 last.value));
    engine_.recovery_.recovered_transactions = last - storage.transaction();
    engine_.recovery_.torn_bytes = scan_.torn_bytes;
    engine_.recovery_.torn_tail = scan_.torn_tail;
    engine_.recovery_.log_files = scan_.slots.size();
    for (const wal::LogSlot& slot : scan_.slots) engine_.recovery_.log_bytes += slot.capacity;
    return {};
}

/// Packs that were gathered are removed, so a catalog that has lost the record of it, at its end,
/// speaks of packs that are gone and not of the one that holds all they did. That one mustn't be
/// taken for an unfinished drain's, and be written over.
Result<void> Opening::check_packs() {
    const Storage& storage = *engine_.storage_;
    const auto files = disk_.list();
    if (!files) return files.error();
    std::set<std::uint64_t> there;
    std::string beyond;
    for (const io::DirectoryEntry& file : *files) {
        if (store_file_kind(file.name) != StoreFile::pack) continue;
        const std::uint64_t number = store_file_numbers(file.name).number;
        there.insert(number);
        if (number >= storage.next_pack()) beyond = file.name;
    }
    if (beyond.empty()) return {};
    for (const PackState& pack : storage.packs())
        if (!there.contains(pack.info.number))
            return Error(Errc::corrupt,
                         fmt::format("{} at offset {}: {}, which it speaks of, is missing, and {} "
                                     "isn't in it: its last record must be lost",
                                     index::catalog_name(catalog_.end.file), catalog_.end.offset,
                                     segment::pack_name(pack.info.number), beyond));
    return {};
}

/// A drain's record at the catalog's end that can't be read counts as torn, since the log has all
/// that it says. Where the log hasn't, that record is what is damaged.
Error Opening::of_torn_catalog(Error error) const {
    if (catalog_.torn_bytes == 0 || error.code() != Errc::corrupt) return error;
    return std::move(error).within(fmt::format(
        "{} at offset {}: the last {} bytes are no sound record, and the log doesn't make up for "
        "it",
        index::catalog_name(catalog_.end.file), catalog_.end.offset, catalog_.torn_bytes));
}

const char* Opening::check_names(const index::CatalogRecord& record) const {
    const bool are_next = record.next_space == engine_.table_->next_space() &&
                          record.next_segment == engine_.table_->next_segment();
    return are_next ? nullptr : "other names than it holds";
}

const char* Opening::apply_places(const index::CatalogRecord& record) {
    for (const segment::Piece& piece : record.pieces) {
        SegmentState* segment = engine_.table_->find(piece.segment);
        if (segment == nullptr) return "a piece of a segment that was never named";
        if (piece.last_sequence > segment->trimmed) segment->add_piece(piece);
    }
    for (const index::OrderSection& section : record.sections) {
        SpaceState* space = engine_.table_->find(section.space);
        if (space == nullptr) return "an order section of a space that was never named";
        if (record.kind == index::CatalogRecordKind::gather) continue;  // of what is known
        space->order = {section.records_before + section.records, section.followed_as()};
    }
    return nullptr;
}

const char* Opening::apply_consumers(const index::CatalogRecord& record) {
    for (const index::ConsumerUpdate& consumer : record.consumers) {
        if (consumer.epoch.value > record.transaction.value)
            return "a consumer that was taken over later";
        for (const index::CursorUpdate& cursor : consumer.cursors)
            if (cursor.position > record.cut) return "a consumer beyond the entries before it";
        engine_.consumers_->restore(consumer, record.transaction);
    }
    engine_.consumers_->restore_drained(record.transaction);
    return nullptr;
}

const char* Opening::apply_leases(const index::CatalogRecord& record) {
    for (const index::LeaseUpdate& lease : record.leases) {
        if (lease.token.value > record.transaction.value) return "a lease that was granted later";
        engine_.leases_->restore(lease, record.transaction);
    }
    engine_.leases_->restore_drained(record.transaction);
    return nullptr;
}

const char* Opening::apply_ids(const index::CatalogRecord& record) {
    TransactionNumber before = engine_.storage_->transaction();
    if (record.kind == index::CatalogRecordKind::snapshot) before = 0;
    engine_.ids_->reserve(record.noted.size());
    for (const index::NotedTransaction& noted : record.noted) {
        if (noted.transaction <= before || noted.transaction > record.transaction)
            return "a transaction's id out of order";
        if (noted.records > record.cut.value ||
            noted.first_position.value > record.cut.value - noted.records + 1 ||
            (noted.first_position == 0) != (noted.records == 0))
            return "a transaction with an id whose entries can't be";
        engine_.ids_->restore(noted);
        before = noted.transaction;
    }
    return nullptr;
}

Result<void> Opening::apply(const index::CatalogRecord& record) {
    const char* problem = impossible_number(record);
    if (problem == nullptr) problem = check_names(record);
    if (problem == nullptr) problem = engine_.storage_->gathering_problem(record);
    if (problem == nullptr) problem = apply_places(record);
    if (problem == nullptr) problem = apply_consumers(record);
    if (problem == nullptr) problem = apply_leases(record);
    if (problem == nullptr) problem = apply_ids(record);
    if (problem != nullptr)
        return Error(Errc::corrupt, fmt::format("the catalog speaks of {}", problem));
    engine_.storage_->add(record);
    for (const index::SegmentTrim& trim : record.trims) {
        if (engine_.table_->find(trim.segment) == nullptr)
            return Error(Errc::corrupt, "the catalog speaks of a trim of an unknown segment");
        apply_trim(trim, *engine_.table_, *engine_.storage_);
    }
    // Readers pass over a piece without bytes.
    for (const segment::Piece& piece : record.pieces)
        if (piece.frames_bytes == 0 &&
            engine_.table_->find(piece.segment)->trimmed < piece.last_sequence)
            return Error(Errc::corrupt, "the catalog speaks of an empty piece that isn't trimmed");
    return {};
}

/// Makes sure that what was read of the catalog is durable: it may have come from a cache that a
/// failed sync had given up.
Result<void> Opening::settle_catalog() {
    if (auto synced = disk_.sync_directory(); !synced) return synced;
    if (catalog_.doubtful.empty() || is_planted(PlantedFault::doubtful_catalog_trusted)) return {};
    auto file = disk_.open(index::catalog_name(catalog_.end.file), {.write = true});
    if (!file) return file.error();
    auto written =
        (*file)->write(catalog_.doubtful, catalog_.doubtful_offset, io::WriteMode::cached);
    if (!written) return written;
    return (*file)->sync();
}

Result<void> Opening::sync_log() {
    for (const wal::LogSlot& slot : scan_.slots) {
        if (!slot.needed && !slot.newest) continue;
        auto file = disk_.open(wal::log_name(slot.slot), {});
        if (!file) return file.error();
        if (auto synced = (*file)->sync(); !synced) return synced;
    }
    return {};
}

Result<void> Opening::begin_log() {
    log_files_.emplace(disk_, engine_.log_sizes(), scan_.slots);
    auto taken = log_files_->take(std::max(scan_.begin_bytes(), log_files_->next_capacity()));
    // A full disk must not keep a store from opening that has a small file left.
    if (!taken) taken = log_files_->take(scan_.begin_bytes());
    if (!taken) return taken.error();
    log_capacity_ = taken->capacity;
    auto writer = wal::LogWriter::begin(disk_, catalog_.store, scan_, std::move(*taken),
                                        engine_.options_.batches_in_flight);
    if (!writer) return writer.error();
    writer_ = std::move(*writer);
    log_files_->drained(engine_.storage_->transaction().value);
    return {};
}

/// Body files of earlier openings are never written to again, nor are their numbers used.
void Opening::begin_bodies(const std::vector<io::DirectoryEntry>& files) {
    const Storage& storage = *engine_.storage_;
    const auto undrained = undrained_body_files(*engine_.arena_, storage.drained());
    std::uint64_t next = storage.next_body_file();
    if (!undrained.empty()) next = std::max(next, *undrained.rbegin() + 1);
    for (const io::DirectoryEntry& file : files) {
        const std::uint64_t number = store_file_numbers(file.name).number;
        if (store_file_kind(file.name) == StoreFile::body &&
            number <= segment::body_file_number_max)
            next = std::max(next, number + 1);
    }
    remove_retired(disk_, files, *engine_.table_, storage, undrained);
    engine_.bodies_ = std::make_unique<BodyFiles>(disk_, engine_.options_, catalog_.store, next);
}

Result<void> Opening::start(Engine::Threads threads) {
    engine_.drain_queue_ = io::make_blocking_queue();
    engine_.watermarks_.raise_durable(engine_.sequencer_->last_position(),
                                      engine_.sequencer_->last_transaction());
    engine_.begin_commits(std::move(*log_files_), std::move(writer_), log_capacity_, threads);
    engine_.gather_ = std::make_unique<Gather>(GatherTarget{disk_, engine_.options_, catalog_.store,
                                                            engine_.store_seed_, *engine_.table_,
                                                            *engine_.storage_});
    engine_.drain_ = std::make_unique<Drain>(
        DrainTarget{disk_, engine_.options_, catalog_.store, engine_.store_seed_, *engine_.table_,
                    *engine_.consumers_, *engine_.leases_, *engine_.ids_, *engine_.arena_,
                    *engine_.storage_, engine_.watermarks_, engine_.group_->mutex,
                    *engine_.sequencer_},
        catalog_);
    if (threads == Engine::Threads::none) return {};
    engine_.threads_ = std::make_unique<EngineThreads>(engine_);
    return engine_.threads_->start();
}

}  // namespace braid
