#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <braid/store.hpp>

#include "tools/commands.h"
#include "tools/json_writer.h"
#include "tools/metrics_file.h"

namespace braid::tools {

namespace {

std::string to_string(const Uuid& uuid) {
    std::string text;
    for (std::size_t i = 0; i < uuid.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += fmt::format("{:02x}", uuid[i]);
    }
    return text;
}

/// Every number and sentence of `stat` in the order of both forms.
template <class Number, class Words>
void walk(const StoreStat& stat, Number number, Words words) {
    words("uuid", to_string(stat.uuid));
    words("io", stat.io);
    if (!stat.log_sync.empty()) words("log_sync", stat.log_sync);
    number("spaces", stat.spaces);
    number("segments", stat.segments);
    number("sequenced", stat.sequenced.value);
    number("committed", stat.committed.value);
    number("durable", stat.durable.value);
    number("drained", stat.drained.value);
    number("last_transaction", stat.last_transaction.value);
    number("last_timestamp", stat.last_timestamp.value);
    number("segment_bytes", stat.segment_bytes);
    number("tail_bytes", stat.tail_bytes);
    number("pinned_bytes", stat.pinned_bytes);
    number("log_files", stat.log_files);
    number("log_bytes", stat.log_bytes);
    number("packs", stat.packs);
    number("pack_bytes", stat.pack_bytes);
    words("packs_by_level", fmt::format("{}", fmt::join(stat.packs_by_level, " ")));
    number("gathered_bytes", stat.gathered_bytes);
    number("redirected_packs", stat.redirected_packs);
    number("pieces", stat.pieces);
    number("piece_bytes", stat.piece_bytes);
    number("body_files", stat.body_files);
    number("bodies", stat.bodies);
    number("recovered_transactions", stat.recovered_transactions);
    number("recovered_bytes", stat.recovered_bytes);
    number("torn_bytes", stat.torn_bytes);
    words("torn_tail", stat.torn_tail);
}

void print_json(Buffer& out, const StoreStat& stat, const std::optional<FoundMetrics>& metrics) {
    JsonObject object(out);
    walk(
        stat, [&](auto key, std::uint64_t value) { object.number(key, value); },
        [&](auto key, std::string_view value) { object.words(key, value); });
    Buffer& list = object.value("unknown_files");
    list.push_back('[');
    for (const std::string& file : stat.unknown_files) {
        if (&file != &stat.unknown_files.front()) list.push_back(',');
        JsonObject(list).bytes("file", file).end();
    }
    list.push_back(']');
    if (metrics) {
        boost::json::object fields = metrics->fields;
        fields["age_ms"] = metrics->age_ms;
        object.value("metrics").append(boost::json::serialize(fields));
    }
    object.end_line();
}

/// "count 12, sum 340" of a distribution; anything else as JSON.
std::string in_a_row(const boost::json::value& value) {
    if (!value.is_object()) return boost::json::serialize(value);
    std::string text;
    for (const auto& [key, number] : value.get_object()) {
        if (!text.empty()) text += ", ";
        text += fmt::format("{} {}", std::string_view(key), boost::json::serialize(number));
    }
    return text;
}

void print_table(Buffer& out, const StoreStat& stat, const std::optional<FoundMetrics>& metrics) {
    const auto row = [&](std::string_view key, const auto& value) {
        fmt::format_to(std::back_inserter(out), "{:<24}{}\n", key, value);
    };
    walk(stat, row, row);
    for (const std::string& file : stat.unknown_files) row("unknown file", file);
    if (!metrics) return;
    row("metrics", fmt::format("{}.{:03} s old", metrics->age_ms / 1000, metrics->age_ms % 1000));
    for (const auto& [key, value] : metrics->fields)
        row(fmt::format("  {}", std::string_view(key)), in_a_row(value));
}

}  // namespace

int run_stat(const StatArguments& arguments) {
    const auto store = open_to_read(arguments.store);
    if (!store) return report(store.error());
    const StoreStat stat = store->stat();
    Output output(STDOUT_FILENO);
    (arguments.table ? print_table : print_json)(output.buffer(), stat,
                                                 find_metrics(arguments.store.directory));
    return output.finish();
}

}  // namespace braid::tools
