#include "engine/repair.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/batch_contents.h"
#include "engine/engine.h"
#include "engine/io_options.h"
#include "engine/store_files.h"
#include "wal/log_check.h"
#include "wal/log_salvage.h"

namespace braid {
namespace {

/// An error in words as damage: it names its file.
Damage damage_of(const Error& error, const std::vector<io::DirectoryEntry>& files) {
    for (const io::DirectoryEntry& file : files)
        if (error.message().find(file.name) != std::string::npos)
            return {file.name, 0, error.message()};
    return {"", 0, error.message()};
}

class Repairer {
public:
    Repairer(std::shared_ptr<io::Disk> disk, const RepairOptions& options)
        : disk_(std::move(disk)), options_(options) {}

    Result<RepairReport> run();

private:
    Result<bool> load_catalog();
    Result<bool> mend_log();
    Result<void> set_unneeded_aside(const wal::LogScan& scan);
    Result<void> cut_log(const Error& why, const wal::LogSalvage& salvage);
    void tell_cut(const Error& why, const wal::LogSalvage& salvage);
    void tell_lost(const wal::LogSalvage& salvage, const BatchContents& lost);
    Result<void> rewrite_indexes();
    Result<void> rewrite(const Rewrite& rewrite);
    Result<void> look_again();
    Result<std::string> free_name(const std::string& name);
    Result<void> keep(const std::string& name);
    Result<void> set_aside(const std::string& name);
    Result<std::shared_ptr<Engine>> open() const;
    Result<bool> leave(const Error& error);

