#include <fmt/format.h>
#include <unistd.h>

#include <braid/store.hpp>

#include "tools/commands.h"
#include "tools/json_writer.h"

namespace braid::tools {

namespace {

std::uint64_t covered_bytes(const VerifyReport& report) {
    std::uint64_t sum = 0;
    for (const auto& file : report.files) sum += file.bytes;
    return sum;
}

void print_json(Buffer& out, const VerifyReport& report) {
    for (const auto& file : report.files) {
        JsonObject(out).words("file", file.name).number("bytes", file.bytes).end_line();
    }
    for (const std::string& file : report.unknown_files) {
        JsonObject(out).words("unknown_file", file).end_line();
    }
    for (const Damage& damage : report.damages) {
        JsonObject(out)
            .words("damaged_file", damage.file)
            .number("offset", damage.offset)
            .words("what", damage.what)
            .end_line();
    }
    JsonObject(out)
        .number("files", report.files.size())
        .number("bytes", covered_bytes(report))
        .number("records", report.records)
        .number("transactions", report.transactions)
        .number("damages", report.damages.size())
        .end_line();
}

void print_text(Buffer& out, const VerifyReport& report) {
    const auto print = [&](fmt::string_view format, const auto&... values) {
        fmt::vformat_to(std::back_inserter(out), format, fmt::make_format_args(values...));
    };
    for (const auto& file : report.files) print("{:<32} {:>14} bytes\n", file.name, file.bytes);
    for (const std::string& file : report.unknown_files) {
        print("{:<32} not a file of the store, not looked at\n", file);
    }
    for (const Damage& damage : report.damages) {
        print("damage in {} at offset {}: {}\n", damage.file, damage.offset, damage.what);
    }
    print("{} files, {} bytes, {} records in {} transactions: {}\n", report.files.size(),
          covered_bytes(report), report.records, report.transactions,
          report.damages.empty() ? std::string("no damage")
                                 : fmt::format("{} damaged places", report.damages.size()));
}

}  // namespace

int run_verify(const VerifyArguments& arguments) {
    const auto store = open_to_read(arguments.store);
    if (!store) return report(store.error());
    const auto found = store->verify();
    if (!found) return report(found.error());
    Output output(STDOUT_FILENO);
    (arguments.json ? print_json : print_text)(output.buffer(), *found);
    const ExitCode printed = output.finish();
    return found->damages.empty() ? printed : exit_damage;
}

}  // namespace braid::tools
