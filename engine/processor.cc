#include <braid/processor.hpp>

namespace braid {

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

Processor::Processor(Store& store, std::string_view consumer, const Source& source,
                     const ProcessorOptions& options)
    : store_(&store),
      consumer_(consumer),
      space_(source.space),
      segment_(source.segment),
      options_(options),
      transaction_(store.begin()) {}

Result<Processor> Processor::open(Store& store, std::string_view consumer, const Source& source,
                                  const ProcessorOptions& options) {
    if (options.batch_records == 0)
        return Error(Errc::invalid_argument, "batch_records is 0; a batch has at least one entry");
    if (!source.segment.empty() && source.space.empty())
        return Error(Errc::invalid_argument, "a source has a segment without its space");
    auto epoch = store.take_consumer(consumer);
    if (!epoch) return epoch.error();
    Processor processor(store, consumer, source, options);
    processor.epoch_ = *epoch;
    if (auto begun = processor.begin_reading(); !begun) return begun.error();
    return processor;
}

Result<void> Processor::begin_reading() {
    const auto consumer = store_->consumer(consumer_);
    if (!consumer) return consumer.error();
    cursor_ = *consumer ? (*consumer)->position(source()) : Position(0);
    FollowBounds bounds;
    bounds.after = cursor_;
    bounds.on_trimmed = options_.on_trimmed;
    if (space_.empty())
        follower_ = store_->follow_all(bounds);
    else if (segment_.empty())
        follower_ = store_->follow_space(space_, bounds);
    else
        follower_ = store_->follow_segment(space_, segment_, bounds);
    return {};
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
    transaction_.set_consumer(consumer_, source(), batch.position(), {.epoch = epoch_});
    const auto receipt = transaction_.commit(options_.durability);
    if (!receipt) return receipt.error();
    cursor_ = batch.position();
    return {};
}

}  // namespace braid
