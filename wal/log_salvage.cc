#include "wal/log_salvage.h"

#include <fmt/format.h>

#include <algorithm>

#include "wal/log_files.h"
#include "wal/log_run.h"
#include "wal/log_writer.h"

namespace braid::wal {
namespace {

struct BegunFile {
    std::string name;
    std::vector<std::byte> bytes;
    LogFileHeader header;
};

class Salvager {
public:
    Salvager(io::Disk& disk, const Uuid& store, std::uint64_t drained, const LostBatch& lost)
        : disk_(disk), store_(store), drained_(drained), lost_(lost) {
        salvage_.scan.attested_transaction = drained;
    }

    Result<LogSalvage> run() {
        if (auto read = read_files(); !read) return read.error();
        if (auto walked = walk(); !walked) return walked.error();
        return std::move(salvage_);
    }

private:
    Result<void> read_files();
    Result<void> add(const std::string& name, std::vector<std::byte> bytes);
    Result<void> walk();
    [[nodiscard]] const BegunFile* base() const;
    [[nodiscard]] const BegunFile* successor(const BegunFile& file) const;
    [[nodiscard]] std::optional<Error> judge(const BegunFile& file, LogRun& run) const;
    void save(const LogRun& run);
    void cut(const BegunFile& file, std::uint64_t offset, std::string what);
    void lose_from(const BegunFile& file, std::uint64_t offset);

