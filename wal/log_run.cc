#include "wal/log_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/planted.h"

namespace braid::wal {
namespace {

Error damage(const std::string& name, std::uint64_t offset, std::string_view what) {
    return {Errc::corrupt, fmt::format("{}: at offset {}: {}", name, offset, what)};
}

/// Why a sound batch isn't the next one of its run; empty if it is.
std::string out_of_line(const Batch& batch, const LogRun& run) {
    if (batch.number != run.next_batch) {
        return fmt::format("batch number: expected {}, found {}", run.next_batch, batch.number);
    }
    if (batch.previous != run.last_checksum) {
        return fmt::format("checksum of the batch before: expected {:016x}, found {:016x}",
                           run.last_checksum, batch.previous);
    }
    return {};
}

/// What the sound batch headers behind the end of the newest file's run say.
struct Later {
    std::uint64_t durable_through = 0;
    std::uint64_t offset = 0;  ///< of the header that says so
    std::uint64_t end = 0;     ///< of the last one
};

/// From the end on, since what stands there may be a sound batch with a wrong number; then at every
/// block, since the length of a bad batch isn't known.
Later look_behind(Bytes file, const LogFileHeader& header, const LogRun& run) {
    Later later;
    for (std::uint64_t at = run.end; at < file.size(); at += io::block_bytes) {
        const auto batch = look_at_batch_header(file, at, header.seed());
        if (!batch || batch->number <= run.next_batch) continue;
        later.end = at + io::block_bytes;
        if (batch->durable_through <= later.durable_through) continue;
        later.durable_through = batch->durable_through;
        later.offset = at;
    }
    return later;
}

}  // namespace

LogRun read_run(Bytes file, const LogFileHeader& header, std::uint64_t limit) {
    LogRun run;
    run.next_batch = header.first_batch;
    run.last_checksum = header.previous_checksum;
    limit = std::min<std::uint64_t>(limit, file.size());
    while (run.end < limit) {
        BatchLook look = look_at_batch(file.first(limit), run.end, header.seed());
        if (look.batch && !is_planted(PlantedFault::stale_batch_accepted))
            look.problem = {run.end, out_of_line(*look.batch, run), false};
        run.problem = std::move(look.problem);
        run.out_of_line = look.batch && !run.problem.what.empty();
        if (!run.problem.what.empty()) return run;
        run.batches.push_back({run.end, *look.batch});
        run.end += look.batch->bytes();
        run.next_batch = look.batch->number + 1;
        run.last_checksum = look.batch->checksum;
    }
    run.ended = run.end == limit;
    if (!run.ended) run.problem = {limit, "the file ends", false};
    return run;
}

Result<Tail> judge_tail(Bytes file, const LogFileHeader& header, const LogRun& run,
                        const std::string& name) {
    for (const LogRun::Placed& placed : run.batches) {
        if (placed.batch.type != BatchType::roll) continue;  // N4
        return damage(name, placed.offset,
                      "the log goes on in a next file, but that file is missing");
    }
    Tail tail;
    const std::uint64_t missing = run.next_batch;
    if (header.carried_through >= missing) {  // N5
        return damage(name, run.problem.offset,
                      fmt::format("{}; the file's header attests this batch, number {}",
                                  run.ended ? "the file ends" : run.problem.what, missing));
    }
    const Later later = look_behind(file, header, run);
    if (later.durable_through >= missing) {  // N6
        return damage(name, run.problem.offset,
                      fmt::format("{}; the batch at offset {} attests this one, number {}",
                                  run.problem.what, later.offset, missing));
    }
    if (run.out_of_line) return damage(name, run.problem.offset, run.problem.what);  // N10
    tail.attested_through = std::max(header.carried_through, later.durable_through);
    for (const LogRun::Placed& placed : run.batches) {
        tail.attested_through = std::max(tail.attested_through, placed.batch.durable_through);
    }
    if (run.ended) return tail;  // N9
    tail.torn =
        later.end != 0 || look_at_batch_header(file, run.end, header.seed());  // N7, else N8
    tail.torn_end = tail.torn ? std::max(later.end, run.end + io::block_bytes) : run.end;
    return tail;
}

Close closed_by(const LogFileHeader& header, const LogFileHeader& successor) {
    return {successor.predecessor_end, successor.first_batch, successor.previous_checksum,
            header.incarnation == successor.incarnation};
}

Close closed_before_roll(const LogFileHeader& successor) {
    return {successor.predecessor_end - io::block_bytes, successor.first_batch - 1, std::nullopt,
            false};
}

Result<void> judge_closed(const LogRun& run, const Close& close, const std::string& name) {
    if (is_planted(PlantedFault::closed_file_unchecked)) return {};
    for (std::size_t i = 0; i < run.batches.size(); ++i) {
        const LogRun::Placed& placed = run.batches[i];
        const bool last = run.ended && i + 1 == run.batches.size();
        if (placed.batch.type == BatchType::roll && !(last && close.roll)) {
            return damage(name, placed.offset, "a roll where the log doesn't leave the file");
        }
    }
    if (!run.ended) {
        return damage(name, run.problem.offset,
                      fmt::format("{}; the next log file attests this one up to offset {}",
                                  run.problem.what, close.end));
    }
    const bool rolls = !run.batches.empty() && run.batches.back().batch.type == BatchType::roll;
    if (close.roll && !rolls) {
        return damage(name, close.end - io::block_bytes, "the roll is missing");
    }
    if (run.end != close.end) {
        return damage(name, run.end, fmt::format("expected batches up to offset {}", close.end));
    }
    if (run.next_batch != close.next_batch) {
        return damage(name, close.end,
                      fmt::format("next batch number: expected {}, found {}", close.next_batch,
                                  run.next_batch));
    }
    if (close.last_checksum && run.last_checksum != *close.last_checksum) {
        return damage(name, close.end,
                      fmt::format("checksum of the last batch: expected {:016x}, found {:016x}",
                                  *close.last_checksum, run.last_checksum));
    }
    return {};
}

}  // namespace braid::wal
