#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <braid/store.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>

#include "tools/acks.h"
#include "tools/bounded_queue.h"
#include "tools/commands.h"
#include "tools/import_transaction.h"
#include "tools/json_writer.h"
#include "tools/line_reader.h"
#include "tools/progress.h"

namespace braid::tools {

namespace {

constexpr std::size_t queued_per_thread = 32;

/// A payload of the largest size takes at most six characters a byte as JSON.
std::size_t line_bytes_max(const Options& options) {
    return options.record_bytes_max * 6 + (std::size_t{1} << 20);
}

Options store_options(const ImportArguments& arguments) {
    Options options;
    options.create = true;
    options.io = arguments.store.io;
    options.tail_bytes_max = arguments.tail_bytes_max;
    options.log_file_bytes = arguments.log_file_bytes;
    options.metrics_interval = command_metrics_interval;
    return options;
}

struct Totals {
    std::atomic<std::uint64_t> records = 0;
    std::atomic<std::uint64_t> transactions = 0;
    std::atomic<std::uint64_t> bytes = 0;
};

/// One import: this thread reads and groups the lines, others commit what it hands them in order.
class Import {
public:
    Import(const ImportArguments& arguments, int input, Store& store)
        : arguments_(arguments),
          options_(store_options(arguments)),
          store_(store),
          lines_(input, arguments.file == "-" ? "stdin" : arguments.file, line_bytes_max(options_)),
          queue_(arguments.threads * queued_per_thread) {}

    Result<void> open_acks() {
        return arguments_.acks.empty() ? Result<void>() : acks_.open(arguments_.acks);
    }

    /// Everything before the first error is committed, and nothing of what it stands in.
    Result<void> run() {
        std::vector<std::jthread> committers;
        for (unsigned i = 0; i < arguments_.threads; ++i) {
            committers.emplace_back([this] { commit_all(); });
        }
        read_all();
        queue_.finish();
        committers.clear();
        if (error_) return *error_;
        return store_.sync();
    }

    [[nodiscard]] const Totals& totals() const { return totals_; }

private:
    void read_all() {
        Progress progress("records");
        for (;;) {
            const auto line = lines_.next();
            // The reader's own errors name the line themselves.
            if (!line) return fail(lines_.line() + 1, line.error());
            if (!*line) break;
            if ((*line)->find_first_not_of(" \t\r") == std::string_view::npos) continue;
            if (!take_line(**line)) return;
            progress.show(totals_.records.load(std::memory_order_relaxed));
        }
        if (auto last = grouper_.finish()) queue_.push(std::move(*last));
    }

    /// False when reading on is of no use.
    bool take_line(std::string_view text) {
        auto record = parse_import_record(text);
        if (!record) {
            fail_at(lines_.line(), record.error());
            return false;
        }
        record->line = lines_.line();
        auto before = grouper_.add(std::move(*record));
        // The store would refuse it as well, but only once all of it is in memory.
        if (grouper_.bytes() > options_.transaction_bytes_max) {
            if (before) queue_.push(std::move(*before));
            fail_at(lines_.line(), Error(Errc::too_large,
                                         fmt::format("the transaction passes the limit of {} bytes",
                                                     options_.transaction_bytes_max)));
            return false;
        }
        return !before || queue_.push(std::move(*before));
    }

    void commit_all() {
        Transaction builder = store_.begin();
        while (auto transaction = queue_.pop()) {
            if (!commit(builder, *transaction)) queue_.stop();
        }
    }

    bool commit(Transaction& builder, const ImportTransaction& transaction) {
        std::vector<KeyValue> metadata;
        for (const ImportRecord& record : transaction.records) {
            metadata.clear();
            for (const auto& [key, value] : record.metadata) metadata.push_back({key, value});
            AppendOptions options{.metadata = metadata, .expect = expect::any()};
            if (record.sequence) options.expect = expect::sequence(*record.sequence);
            builder.append(record.space, record.segment, std::string_view(record.payload), options);
            if (record.consumer.empty()) continue;
            builder.set_consumer(record.consumer,
                                 {std::string_view(record.consumer_space),
                                  std::string_view(record.consumer_segment)},
                                 record.consumer_position);
        }
        const auto receipt = builder.commit(arguments_.durability);
        if (!receipt) {
            fail_at(transaction.line_of(receipt.error(), options_), receipt.error());
            return false;
        }
        count(transaction);
        const auto written = acks_.write(transaction.trx_word(), *receipt);
        if (!written) fail(transaction.records.front().line, written.error());
        return written.has_value();
    }

    void count(const ImportTransaction& transaction) {
        std::uint64_t payload_bytes = 0;
        for (const ImportRecord& record : transaction.records)
            payload_bytes += record.payload.size();
        totals_.records.fetch_add(transaction.records.size(), std::memory_order_relaxed);
        totals_.transactions.fetch_add(1, std::memory_order_relaxed);
        totals_.bytes.fetch_add(payload_bytes, std::memory_order_relaxed);
    }

    void fail_at(std::uint64_t line, Error error) {
        fail(line, std::move(error).within(fmt::format("{}:{}", lines_.name(), line)));
    }

    /// Of several errors the one that stands first in the input is told.
    void fail(std::uint64_t line, Error error) {
        const std::scoped_lock lock(error_mutex_);
        if (error_ && error_line_ <= line) return;
        error_ = std::move(error);
        error_line_ = line;
    }

    const ImportArguments& arguments_;
    const Options options_;
    Store& store_;
    LineReader lines_;
    TransactionGrouper grouper_;
    BoundedQueue<ImportTransaction> queue_;
    Acks acks_;
    Totals totals_;

    std::mutex error_mutex_;  // guards the two below while committers run
    std::optional<Error> error_;
    std::uint64_t error_line_ = 0;
};

void print_totals(Output& output, const Totals& totals, double seconds) {
    JsonObject object(output.buffer());
    object.number("records", totals.records)
        .number("transactions", totals.transactions)
        .number("bytes", totals.bytes);
    fmt::format_to(std::back_inserter(object.value("seconds")), "{:.3f}", seconds);
    object.end_line();
}

int import_from(const ImportArguments& arguments, int input) {
    const auto begin = std::chrono::steady_clock::now();
    auto store = Store::open(arguments.store.directory, store_options(arguments));
    if (!store) return report(store.error());

    Import import(arguments, input, *store);
    auto result = import.open_acks();
    if (result) result = import.run();
    // What was acknowledged is told even if the rest failed.
    const auto closed = store->close();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    Output output(STDOUT_FILENO);
    print_totals(output, import.totals(), took.count());
    const ExitCode printed = output.finish();

    if (!result) return report(result.error());
    if (!closed) return report(closed.error());
    return printed;
}

}  // namespace

int run_import(const ImportArguments& arguments) {
    if (arguments.file == "-") return import_from(arguments, STDIN_FILENO);
    const int input = ::open(arguments.file.c_str(), O_RDONLY | O_CLOEXEC);
    if (input < 0) {
        say(fmt::format("open {}: {}", arguments.file, std::strerror(errno)));
        return exit_failed;
    }
    const int code = import_from(arguments, input);
    ::close(input);
    return code;
}

}  // namespace braid::tools
