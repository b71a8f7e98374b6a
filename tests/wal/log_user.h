#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include "io/disk.h"
#include "io/queue.h"
#include "tests/sim/sim_disk.h"
#include "wal/log_files.h"
#include "wal/log_writer.h"
#include "wal/recovery.h"

namespace braid::wal::test {

inline const Uuid store{1, 2, 3, 4};
/// A file of this size has room for header, two batches of one block and the roll.
inline constexpr std::uint64_t file_bytes = 16384;
inline const LogSizes small_sizes{file_bytes, file_bytes, std::uint64_t{1} << 20};

/// A body that holds transactions [first, last].
inline std::string body_of(std::uint64_t first, std::uint64_t last, std::size_t bytes = 100) {
    std::string body = fmt::format("{} {} ", first, last);
    if (body.size() < bytes) body.resize(bytes, 'x');
    return body;
}

/// What a scan handed over: transactions beyond `drained`, or the error.
struct Replay {
    std::vector<std::uint64_t> transactions;
    LogScan scan;
    std::optional<Error> error;
};

inline Replay replay(io::Disk& disk, std::uint64_t drained = 0) {
    Replay out;
    const auto apply = [&](Bytes body, const std::string&, std::uint64_t) -> Result<void> {
        const std::string_view text = as_text(body);
        std::uint64_t first = 0;
        std::uint64_t last = 0;
        const auto space = std::from_chars(text.data(), text.data() + text.size(), first).ptr;
        std::from_chars(space + 1, text.data() + text.size(), last);
        for (; first <= last; ++first) {
            if (first > drained) out.transactions.push_back(first);
        }
        return {};
    };
    auto scan = scan_log(disk, store, drained, apply);
    if (scan) {
        out.scan = std::move(*scan);
    } else {
        out.error = scan.error();
    }
    return out;
}

/// 1, 2, … `last`, but for those at or below `drained`.
inline std::vector<std::uint64_t> through(std::uint64_t last, std::uint64_t drained = 0) {
    std::vector<std::uint64_t> numbers;
    while (drained < last) numbers.push_back(++drained);
    return numbers;
}

/// Writes a log on a disk as the engine would, one thing after the other.
class LogUser {
public:
    explicit LogUser(io::Disk& disk, std::uint64_t drained = 0, LogSizes sizes = small_sizes,
                     std::size_t in_flight_max = 4)
        : disk_(disk), sizes_(sizes), drained_(drained), in_flight_max_(in_flight_max) {}

    /// Scans and begins a new log file.
    Result<void> open() {
        Replay found = replay(disk_, drained_);
        if (found.error) return *found.error;
        replayed = found.transactions;
        last_ = found.scan.carried.empty() ? found.scan.attested_transaction
                                           : found.scan.carried.back().last_transaction;
        acked = last_;
        files = std::make_unique<LogFiles>(disk_, sizes_, found.scan.slots);
        auto file = files->take(std::max(found.scan.begin_bytes(), files->next_capacity()));
        if (!file) return file.error();
        auto queue_made = disk_.make_queue(8, nullptr);
        if (!queue_made) return queue_made.error();
        auto begun = LogWriter::begin(disk_, store, found.scan, std::move(*file), in_flight_max_);
        if (!begun) return begun.error();
        queue = std::move(*queue_made);
        writer = std::move(*begun);
        files->drained(drained_);
        return {};
    }

    /// Submits a batch of `count` transactions; rolls first if need be.
    Result<void> submit(std::uint64_t count = 1, std::size_t bytes = 100) {
        bodies_.push_back(body_of(last_ + 1, last_ + count, bytes));
        if (batch_bytes(bodies_.back().size()) > writer->room()) {
            if (auto rolled = roll(batch_bytes(bodies_.back().size()) + 8192); !rolled)
                return rolled;
        }
        while (!writer->ready() && !writer->error()) step();
        if (writer->error()) return *writer->error();
        last_ += count;
        batch_ends_.push_back(last_);
        writer->submit(*queue, {{as_bytes(bodies_.back())}, bodies_.back().size(), last_});
        return {};
    }
    Result<void> append(std::uint64_t count = 1, std::size_t bytes = 100) {
        if (auto done = submit(count, bytes); !done) return done;
        return settle();
    }
    Result<void> seal() {
        writer->submit_seal(*queue);
        return settle();
    }
    Result<void> roll(std::uint64_t capacity = 0) {
        if (auto done = settle(); !done) return done;
        auto next = files->take(std::max(capacity, files->next_capacity()));
        if (!next) return next.error();
        writer->roll(*queue, std::move(*next));
        return settle();
    }
    /// Waits until nothing is in flight.
    Result<void> settle() {
        while (writer->in_flight() != 0) step();
        if (writer->error()) return *writer->error();
        return {};
    }
    void step() {
        (void)writer->step(*queue, true);
        if (writer->durable_batches() != 0) acked = batch_ends_[writer->durable_batches() - 1];
        if (const auto left = writer->take_left())
            files->finished(left->slot, left->last_transaction);
    }
    void drain(std::uint64_t transaction) {
        drained_ = transaction;
        files->drained(transaction);
    }
    [[nodiscard]] std::uint64_t drained() const { return drained_; }
    [[nodiscard]] std::uint64_t last() const { return last_; }

    std::vector<std::uint64_t> replayed;
    std::uint64_t acked = 0;
    std::unique_ptr<LogFiles> files;
    std::unique_ptr<io::Queue> queue;
    std::unique_ptr<LogWriter> writer;

private:
    io::Disk& disk_;
    LogSizes sizes_;
    std::uint64_t drained_;
    std::size_t in_flight_max_;
    std::uint64_t last_ = 0;
    std::deque<std::string> bodies_;
    std::vector<std::uint64_t> batch_ends_;
};

}  // namespace braid::wal::test