    std::shared_ptr<io::Disk> disk_;
    const RepairOptions options_;
    std::unique_ptr<io::Lock> lock_;
    index::LoadedCatalog catalog_;
    std::uint64_t drained_ = 0;
    BatchContents known_;  // of the catalog; and what the log saves
    std::set<std::string> kept_;
    RepairReport report_;
};

/// Damage that can't be mended goes into the report; other errors end the repair.
Result<bool> Repairer::leave(const Error& error) {
    if (error.code() != Errc::corrupt) return error;
    auto files = disk_->list();
    if (!files) return files.error();
    report_.left.push_back(damage_of(error, *files));
    return false;
}

Result<std::string> Repairer::free_name(const std::string& name) {
    auto files = disk_->list();
    if (!files) return files.error();
    for (std::uint64_t n = 1;; ++n) {
        std::string free = fmt::format("{}.damaged-{}", name, n);
        const bool taken = std::any_of(files->begin(), files->end(),
                                       [&](const auto& file) { return file.name == free; });
        if (!taken) return free;
    }
}

/// Copies a file as it is, durably, before anything of it is changed.
Result<void> Repairer::keep(const std::string& name) {
    if (!kept_.insert(name).second) return {};
    const auto copy_name = free_name(name);
    if (!copy_name) return copy_name.error();
    auto file = disk_->open(name, {});
    if (!file) return file.error();
    const auto bytes = io::read_whole(**file);
    if (!bytes) return bytes.error();
    auto copy = disk_->open(*copy_name, {.write = true, .create = true, .truncate = true});
    if (!copy) return copy.error();
    if (auto written = (*copy)->write(*bytes, 0, io::WriteMode::cached); !written) return written;
    if (auto synced = (*copy)->sync(); !synced) return synced;
    report_.kept.push_back(*copy_name);
    return disk_->sync_directory();
}

Result<void> Repairer::set_aside(const std::string& name) {
    const auto free = free_name(name);
    if (!free) return free.error();
    if (auto renamed = disk_->rename(name, *free); !renamed) return renamed;
    report_.kept.push_back(*free);
    return disk_->sync_directory();
}

Result<bool> Repairer::load_catalog() {
    auto loaded = index::load_catalog(*disk_, [this](const index::CatalogRecord& record) {
        for (const segment::Change& change : record.names) known_.note(change);
        drained_ = record.transaction.value;
        known_.last = record.cut;
        return Result<void>();
    });
    if (!loaded) return leave(loaded.error());
    catalog_ = std::move(*loaded);
    return true;
}

void Repairer::tell_cut(const Error& why, const wal::LogSalvage& salvage) {
    if (!salvage.file.empty())
        report_.changes.push_back({salvage.file, salvage.offset,
                                   fmt::format("{}; the log is cut here, behind transaction {}",
                                               salvage.what, salvage.last_transaction())});
    for (const std::string& name : salvage.unreadable)
        report_.changes.push_back(
            {name, 0, "not a sound log file; it is set aside, and what else it held isn't known"});
    if (report_.changes.empty())
        report_.changes.push_back({"", 0,
                                   fmt::format("{}; the log begins anew behind "
                                               "transaction {}",
                                               why.message(), salvage.last_transaction())});
}

void Repairer::tell_lost(const wal::LogSalvage& salvage, const BatchContents& lost) {
    const std::uint64_t seed = segment::store_seed(catalog_.store);
    for (const wal::CarriedBatch& batch : salvage.scan.carried) known_.note(batch.body, seed);
    report_.lost_from = known_.last + 1;
    report_.lost_through = lost.last > known_.last ? lost.last : Position(0);
    report_.lost_consumers.assign(lost.consumers.begin(), lost.consumers.end());
    report_.lost_leases.assign(lost.leases.begin(), lost.leases.end());
    report_.lost_ids = lost.ids;
    BatchContents names = known_;
    names.segment_names.insert(lost.segment_names.begin(), lost.segment_names.end());
    names.space_names.insert(lost.space_names.begin(), lost.space_names.end());
    for (const std::uint64_t id : lost.segments) {
        const segment::SegmentNamed& named = names.segment_names[id];
        report_.lost_segments.push_back({names.space_names[named.space.value], named.name});
    }
}

Result<void> Repairer::cut_log(const Error& why, const wal::LogSalvage& salvage) {
    tell_cut(why, salvage);
    if (options_.dry_run) return {};
    // From here on a repair that begins anew finds the same, and goes on.
    if (auto replaced = wal::replace_log(*disk_, catalog_.store, salvage); !replaced)
        return replaced.error();
    std::set<std::string> old(salvage.begun.begin(), salvage.begun.end());
    old.insert(salvage.unreadable.begin(), salvage.unreadable.end());
    for (const std::string& name : old)
        if (auto aside = set_aside(name); !aside) return aside;
    return {};
}

/// Damaged log files that nothing needs any more only keep verify from being content.
Result<void> Repairer::set_unneeded_aside(const wal::LogScan& scan) {
    const auto checks = wal::check_log(*disk_, catalog_.store, drained_);
    if (!checks) return checks.error();
    for (const wal::LogFileCheck& check : *checks) {
        const auto slot = std::find_if(
            scan.slots.begin(), scan.slots.end(),
            [&](const wal::LogSlot& one) { return wal::log_name(one.slot) == check.name; });
        const bool needed = slot == scan.slots.end() || slot->needed || slot->newest;
        if (!check.problem || needed) continue;
        report_.changes.push_back(
            {check.name, check.problem->offset,
             fmt::format("{}; nothing needs this log file any more: it is set aside",
                         check.problem->what)});
        if (options_.dry_run) continue;
        if (auto aside = set_aside(check.name); !aside) return aside;
    }
    return {};
}

/// True if the log is sound, or mended.
Result<bool> Repairer::mend_log() {
    const auto scan =
        wal::scan_log(*disk_, catalog_.store, drained_,
                      [](Bytes, const std::string&, std::uint64_t) { return Result<void>(); });
    if (scan && scan->newest_number != 0) {
        const auto done = set_unneeded_aside(*scan);
        return done ? Result<bool>(true) : Result<bool>(done.error());
    }
    const Error why =
        scan ? Error(Errc::corrupt, "there is no log file that was ever begun") : scan.error();
    if (why.code() != Errc::corrupt) return why;
    if (catalog_.torn_bytes != 0) {
        // What its last record said may be what the log can't: nobody knows what is missing.
        report_.left.push_back({index::catalog_name(catalog_.end.file), catalog_.end.offset,
                                fmt::format("the last {} bytes are no sound record, and the log "
                                            "doesn't make up for it: {}",
                                            catalog_.torn_bytes, why.message())});
        return false;
    }
    BatchContents lost;
    const std::uint64_t seed = segment::store_seed(catalog_.store);
    const auto salvage = wal::salvage_log(*disk_, catalog_.store, drained_,
                                          [&](Bytes body) { lost.note(body, seed); });
    if (!salvage) return leave(salvage.error());
    tell_lost(*salvage, lost);
    if (auto cut = cut_log(why, *salvage); !cut) return cut.error();
    return !options_.dry_run;
}

Result<std::shared_ptr<Engine>> Repairer::open() const {
    Options options;
    options.read_only = true;
    options.read_mode = ReadMode::copied;
    return Engine::open(disk_, options, Engine::Threads::none);
}

Result<void> Repairer::rewrite(const Rewrite& rewrite) {
    report_.changes.push_back(
        {rewrite.file, rewrite.offset,
         fmt::format("{} is damaged; it is made again from the frames", rewrite.what)});
    if (options_.dry_run) return {};
    if (auto kept = keep(rewrite.file); !kept) return kept;
    auto file = disk_->open(rewrite.file, {.write = true});
    if (!file) return file.error();
    if (auto written = (*file)->write(rewrite.bytes, rewrite.offset, io::WriteMode::cached);
        !written)
        return written;
    return (*file)->sync();
}

Result<void> Repairer::rewrite_indexes() {
    const auto engine = open();
    if (!engine)
        return leave(engine.error()).has_error() ? Result<void>(engine.error()) : Result<void>();
    const auto rewrites = (*engine)->plan_rewrites();
    if (!rewrites) return rewrites.error();
    for (const Rewrite& one : *rewrites)
        if (auto done = rewrite(one); !done) return done;
    return {};
}

/// What verify finds now, but for what a dry run has told of already.
Result<void> Repairer::look_again() {
    if (!report_.left.empty()) return {};
    const auto engine = open();
    if (!engine) return engine.error();
    const auto report = (*engine)->verify();
    if (!report) return report.error();
    for (const Damage& damage : report->damages) {
        const auto& changes = report_.changes;
        const bool told = options_.dry_run &&
                          std::any_of(changes.begin(), changes.end(), [&](const auto& change) {
                              return change.file == damage.file && change.offset == damage.offset;
                          });
        if (!told) report_.left.push_back(damage);
    }
    return {};
}

Result<RepairReport> Repairer::run() {
    auto files = disk_->list();
    if (!files) return files.error();
    if (index::catalog_numbers(*files).empty()) {
        // The error that opening gives tells whether there was a store.
        if (auto engine = open(); !engine && engine.error().code() != Errc::corrupt)
            return engine.error();
        else if (!engine)
            static_cast<void>(leave(engine.error()));
        return std::move(report_);
    }
    const auto wait = std::chrono::nanoseconds(options_.lock_wait).count();
    auto lock = disk_->lock("LOCK", static_cast<std::uint64_t>(wait));
    if (!lock) return lock.error();
    lock_ = std::move(*lock);
    auto go_on = load_catalog();
    if (go_on && *go_on) go_on = mend_log();
    if (!go_on) return go_on.error();
    if (*go_on) {
        if (auto done = rewrite_indexes(); !done) return done.error();
        if (auto done = look_again(); !done) return done.error();
    }
    return std::move(report_);
}

}  // namespace

Result<RepairReport> repair(std::shared_ptr<io::Disk> disk, const RepairOptions& options) {
    return Repairer(std::move(disk), options).run();
}

Result<RepairReport> repair(const std::string& directory, const RepairOptions& options) {
    auto disk = io::open_disk(directory, backend_of(options.io), false);
    if (!disk) return disk.error();
    auto done = repair(std::shared_ptr<io::Disk>(std::move(*disk)), options);
    if (!done) return done.error().within(directory);
    return done;
}

}  // namespace braid
