#include "wal/recovery.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/planted.h"
#include "wal/log_run.h"

namespace braid::wal {
namespace {

/// A log file with a sound header.
struct Found {
    std::string name;
    std::uint64_t bytes = 0;
    std::size_t slot_index = 0;  // in LogScan::slots
    LogFileHeader header;
};

Error corrupt(std::string sentence) {
    return {Errc::corrupt, std::move(sentence)};
}

class Scanner {
public:
    Scanner(io::Disk& disk, const Uuid& store, std::uint64_t drained, const ApplyBatch& apply)
        : disk_(disk), store_(store), drained_(drained), apply_(apply) {}

    Result<LogScan> run() {
        scan_.attested_transaction = drained_;
        for (const auto& step :
             {&Scanner::find_files, &Scanner::find_chain, &Scanner::judge_newest,
              &Scanner::replay_closed, &Scanner::replay_newest, &Scanner::judge_end}) {
            if (auto done = (this->*step)(); !done) return done.error();
        }
        return std::move(scan_);
    }

private:
    Result<void> find_files();
    Result<void> add_file(const io::DirectoryEntry& entry, std::uint32_t slot);
    Result<std::optional<LogFileHeader>> read_header(const io::DirectoryEntry& entry);
    Result<void> judge_number(const Found& file);
    Result<void> find_chain();
    Result<void> judge_newest();
    [[nodiscard]] bool stands_alone(const Found& file) const {
        return file.header.first_transaction <= drained_ + 1;
    }
    Result<void> replay_closed();
    Result<void> replay_closed_file(const Found& file, const Close& close);
    Result<void> replay_newest();
    Result<void> judge_end();
    void note_tail();
    Result<std::vector<std::byte>> read_file(const Found& file);
    Result<void> apply(const LogRun::Placed& placed, const std::string& name);
    void count(const Found& file, std::uint64_t last_transaction);
    void end_chain(const Found& file, std::uint64_t end, std::uint64_t next_batch,
                   std::uint64_t last_checksum);

