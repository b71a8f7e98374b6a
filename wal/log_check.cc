#include "wal/log_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "wal/log_run.h"

namespace braid::wal {
namespace {

/// A block that a writer is just writing may read as damaged: so often is it read again.
constexpr int reads_max = 4;

struct LogFile {
    std::string name;
    std::vector<std::byte> bytes;
    std::optional<LogFileHeader> header;
};

Result<LogFile> read_log_file(io::Disk& disk, const std::string& name) {
    auto file = disk.open(name, {});
    if (!file) return file.error();
    auto bytes = io::read_whole(**file);
    if (!bytes) return bytes.error();
    return LogFile{name, std::move(*bytes), std::nullopt};
}

/// Why the batches of a file are not what they must be; nullopt if they are.
std::optional<BatchProblem> judge(const LogFile& file, const LogFile* successor, LogRun& run) {
    const LogFileHeader& header = *file.header;
    if (successor == nullptr) {
        run = read_run(file.bytes, header, header.capacity);
        // A file that was rolled over, and whose successor is gone since: nothing in it is needed.
        if (!run.batches.empty() && run.batches.back().batch.type == BatchType::roll) return {};
        const auto tail = judge_tail(file.bytes, header, run, file.name);
        if (tail) return {};
        return BatchProblem{run.problem.offset, tail.error().message(), false};
    }
    const Close close = closed_by(header, *successor->header);
    run = read_run(file.bytes, header, close.end);
    auto judged = judge_closed(run, close, file.name);
    if (!judged && close.roll) {
        // Between the successor's header and the roll there may have been a crash.
        const Close before = closed_before_roll(*successor->header);
        LogRun shorter = read_run(file.bytes, header, before.end);
        const bool empty =
            read_run(successor->bytes, *successor->header, successor->header->capacity)
                .batches.empty();
        if (empty && judge_closed(shorter, before, file.name)) {
            run = std::move(shorter);
            return {};
        }
    }
    if (judged) return {};
    return BatchProblem{run.problem.offset, judged.error().message(), false};
}

Result<std::vector<LogFile>> read_all(io::Disk& disk) {
    auto entries = disk.list();
    if (!entries) return entries.error();
    std::vector<LogFile> files;
    for (const io::DirectoryEntry& entry : *entries) {
        if (log_slot(entry.name) == 0) continue;
        auto file = read_log_file(disk, entry.name);
        if (!file && file.error().code() == Errc::not_found) continue;  // removed meanwhile
        if (!file) return file.error();
        files.push_back(std::move(*file));
    }
    return files;
}

LogFileCheck check_file(const LogFile& file, const std::vector<LogFile>& all, const Uuid& store,
                        std::uint64_t drained) {
    // Of a file that was never begun, nothing but that is known.
    LogFileCheck check{file.name, std::min(file.bytes.size(), io::block_bytes), std::nullopt};
    if (!file.header) return check;
    if (file.header->store != store)
        check.problem = {0, "this log file belongs to another store", false};
    else if (file.bytes.size() < file.header->capacity)
        check.problem = {file.bytes.size(),
                         fmt::format("the file ends; expected {} bytes", file.header->capacity),
                         false};
    if (check.problem) return check;
    const auto successor = std::find_if(all.begin(), all.end(), [&](const LogFile& other) {
        return other.header && other.header->predecessor == file.header->number;
    });
    if (successor != all.end() && successor->header->first_transaction <= drained + 1) {
        check.bytes = io::block_bytes;  // a free slot (C2)
        return check;
    }
    LogRun run;
    check.problem = judge(file, successor == all.end() ? nullptr : &*successor, run);
    check.bytes = run.end;
    return check;
}

Result<std::vector<LogFileCheck>> check_once(io::Disk& disk, const Uuid& store,
                                             std::uint64_t drained) {
    auto files = read_all(disk);
    if (!files) return files.error();
    std::vector<LogFileCheck> checks;
    std::vector<std::optional<BatchProblem>> headers;
    for (LogFile& file : *files) {
        auto header = decode_log_header(
            Bytes(file.bytes).first(std::min(file.bytes.size(), io::block_bytes)), file.name);
        headers.emplace_back();
        if (header)
            file.header = *header;
        else
            headers.back() = BatchProblem{0, header.error().message(), false};
    }
    for (std::size_t i = 0; i < files->size(); ++i) {
        checks.push_back(check_file((*files)[i], *files, store, drained));
        if (headers[i]) checks.back().problem = headers[i];
    }
    return checks;
}

}  // namespace

Result<std::vector<LogFileCheck>> check_log(io::Disk& disk, const Uuid& store,
                                            std::uint64_t drained) {
    for (int reads = 1;; ++reads) {
        auto checks = check_once(disk, store, drained);
        if (!checks || reads == reads_max) return checks;
        const bool sound = std::none_of(checks->begin(), checks->end(),
                                        [](const LogFileCheck& check) { return check.problem; });
        if (sound) return checks;
    }
}

}  // namespace braid::wal
