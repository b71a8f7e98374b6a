#include <fmt/format.h>

#include <algorithm>

#include "tools/dump_items.h"
#include "wal/log_run.h"

namespace braid::tools {

namespace {

std::string_view name_of(wal::BatchType type) {
    switch (type) {
        case wal::BatchType::data:
            return "data";
        case wal::BatchType::seal:
            return "seal";
        case wal::BatchType::roll:
            return "roll";
    }
    return "unknown";
}

void dump_log_header(DumpContext& context, const DumpFile& file, const wal::LogFileHeader& header) {
    context.printer.line(file.name, 0, "log")
        .number("number", header.number)
        .number("incarnation", header.incarnation)
        .checksum("salt", header.salt)
        .number("capacity", header.capacity)
        .number("predecessor", header.predecessor)
        .number("predecessor_end", header.predecessor_end)
        .number("first_batch", header.first_batch)
        .checksum("previous_checksum", header.previous_checksum)
        .number("carried_through", header.carried_through)
        .number("first_transaction", header.first_transaction)
        .end();
}

/// `beyond`: it stands where it doesn't count.
void dump_batch(DumpContext& context, const DumpFile& file, std::uint64_t offset,
                const wal::Batch& batch, bool beyond) {
    context.printer.line(file.name, offset, "batch")
        .number("number", batch.number)
        .words("type", name_of(batch.type))
        .number("body_bytes", batch.body.size())
        .number("last_transaction", batch.last_transaction)
        .number("durable_through", batch.durable_through)
        .checksum("checksum", batch.checksum)
        .checksum("previous", batch.previous)
        .flag("does_not_count", beyond)
        .end();
    const std::uint64_t body = offset + wal::batch_header_bytes;
    dump_items(context, file, body, body + batch.body.size());
}

const wal::LogFileHeader* successor_of(const DumpContext& context,
                                       const wal::LogFileHeader& header) {
    const auto found =
        std::ranges::find(context.logs, header.number, &wal::LogFileHeader::predecessor);
    return found == context.logs.end() ? nullptr : &*found;
}

bool is_newest(const DumpContext& context, const wal::LogFileHeader& header) {
    return std::ranges::none_of(context.logs,
                                [&](const auto& other) { return other.number > header.number; });
}

/// How the run of batches ends, judged as recovery judges it: an error is damage.
struct Ending {
    std::uint64_t offset = 0;
    std::string what;  ///< for a note
    Result<void> verdict;
};

Ending judge_end(const DumpContext& context, const DumpFile& file, const wal::LogFileHeader& header,
                 const wal::LogRun& run) {
    if (const auto* successor = successor_of(context, header)) {
        Ending closed{run.end, "goes on in the next file", {}};
        if (wal::judge_closed(run, wal::closed_before_roll(*successor), file.name)) return closed;
        // An opening that didn't come to its end may have written into it.
        if (context.has_catalog && successor->first_transaction <= context.drained + 1)
            return {run.end, "the catalog has all that was here", {}};
        closed.verdict = wal::judge_closed(run, wal::closed_by(header, *successor), file.name);
        if (!closed.verdict) closed.offset = run.problem.offset;
        return closed;
    }
    if (!is_newest(context, header)) {
        return {run.end, "the log has no further use for what follows", {}};
    }
    const auto tail = wal::judge_tail(file.bytes(), header, run, file.name);
    if (!tail) return {run.problem.offset, "", tail.error()};
    if (!tail->torn) return {run.end, "end of the log", {}};
    return {run.problem.offset,
            fmt::format("never acknowledged, cut at the next opening: {}", run.problem.what),
            {}};
}

void print_end(DumpContext& context, const DumpFile& file, const Ending& ending) {
    if (ending.verdict) {
        context.printer.note(file.name, ending.offset, ending.what);
    } else {
        context.printer.problem(file.name, ending.offset, ending.verdict.error().message());
    }
}

/// The batches that count.
wal::LogRun run_of(const DumpContext& context, const DumpFile& file,
                   const wal::LogFileHeader& header) {
    const auto* successor = successor_of(context, header);
    const std::uint64_t size = file.content.size();
    return wal::read_run(file.bytes(), header,
                         successor == nullptr ? size : std::min(successor->predecessor_end, size));
}

/// Prints what stands behind the run and was written as this file's, whole or not.
void dump_beyond(DumpContext& context, const DumpFile& file, const wal::LogFileHeader& header,
                 std::uint64_t from) {
    for (std::uint64_t offset = from; offset < file.content.size() && context.printer.good();) {
        const auto head = wal::look_at_batch_header(file.bytes(), offset, header.seed());
        const auto look = wal::look_at_batch(file.bytes(), offset, header.seed());
        if (look.batch) {
            dump_batch(context, file, offset, *look.batch, true);
            offset += look.batch->bytes();
            continue;
        }
        if (head) {
            dump_batch(context, file, offset, *head, true);
            context.printer.note(file.name, look.problem.offset, look.problem.what);
        }
        offset += io::block_bytes;
    }
}

}  // namespace

bool log_is_sound(const DumpContext& context, const DumpFile& file) {
    const auto header = wal::decode_log_header(file.bytes(), file.name);
    if (!header || !*header) return header.has_value();
    const wal::LogRun run = run_of(context, file, **header);
    return judge_end(context, file, **header, run).verdict.has_value();
}

void dump_log(DumpContext& context, const DumpFile& file) {
    const auto header = wal::decode_log_header(file.bytes(), file.name);
    if (!header) return context.printer.problem(file.name, 0, header.error().message());
    if (!*header) return context.printer.note(file.name, 0, "a log file that was never begun");
    dump_log_header(context, file, **header);

    const wal::LogRun run = run_of(context, file, **header);
    for (const auto& placed : run.batches) {
        if (!context.printer.good()) return;
        dump_batch(context, file, placed.offset, placed.batch, false);
    }
    print_end(context, file, judge_end(context, file, **header, run));
    dump_beyond(context, file, **header, run.end);
}

}  // namespace braid::tools