    io::Disk& disk_;
    const Uuid& store_;
    const std::uint64_t drained_;
    const ApplyBatch& apply_;
    LogScan scan_;
    std::vector<Found> files_;         // numbers fall
    std::vector<const Found*> chain_;  // newest first
    std::vector<std::byte> newest_bytes_;
    LogRun newest_run_;
    Tail newest_tail_;
    std::uint64_t last_transaction_ = 0;  // that the log is known to have reached
    std::optional<LogFileHeader>
        dropped_;  // the newest file, where it isn't part of the chain (C3)
};

Result<std::optional<LogFileHeader>> Scanner::read_header(const io::DirectoryEntry& entry) {
    if (entry.bytes < 2 * io::block_bytes || entry.bytes % io::block_bytes != 0) {  // F2
        return corrupt(
            fmt::format("{}: a log file is at least two whole blocks of {} bytes, found {} "
                        "bytes",
                        entry.name, io::block_bytes, entry.bytes));
    }
    auto file = disk_.open(entry.name, {});
    if (!file) return file.error();  // F1
    std::vector<std::byte> block(io::block_bytes);
    const auto count = (*file)->read(block, 0);
    if (!count) return count.error();  // F1
    block.resize(*count);
    auto header = decode_log_header(block, entry.name);  // F3, F4, F5
    if (!header || !*header) return header;
    if ((*header)->store != store_) {  // F6
        return corrupt(fmt::format("{}: this log file belongs to another store", entry.name));
    }
    return header;
}

Result<void> Scanner::add_file(const io::DirectoryEntry& entry, std::uint32_t slot) {
    auto header = read_header(entry);
    if (!header) return header.error();
    scan_.slots.push_back({slot, entry.bytes, 0, 0, false, false});
    if (!*header) return {};  // F3
    files_.push_back({entry.name, entry.bytes, scan_.slots.size() - 1, **header});
    scan_.slots.back().number = (*header)->number;
    scan_.newest_number = std::max(scan_.newest_number, (*header)->number);
    scan_.incarnation = std::max(scan_.incarnation, (*header)->incarnation);
    return {};
}

Result<void> Scanner::find_files() {
    auto entries = disk_.list();
    if (!entries) return entries.error();
    for (const io::DirectoryEntry& entry : *entries) {
        const std::uint32_t slot = log_slot(entry.name);
        if (slot == 0) continue;
        if (auto added = add_file(entry, slot); !added) return added;
    }
    std::sort(files_.begin(), files_.end(), [](const Found& left, const Found& right) {
        return left.header.number > right.header.number;
    });
    for (std::size_t i = 1; i < files_.size(); ++i) {
        if (files_[i - 1].header.number != files_[i].header.number) continue;  // F7
        return corrupt(fmt::format("{} and {}: both say that they are log file {}",
                                   files_[i - 1].name, files_[i].name, files_[i].header.number));
    }
    return {};
}

/// The newest file and those before it, as far down as transactions are needed.
Result<void> Scanner::find_chain() {
    if (files_.empty()) return {};  // C1
    chain_.push_back(&files_.front());
    while (!stands_alone(*chain_.back())) {
        const Found& file = *chain_.back();
        const std::uint64_t number = file.header.predecessor;
        const auto found = std::find_if(files_.begin(), files_.end(), [&](const Found& other) {
            return number != 0 && other.header.number == number;
        });
        if (found == files_.end()) {  // C4
            return corrupt(
                fmt::format("{}: the log doesn't reach down to transaction {}: this file "
                            "begins at transaction {}, and log file {} before it is missing",
                            file.name, drained_ + 1, file.header.first_transaction, number));
        }
        if (found->header.incarnation > file.header.incarnation) {
            return corrupt(fmt::format("{}: incarnation {}, but the log file before it, {}, has {}",
                                       file.name, file.header.incarnation, found->name,
                                       found->header.incarnation));
        }
        chain_.push_back(&*found);
    }
    return {};
}

Result<std::vector<std::byte>> Scanner::read_file(const Found& file) {
    auto opened = disk_.open(file.name, {});
    if (!opened) return opened.error();  // C6
    auto bytes = io::read_whole(**opened);
    if (!bytes) return bytes.error();            // C6
    if (bytes->size() < file.header.capacity) {  // C5
        return corrupt(fmt::format("{}: at offset {}: the file ends; expected {} bytes", file.name,
                                   bytes->size(), file.header.capacity));
    }
    bytes->resize(file.header.capacity);
    scan_.scanned_bytes += bytes->size();
    return bytes;
}

Result<void> Scanner::judge_newest() {
    if (chain_.empty()) return {};
    const Found& file = *chain_.front();
    auto bytes = read_file(file);
    if (!bytes) return bytes.error();
    newest_bytes_ = std::move(*bytes);
    newest_run_ = read_run(newest_bytes_, file.header, file.header.capacity);
    const auto tail = judge_tail(newest_bytes_, file.header, newest_run_, file.name);
    if (!tail) return tail.error();
    newest_tail_ = *tail;
    note_tail();
    // C3. The roll may be missing, or have been read only from a cache: so it is not relied upon.
    if (newest_run_.batches.empty() && chain_.size() > 1 &&
        chain_[1]->header.incarnation == file.header.incarnation) {
        dropped_ = file.header;
        scan_.slots[file.slot_index].newest = true;  // without it a roll would lack its successor
        chain_.erase(chain_.begin());
    }
    return {};
}

void Scanner::note_tail() {
    if (!newest_tail_.torn) return;
    scan_.torn_bytes = newest_tail_.torn_end - newest_run_.end;
    scan_.torn_tail = fmt::format("{}: at offset {}: {}", chain_.front()->name,
                                  newest_run_.problem.offset, newest_run_.problem.what);
}

Result<void> Scanner::apply(const LogRun::Placed& placed, const std::string& name) {
    const Batch& batch = placed.batch;
    if (batch.type != BatchType::data || batch.last_transaction <= drained_) return {};
    return apply_(batch.body, name, placed.offset);
}

/// A file is kept as long as one below it is needed, even if it holds no batch: the chain leads
/// through its header.
void Scanner::count(const Found& file, std::uint64_t last_transaction) {
    LogSlot& slot = scan_.slots[file.slot_index];
    slot.last_transaction = std::max(last_transaction, file.header.first_transaction - 1);
    slot.needed = slot.last_transaction > drained_;
    scan_.attested_transaction = std::max(scan_.attested_transaction, slot.last_transaction);
    last_transaction_ = std::max(last_transaction_, slot.last_transaction);
}

void Scanner::end_chain(const Found& file, std::uint64_t end, std::uint64_t next_batch,
                        std::uint64_t last_checksum) {
    scan_.predecessor = file.header.number;
    scan_.predecessor_slot = scan_.slots[file.slot_index].slot;
    scan_.slots[file.slot_index].newest = true;
    scan_.attested_end = end;
    scan_.next_batch = next_batch;
    scan_.last_checksum = last_checksum;
}

Result<void> Scanner::replay_closed_file(const Found& file, const Close& close) {
    if (close.end < io::block_bytes || close.end > file.header.capacity) {
        return corrupt(
            fmt::format("{}: the next log file says that this one ends at offset {}, but "
                        "its capacity is {}",
                        file.name, close.end, file.header.capacity));
    }
    const auto bytes = read_file(file);
    if (!bytes) return bytes.error();
    const LogRun run = read_run(*bytes, file.header, close.end);
    if (auto judged = judge_closed(run, close, file.name); !judged) return judged;
    for (const LogRun::Placed& placed : run.batches) {
        if (auto applied = apply(placed, file.name); !applied) return applied;
    }
    count(file, run.batches.empty() ? 0 : run.batches.back().batch.last_transaction);
    end_chain(file, run.end, run.next_batch, run.last_checksum);
    scan_.slots[file.slot_index].newest = false;
    scan_.slots[file.slot_index].needed = true;  // the next file doesn't stand alone
    return {};
}

Result<void> Scanner::replay_closed() {
    const std::size_t open = dropped_ || chain_.empty() ? 0 : 1;
    for (std::size_t i = chain_.size(); i-- > open;) {
        const Close close = i != 0 ? closed_by(chain_[i]->header, chain_[i - 1]->header)
                                   : closed_before_roll(*dropped_);
        if (auto done = replay_closed_file(*chain_[i], close); !done) return done;
    }
    if (dropped_) scan_.slots[chain_.front()->slot_index].newest = true;
    return {};
}

Result<void> Scanner::replay_newest() {
    if (chain_.empty() || dropped_) return {};
    const Found& file = *chain_.front();
    const LogFileHeader& header = file.header;
    std::uint64_t last_transaction = 0;
    end_chain(file, io::block_bytes, header.first_batch, header.previous_checksum);
    for (const LogRun::Placed& placed : newest_run_.batches) {
        const Batch& batch = placed.batch;
        if (auto applied = apply(placed, file.name); !applied) return applied;  // N1, N2
        last_transaction_ = std::max(last_transaction_, batch.last_transaction);
        if (batch.number <= newest_tail_.attested_through ||
            is_planted(PlantedFault::recovered_not_rewritten)) {
            last_transaction = batch.last_transaction;
            end_chain(file, placed.offset + batch.bytes(), batch.number + 1, batch.checksum);
        } else if (batch.type == BatchType::data && batch.last_transaction > drained_) {  // N2
            scan_.carried.push_back(
                {batch.last_transaction, {batch.body.begin(), batch.body.end()}});
        }
    }
    count(file, last_transaction);
    // A batch is written once its file's header is durable; the carried ones were there before.
    const bool proven = newest_run_.next_batch > header.carried_through + 1;
    if (!proven)
        scan_.doubtful_header.assign(newest_bytes_.begin(),
                                     newest_bytes_.begin() + io::block_bytes);
    return {};
}

/// Only what is durable in the log is drained, and the newest file stays: so a log that ends before
/// the catalog does has lost its end, or is older than the catalog.
Result<void> Scanner::judge_end() {
    if (chain_.empty() || last_transaction_ >= drained_) return {};  // N11
    const std::uint64_t end = dropped_ ? scan_.attested_end : newest_run_.end;
    return corrupt(
        fmt::format("{}: at offset {}: the log ends with transaction {}, but the catalog "
                    "attests those up to {}",
                    chain_.front()->name, end, last_transaction_, drained_));
}

}  // namespace

std::uint64_t LogScan::begin_bytes() const noexcept {
    std::uint64_t bytes = 2 * io::block_bytes;
    for (const CarriedBatch& batch : carried) bytes += batch_bytes(batch.body.size());
    return bytes;
}

std::uint64_t LogScan::last_transaction() const noexcept {
    return carried.empty() ? attested_transaction
                           : std::max(attested_transaction, carried.back().last_transaction);
}

Result<LogScan> scan_log(io::Disk& disk, const Uuid& store, std::uint64_t drained,
                         const ApplyBatch& apply) {
    return Scanner(disk, store, drained, apply).run();
}

}  // namespace braid::wal