    io::Disk& disk_;
    const Uuid& store_;
    const std::uint64_t drained_;
    const LostBatch& lost_;
    std::vector<BegunFile> files_;  // numbers rise
    LogSalvage salvage_;
};

Result<void> Salvager::add(const std::string& name, std::vector<std::byte> bytes) {
    const bool whole = bytes.size() >= 2 * io::block_bytes && bytes.size() % io::block_bytes == 0;
    const auto header = decode_log_header(
        Bytes(bytes).first(std::min<std::size_t>(bytes.size(), io::block_bytes)), name);
    if (!header && header.error().code() == Errc::unsupported_version) return header.error();
    if (!header || (*header && (*header)->store != store_) || !whole) {
        salvage_.unreadable.push_back(name);
        // Cut short, it still has what stands before the cut.
        if (!header || !*header || (*header)->store != store_) return {};
    }
    if (!*header) return {};
    salvage_.begun.push_back(name);
    LogScan& scan = salvage_.scan;
    scan.newest_number = std::max(scan.newest_number, (*header)->number);
    scan.incarnation = std::max(scan.incarnation, (*header)->incarnation);
    files_.push_back({name, std::move(bytes), **header});
    return {};
}

Result<void> Salvager::read_files() {
    auto entries = disk_.list();
    if (!entries) return entries.error();
    for (const io::DirectoryEntry& entry : *entries) {
        if (log_slot(entry.name) == 0) continue;
        auto file = disk_.open(entry.name, {});
        if (!file) return file.error();
        auto bytes = io::read_whole(**file);
        if (!bytes) return bytes.error();
        if (auto added = add(entry.name, std::move(*bytes)); !added) return added;
    }
    std::sort(files_.begin(), files_.end(), [](const BegunFile& left, const BegunFile& right) {
        return left.header.number < right.header.number;
    });
    for (std::size_t i = 1; i < files_.size(); ++i)
        if (files_[i - 1].header.number == files_[i].header.number)
            return Error(Errc::corrupt,
                         fmt::format("{} and {}: both say that they are log file {}",
                                     files_[i - 1].name, files_[i].name, files_[i].header.number));
    return {};
}

/// The file that holds what the catalog needs next.
const BegunFile* Salvager::base() const {
    const auto found = std::find_if(files_.rbegin(), files_.rend(), [&](const BegunFile& file) {
        return file.header.first_transaction <= drained_ + 1;
    });
    return found == files_.rend() ? nullptr : &*found;
}

const BegunFile* Salvager::successor(const BegunFile& file) const {
    const auto found = std::find_if(files_.rbegin(), files_.rend(), [&](const BegunFile& other) {
        return other.header.predecessor == file.header.number;
    });
    return found == files_.rend() ? nullptr : &*found;
}

/// Reads the run of a file, and says why the log doesn't go on behind it as it should.
std::optional<Error> Salvager::judge(const BegunFile& file, LogRun& run) const {
    const BegunFile* next = successor(file);
    if (next == nullptr) {
        run = read_run(file.bytes, file.header, file.header.capacity);
        const auto tail = judge_tail(file.bytes, file.header, run, file.name);
        return tail ? std::nullopt : std::optional(tail.error());
    }
    const Close close = closed_by(file.header, next->header);
    run = read_run(file.bytes, file.header, close.end);
    const auto judged = judge_closed(run, close, file.name);
    if (judged) return std::nullopt;
    const bool may_lack_roll =
        close.roll && read_run(next->bytes, next->header, next->header.capacity).batches.empty();
    if (may_lack_roll && judge_closed(run, closed_before_roll(next->header), file.name))
        return std::nullopt;
    return judged.error();
}

void Salvager::save(const LogRun& run) {
    for (const LogRun::Placed& placed : run.batches) {
        const Batch& batch = placed.batch;
        if (batch.type != BatchType::data || batch.last_transaction <= salvage_.last_transaction())
            continue;
        salvage_.scan.carried.push_back(
            {batch.last_transaction, {batch.body.begin(), batch.body.end()}});
    }
}

/// Hands over the good batches of a file that nothing reaches any more.
void Salvager::lose_from(const BegunFile& file, std::uint64_t offset) {
    for (std::uint64_t at = offset; at < file.bytes.size(); at += io::block_bytes) {
        const BatchLook look = look_at_batch(file.bytes, at, file.header.seed());
        if (look.batch && look.batch->type == BatchType::data &&
            look.batch->last_transaction > salvage_.last_transaction())
            lost_(look.batch->body);
    }
}

void Salvager::cut(const BegunFile& file, std::uint64_t offset, std::string what) {
    salvage_.file = file.name;
    salvage_.offset = offset;
    salvage_.what = std::move(what);
    lose_from(file, offset);
    for (const BegunFile& other : files_)
        if (other.header.number > file.header.number) lose_from(other, io::block_bytes);
}

Result<void> Salvager::walk() {
    const BegunFile* file = base();
    if (file == nullptr) {
        if (files_.empty()) return {};
        cut(files_.front(), io::block_bytes,
            fmt::format("the log file that holds transaction {} is missing", drained_ + 1));
        return {};
    }
    for (;; file = successor(*file)) {
        LogRun run;
        const auto problem = judge(*file, run);
        save(run);
        if (problem) {
            cut(*file, run.end, problem->message());
            return {};
        }
        if (successor(*file) == nullptr) return {};
    }
}

}  // namespace

Result<LogSalvage> salvage_log(io::Disk& disk, const Uuid& store, std::uint64_t drained,
                               const LostBatch& lost) {
    return Salvager(disk, store, drained, lost).run();
}

Result<std::string> replace_log(io::Disk& disk, const Uuid& store, const LogSalvage& salvage) {
    auto entries = disk.list();
    if (!entries) return entries.error();
    // None of the files that are there is used again: they may hold what somebody wants to see.
    std::vector<LogSlot> slots;
    for (const io::DirectoryEntry& entry : *entries) {
        LogSlot slot;
        slot.slot = log_slot(entry.name);
        slot.capacity = entry.bytes;
        slot.needed = true;
        if (slot.slot != 0) slots.push_back(slot);
    }
    LogFiles files(disk, {}, slots);
    auto taken = files.take(salvage.scan.begin_bytes());
    if (!taken) return taken.error();
    const std::string name = log_name(taken->slot);
    auto writer = LogWriter::begin(disk, store, salvage.scan, std::move(*taken), 1);
    if (!writer) return writer.error();
    return name;
}

}  // namespace braid::wal
