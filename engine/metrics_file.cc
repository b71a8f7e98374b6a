#include "engine/metrics_file.h"

#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string>

namespace braid {
namespace {

boost::json::object to_json(const Histogram& histogram) {
    return {
        {"count", histogram.count()},
        {"sum", histogram.sum()},
        {"p50", histogram.percentile(0.5)},
        {"p90", histogram.percentile(0.9)},
        {"p99", histogram.percentile(0.99)},
        {"p999", histogram.percentile(0.999)},
        {"max", histogram.max()},
    };
}

boost::json::object to_json(const Metrics& metrics) {
    return {
        {"commits", metrics.commits},
        {"records", metrics.records},
        {"conflicts", metrics.conflicts},
        {"batches", metrics.batches},
        {"log_bytes_written", metrics.log_bytes_written},
        {"log_flushes", metrics.log_flushes},
        {"drains", metrics.drains},
        {"drained_bytes", metrics.drained_bytes},
        {"stored_bytes", metrics.stored_bytes},
        {"gatherings", metrics.gatherings},
        {"gathered_bytes", metrics.gathered_bytes},
        {"slowed_ns", metrics.slowed_ns},
        {"pending_bytes", metrics.pending_bytes},
        {"tail_bytes", metrics.tail_bytes},
        {"pinned_bytes", metrics.pinned_bytes},
        {"undrained_count", metrics.undrained_count},
        {"batch_bytes", to_json(metrics.batch_bytes)},
        {"batch_transactions", to_json(metrics.batch_transactions)},
        {"flush_ns", to_json(metrics.flush_ns)},
        {"batch_wait_ns", to_json(metrics.batch_wait_ns)},
    };
}

}  // namespace

void write_metrics_file(io::Disk& disk, const Metrics& metrics, bool closed) {
    boost::json::object json{
        {"written", disk.now().value},
        {"pid", static_cast<std::uint64_t>(::getpid())},
        {"closed", closed},
    };
    for (auto& field : to_json(metrics)) json.insert(std::move(field));
    const std::string text = boost::json::serialize(json) + '\n';
    const std::string unfinished(unfinished_metrics_file_name);
    auto file = disk.open(unfinished, {.write = true, .create = true, .truncate = true});
    if (!file || !(*file)->write(as_bytes(text), 0, io::WriteMode::cached)) return;
    // A reader finds the file before or the one after, never a part.
    static_cast<void>(disk.rename(unfinished, std::string(metrics_file_name)));
}

}  // namespace braid
