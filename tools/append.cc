#include <fmt/format.h>
#include <unistd.h>

#include <braid/store.hpp>

#include "tools/commands.h"
#include "tools/json_writer.h"
#include "tools/line_reader.h"

namespace braid::tools {

namespace {

void print_receipt(Output& output, const AppendArguments& arguments, const Receipt& receipt) {
    JsonObject(output.buffer())
        .bytes("space", arguments.space)
        .bytes("segment", arguments.segment)
        .number("sequence", receipt.segments.front().first.value)
        .number("position", receipt.first_position.value)
        .number("timestamp", receipt.timestamp.value)
        .number("transaction", receipt.transaction.value)
        .end_line();
}

void add_conditions(const AppendArguments& arguments, Transaction& transaction) {
    for (const auto& [space, segment, sequence] : arguments.if_last)
        transaction.require(space, segment, expect::last(sequence));
    for (const auto& [space, segment, position] : arguments.if_untouched)
        transaction.require(space, segment, expect::untouched(position));
    for (const auto& [consumer, space, position] : arguments.if_consumer)
        transaction.require_consumer(consumer, space, position);
}

/// Each line is a durable commit of its own, told at once: whoever pipes lines in sees what is
/// safe.
Result<void> append_lines(const AppendArguments& arguments, Store& store, LineReader& lines,
                          Output& output) {
    auto expected = arguments.expect;
    Transaction transaction = store.begin();
    for (;;) {
        const auto line = lines.next();
        if (!line) return line.error();
        if (!*line) return {};
        AppendOptions options;
        if (expected) options.expect = expect::sequence((*expected)++);
        add_conditions(arguments, transaction);
        const auto receipt =
            transaction.append(arguments.space, arguments.segment, **line, options).commit();
        if (!receipt) {
            return receipt.error().within(fmt::format("{}:{}", lines.name(), lines.line()));
        }
        print_receipt(output, arguments, *receipt);
        if (!output.flush()) return {};
    }
}

}  // namespace

int run_append(const AppendArguments& arguments) {
    Options options;
    options.create = true;
    options.io = arguments.store.io;
    options.metrics_interval = command_metrics_interval;
    auto store = Store::open(arguments.store.directory, options);
    if (!store) return report(store.error());

    LineReader lines(STDIN_FILENO, "stdin", options.record_bytes_max + 1);
    Output output(STDOUT_FILENO);
    const auto appended = append_lines(arguments, *store, lines, output);
    const auto closed = store->close();
    const ExitCode printed = output.finish();
    if (!appended) return report(appended.error());
    if (!closed) return report(closed.error());
    return printed;
}

}  // namespace braid::tools
