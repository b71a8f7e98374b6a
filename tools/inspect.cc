#include <unistd.h>

#include <algorithm>
#include <braid/store.hpp>

#include "tools/commands.h"
#include "tools/entry_json.h"
#include "tools/json_writer.h"

namespace braid::tools {

namespace {

constexpr std::uint64_t names_per_page = 10000;

/// Prints a listing page by page, so that a million names never stand in memory at once.
template <class List, class Print>
int print_names(const Page& wanted, List list, Print print) {
    Output output(STDOUT_FILENO);
    std::uint64_t left = wanted.limit == 0 ? no_limit : wanted.limit;
    Page page{.after = wanted.after, .limit = std::min(left, names_per_page)};
    while (page.limit > 0) {
        const auto names = list(page);
        if (!names) {
            output.flush();
            return report(names.error());
        }
        for (const std::string& name : *names) {
            JsonObject object(output.buffer());
            print(object, name);
            object.end_line();
        }
        if (!output.flush() || names->size() < page.limit) break;
        left -= names->size();
        page = {.after = names->back(), .limit = std::min(left, names_per_page)};
    }
    return output.finish();
}

int print_status(const Store& store, const std::string& space, const std::string& segment) {
    const auto status = store.status(space, segment);
    if (!status) return report(status.error());
    Output output(STDOUT_FILENO);
    JsonObject(output.buffer())
        .bytes("space", space)
        .bytes("segment", segment)
        .number("first_sequence", status->first_sequence.value)
        .number("last_sequence", status->last_sequence.value)
        .number("first_timestamp", status->first_timestamp.value)
        .number("last_timestamp", status->last_timestamp.value)
        .number("last_position", status->last_position.value)
        .end_line();
    return output.finish();
}

}  // namespace

Result<Store> open_to_read(const StoreArguments& arguments) {
    Options options;
    options.read_only = true;
    options.io = arguments.io;
    return Store::open(arguments.directory, options);
}

int run_peek(const SegmentArguments& arguments) {
    const auto store = open_to_read(arguments.store);
    if (!store) return report(store.error());
    const auto entry = store->peek(arguments.space, arguments.segment);
    if (!entry) return report(entry.error());
    if (!*entry) return exit_not_found;
    Output output(STDOUT_FILENO);
    EntryJson().append(output.buffer(), ***entry);
    return output.finish();
}

int run_status(const SegmentArguments& arguments) {
    const auto store = open_to_read(arguments.store);
    if (!store) return report(store.error());
    return print_status(*store, arguments.space, arguments.segment);
}

int run_trim(const TrimArguments& arguments) {
    Options options;
    options.io = arguments.store.io;
    auto store = Store::open(arguments.store.directory, options);
    if (!store) return report(store.error());
    const auto trimmed = store->trim(arguments.space, arguments.segment, arguments.through,
                                     {.past_consumers = arguments.past_consumers});
    if (!trimmed) return report(trimmed.error());
    return print_status(*store, arguments.space, arguments.segment);
}

int run_gather(const GatherArguments& arguments) {
    Options options;
    options.io = arguments.store.io;
    auto store = Store::open(arguments.store.directory, options);
    if (!store) return report(store.error());
    if (const auto gathered = store->gather(); !gathered) return report(gathered.error());
    const StoreStat stat = store->stat();
    Output output(STDOUT_FILENO);
    JsonObject(output.buffer())
        .number("packs", stat.packs)
        .number("pack_bytes", stat.pack_bytes)
        .number("gathered_bytes", stat.gathered_bytes)
        .end_line();
    return output.finish();
}

int run_spaces(const ListArguments& arguments) {
    const auto store = open_to_read(arguments.store);
    if (!store) return report(store.error());
    return print_names(
        arguments.page, [&](const Page& page) { return store->spaces(page); },
        [](JsonObject& object, std::string_view name) { object.bytes("space", name); });
}

int run_segments(const ListArguments& arguments) {
    const auto store = open_to_read(arguments.store);
    if (!store) return report(store.error());
    return print_names(
        arguments.page, [&](const Page& page) { return store->segments(arguments.space, page); },
        [&](JsonObject& object, std::string_view name) {
            object.bytes("space", arguments.space).bytes("segment", name);
        });
}

}  // namespace braid::tools
