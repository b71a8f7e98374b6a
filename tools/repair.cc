#include <unistd.h>

#include <braid/repair.hpp>

#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/json_writer.h"

namespace braid::tools {
namespace {

void print(Buffer& out, const RepairReport& report, bool dry_run) {
    for (const auto& change : report.changes)
        JsonObject(out)
            .words("file", change.file)
            .number("offset", change.offset)
            .words(dry_run ? "would_do" : "done", change.what)
            .end_line();
    for (const std::string& name : report.kept) JsonObject(out).words("kept", name).end_line();
    if (report.lost_from != 0)
        JsonObject(out)
            .number("lost_from_position", report.lost_from.value)
            .number("known_through_position", report.lost_through.value)
            .end_line();
    for (const auto& lost : report.lost_segments)
        JsonObject(out)
            .bytes("space", lost.space)
            .bytes("segment", lost.segment)
            .boolean("loses_entries", true)
            .end_line();
    for (const std::string& name : report.lost_consumers)
        JsonObject(out).bytes("consumer", name).boolean("loses_changes", true).end_line();
    for (const std::string& key : report.lost_leases)
        JsonObject(out).bytes("lease", key).boolean("loses_changes", true).end_line();
    if (report.lost_ids != 0)
        JsonObject(out).number("lost_transaction_ids", report.lost_ids).end_line();
    for (const Damage& damage : report.left)
        JsonObject(out)
            .words("damaged_file", damage.file)
            .number("offset", damage.offset)
            .words("not_repairable", damage.what)
            .end_line();
    JsonObject(out)
        .boolean("dry_run", dry_run)
        .number("changes", report.changes.size())
        .number("left", report.left.size())
        .end_line();
}

}  // namespace

int run_repair(const RepairArguments& arguments) {
    RepairOptions options;
    options.dry_run = arguments.dry_run;
    options.io = arguments.store.io;
    const auto done = repair(arguments.store.directory, options);
    if (!done) return report(done.error());
    Output output(STDOUT_FILENO);
    print(output.buffer(), *done, arguments.dry_run);
    const ExitCode printed = output.finish();
    const bool damaged = !done->left.empty() || (arguments.dry_run && !done->changes.empty());
    return damaged ? exit_damage : printed;
}

}  // namespace braid::tools
