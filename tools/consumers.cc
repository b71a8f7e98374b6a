#include <unistd.h>

#include <braid/store.hpp>

#include "tools/commands.h"
#include "tools/json_writer.h"

namespace braid::tools {

namespace {

/// A line for each cursor, or, of a consumer that has none, one without a source.
Result<void> print_consumer(Output& output, const Store& store, const Consumer& consumer) {
    const auto begin = [&] {
        JsonObject object(output.buffer());
        object.bytes("consumer", consumer.name).number("epoch", consumer.epoch.value);
        return object;
    };
    if (consumer.cursors.empty()) begin().end_line();
    for (const ConsumerCursor& cursor : consumer.cursors) {
        const auto lag = store.lag({cursor.space, cursor.segment}, cursor.position);
        if (!lag) return lag.error();
        JsonObject object = begin();
        if (!cursor.space.empty()) object.bytes("space", cursor.space);
        if (!cursor.segment.empty()) object.bytes("segment", cursor.segment);
        object.number("position", cursor.position.value).number("lag", *lag).end_line();
    }
    return {};
}

Result<void> print_named(Output& output, const Store& store, const std::string& name) {
    const auto consumer = store.consumer(name);
    if (!consumer) return consumer.error();
    if (!*consumer) return Error(Errc::not_found, "there is no consumer of that name");
    return print_consumer(output, store, **consumer);
}

MoveOptions move_options(const ConsumerArguments& arguments) {
    MoveOptions options;
    options.any_epoch = !arguments.epoch;
    options.epoch = arguments.epoch.value_or(0);
    if (arguments.expect) options.expect = Position(*arguments.expect);
    options.backward = arguments.backward;
    return options;
}

Result<Store> open_to_write(const StoreArguments& arguments) {
    Options options;
    options.io = arguments.io;
    return Store::open(arguments.directory, options);
}

/// Prints the consumer as it is then.
int print_one(const Store& store, const std::string& name) {
    Output output(STDOUT_FILENO);
    const auto printed = print_named(output, store, name);
    const ExitCode finished = output.finish();
    return printed ? finished : report(printed.error());
}

}  // namespace

int run_consumers(const PageArguments& arguments) {
    const auto store = open_to_read(arguments.store);
    if (!store) return report(store.error());
    const auto names = store->consumers(arguments.page);
    if (!names) return report(names.error());
    Output output(STDOUT_FILENO);
    for (const std::string& name : *names) {
        if (const auto printed = print_named(output, *store, name); !printed) {
            output.flush();
            return report(printed.error());
        }
        if (!output.flush()) break;
    }
    return output.finish();
}

int run_leases(const PageArguments& arguments) {
    const auto store = open_to_read(arguments.store);
    if (!store) return report(store.error());
    const auto leases = store->leases(arguments.page);
    if (!leases) return report(leases.error());
    Output output(STDOUT_FILENO);
    for (const Lease& lease : *leases) {
        JsonObject(output.buffer())
            .bytes("key", lease.key)
            .bytes("holder", lease.holder)
            .number("token", lease.token.value)
            .number("ttl_ns", static_cast<std::uint64_t>(lease.ttl.count()))
            .end_line();
        if (!output.flush()) break;
    }
    return output.finish();
}

int run_consumer_get(const ConsumerArguments& arguments) {
    const auto store = open_to_read(arguments.store);
    if (!store) return report(store.error());
    return print_one(*store, arguments.name);
}

int run_consumer_set(const ConsumerArguments& arguments) {
    auto store = open_to_write(arguments.store);
    if (!store) return report(store.error());
    const auto set = store->set_consumer(
        arguments.name, {std::string_view(arguments.space), std::string_view(arguments.segment)},
        arguments.position, move_options(arguments));
    if (!set) return report(set.error());
    return print_one(*store, arguments.name);
}

int run_consumer_delete(const ConsumerArguments& arguments) {
    auto store = open_to_write(arguments.store);
    if (!store) return report(store.error());
    const auto deleted = store->delete_consumer(arguments.name, move_options(arguments));
    return deleted ? exit_done : report(deleted.error());
}

}  // namespace braid::tools
