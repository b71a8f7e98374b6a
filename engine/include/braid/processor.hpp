#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <braid/consumer.hpp>
#include <braid/store.hpp>

namespace braid {

struct ProcessorOptions {
    /// Most entries in a batch. More share a commit and its flush.
    std::uint64_t batch_records = 100;
    /// Of the commit that ends a batch. A buffered one may be taken back by a crash, together with
    /// the progress: then the batch is processed again.
    Durability durability = Durability::durable;
    OnTrimmed on_trimmed = OnTrimmed::refuse;
};

/// The entries that one call of a processing function is for, in order. Only what it takes counts
/// as processed.
class ProcessorInput {
public:
    /// The next entry, nullptr at the batch's end. Its views are valid until the next call.
    const Entry* next();
    /// Of the last entry taken; 0 before any.
    [[nodiscard]] Position position() const noexcept { return position_; }
    [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }

private:
    friend class Processor;
    ProcessorInput(Follower& follower, const Entry& first, std::uint64_t records)
        : follower_(follower), first_(&first), left_(records) {}

    Follower& follower_;
    const Entry* first_;
    std::uint64_t left_;
    std::uint64_t taken_ = 0;
    Position position_;
};

/// Called with a batch of at least one entry and an empty transaction to write what comes of it
/// into. An error ends the run: nothing is committed, and the batch comes again.
using ProcessBatch = std::function<Result<void>(ProcessorInput& batch, Transaction& output)>;

/// Reads on behalf of a consumer and commits what comes of the entries together with the consumer's
/// progress: whatever is written into the batch's transaction is there exactly once for each entry,
/// through crashes and restarts. Used by one thread at a time; the store must outlive it and stay
/// where it is.
class Processor {
public:
    /// Takes the consumer over, durably: a processor that had it before is refused from now on.
    /// Goes on where the consumer stands, from the beginning if it is new. Only durable entries are
    /// processed.
    [[nodiscard]] static Result<Processor> open(Store& store, std::string_view consumer,
                                                const Source& source,
                                                const ProcessorOptions& options = {});
    /// The same for several spaces as one stream in commit order. The consumer has a cursor in each
    /// of them, so that spaces can be added and left out later; a space that is new begins at its
    /// beginning.
    [[nodiscard]] static Result<Processor> open_spaces(Store& store, std::string_view consumer,
                                                       const std::vector<std::string>& spaces,
                                                       const ProcessorOptions& options = {});

    /// Processes one batch, waiting at most `timeout` for its first entry, and commits. Returns how
    /// many entries are done; 0 if none came, or if `process` took none (then nothing is
    /// committed).
    ///
    /// Errors: what `process` returns; `conflict` (somebody has taken the consumer over, or a
    /// condition that `process` has put into the transaction is not met); whatever reading or
    /// committing gives. The batch is then not done, and the next call begins with it, unless the
    /// outcome was unknown: reopening the store decides.
    Result<std::uint64_t> run_once(const ProcessBatch& process,
                                   std::chrono::nanoseconds timeout = {});

    /// Everything up to here is done.
    [[nodiscard]] Position cursor() const noexcept;
    [[nodiscard]] Epoch epoch() const noexcept { return epoch_; }

private:
    Processor(Store& store, std::string_view consumer, const ProcessorOptions& options);
    [[nodiscard]] Result<void> begin();
    [[nodiscard]] Result<void> begin_reading();
    [[nodiscard]] Follower follow() const;
    [[nodiscard]] Result<void> process_batch(const ProcessBatch& process, ProcessorInput& batch);

    Store* store_;
    std::string consumer_;
    std::vector<ConsumerCursor> cursors_;  // one, or some in spaces
    ProcessorOptions options_;
    Epoch epoch_;
    std::optional<Follower> follower_;  // none: reading begins anew at the consumer's cursor
    Transaction transaction_;
};

}  // namespace braid
