#include <braid/processor.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace braid {
namespace {

Source source(const ConsumerCursor& cursor) noexcept {
    return {std::string_view(cursor.space), std::string_view(cursor.segment)};
}

}  // namespace

const Entry* ProcessorInput::next() {
    if (left_ == 0) return nullptr;
    const Entry* entry = std::exchange(first_, nullptr);
    if (entry == nullptr) {
        const Result<Entry>* more = follower_.try_next();
        // An error ends the batch: the next one begins with it.
        if (more == nullptr || !*more) {
            left_ = 0;
            return nullptr;
        }
        entry = &**more;
    }
    --left_;
    ++taken_;
    position_ = entry->position;
    return entry;
}

Processor::Processor(Store& store, std::string_view consumer, const ProcessorOptions& options)
    : store_(&store), consumer_(consumer), options_(options), transaction_(store.begin()) {}

Result<Processor> Processor::open(Store& store, std::string_view consumer, const Source& source,
                                  const ProcessorOptions& options) {
    if (!source.segment.empty() && source.space.empty())
        return Error(Errc::invalid_argument, "a source has a segment without its space");
    Processor processor(store, consumer, options);
    processor.cursors_.push_back({std::string(source.space), std::string(source.segment), 0});
    if (auto begun = processor.begin(); !begun) return begun.error();
    return processor;
}

Result<Processor> Processor::open_spaces(Store& store, std::string_view consumer,
                                         const std::vector<std::string>& spaces,
                                         const ProcessorOptions& options) {
    if (spaces.empty()) return Error(Errc::invalid_argument, "there is no space to process");
    Processor processor(store, consumer, options);
    for (const std::string& space : std::set(spaces.begin(), spaces.end())) {
        if (space.empty()) return Error(Errc::invalid_argument, "a space's name is empty");
        processor.cursors_.push_back({space, {}, 0});
    }
    if (auto begun = processor.begin(); !begun) return begun.error();
    return processor;
}

Result<void> Processor::begin() {
    if (options_.batch_records == 0)
        return Error(Errc::invalid_argument, "batch_records is 0; a batch has at least one entry");
    auto epoch = store_->take_consumer(consumer_);
    if (!epoch) return epoch.error();
    epoch_ = *epoch;
    return begin_reading();
}

Result<void> Processor::begin_reading() {
    const auto consumer = store_->consumer(consumer_);
    if (!consumer) return consumer.error();
    for (ConsumerCursor& cursor : cursors_)
        cursor.position = *consumer ? (*consumer)->position(source(cursor)) : Position(0);
    follower_ = follow();
    return {};
}

Follower Processor::follow() const {
    FollowBounds bounds;
    bounds.on_trimmed = options_.on_trimmed;
    if (cursors_.size() == 1) {
        const auto& [space, segment, position] = cursors_.front();
        bounds.after = position;
        if (!segment.empty()) return store_->follow_segment(space, segment, bounds);
        return space.empty() ? store_->follow_all(bounds) : store_->follow_space(space, bounds);
    }
    std::vector<SpaceCursor> spaces;
    for (const ConsumerCursor& cursor : cursors_) spaces.push_back({cursor.space, cursor.position});
    return store_->follow_spaces(spaces, bounds);
}

Position Processor::cursor() const noexcept {
    Position least = cursors_.front().position;
    for (const ConsumerCursor& cursor : cursors_) least = std::min(least, cursor.position);
    return least;
}

Result<std::uint64_t> Processor::run_once(const ProcessBatch& process,
                                          std::chrono::nanoseconds timeout) {
    if (!follower_)
        if (auto begun = begin_reading(); !begun) return begun.error();
    const Result<Entry>* first = follower_->next(timeout);
    if (first == nullptr) return 0;
    if (!*first) {
        Error error = first->error();
        follower_.reset();
        return error;
    }
    // Whatever goes wrong from here on, the next call begins with this batch.
    struct Forget {
        Processor& processor;
        bool armed = true;
        ~Forget() {
            if (!armed) return;
            processor.transaction_.clear();
            processor.follower_.reset();
        }
    } forget{*this};
    ProcessorInput batch(*follower_, **first, options_.batch_records);
    if (auto processed = process_batch(process, batch); !processed) return processed.error();
    forget.armed = batch.taken() == 0;
    return batch.taken();
}

Result<void> Processor::process_batch(const ProcessBatch& process, ProcessorInput& batch) {
    if (auto processed = process(batch, transaction_); !processed) return processed;
    if (batch.taken() == 0) return {};
    // All that lies before it in any of the spaces was read before it.
    for (const ConsumerCursor& cursor : cursors_)
        if (cursor.position < batch.position())
            transaction_.set_consumer(consumer_, source(cursor), batch.position(),
                                      {.epoch = epoch_});
    const auto receipt = transaction_.commit(options_.durability);
    if (!receipt) return receipt.error();
    for (ConsumerCursor& cursor : cursors_)
        cursor.position = std::max(cursor.position, batch.position());
    return {};
}

}  // namespace braid
