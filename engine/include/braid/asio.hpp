#pragma once

#include <atomic>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/system_executor.hpp>
#include <cerrno>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <braid/processor.hpp>
#include <braid/reader.hpp>
#include <braid/transaction.hpp>

/// Commits and followers for programs on Boost.Asio. Not part of <braid/braid.hpp>, so that only
/// those who use it pay for its headers.

namespace braid {
namespace detail {

/// A commit under way and the handler that waits for it. The first outcome counts: the store's, or
/// that of a cancellation. The handler may destroy the transaction, so it is called when two things
/// have come: an outcome, and the end of the call that was given the transaction.
template <class Handler>
class AsioCommit : public std::enable_shared_from_this<AsioCommit<Handler>> {
public:
    explicit AsioCommit(Handler&& handler)
        : handler_(std::move(handler)),
          executor_(boost::asio::prefer(boost::asio::get_associated_executor(handler_),
                                        boost::asio::execution::outstanding_work.tracked)) {}

    void start(Transaction& transaction, Durability durability) {
        let_cancel();
        const auto self = this->shared_from_this();
        const CommitCallback callback = [self](Result<Receipt> outcome) {
            self->complete(std::move(outcome));
        };
        if (transaction.try_commit_async(callback, durability)) return arrive();
        // There is no room. A thread of Asio's own pool waits for it, not the caller's.
        waits_for_room_.store(true);
        boost::asio::post(boost::asio::system_executor(),
                          [self, callback, &transaction, durability] {
                              if (!self->begin()) return;
                              self->commit(transaction, callback, durability);
                              self->arrive();
                          });
    }

private:
    /// On a thread of the pool, where nobody catches what `commit_async` may throw.
    void commit(Transaction& transaction, const CommitCallback& callback, Durability durability) {
        try {
            transaction.commit_async(callback, durability);
        } catch (const std::bad_alloc&) {
            complete(Error(Errc::io, "out of memory", ENOMEM));
        }
    }
    void let_cancel() {
        auto slot = boost::asio::get_associated_cancellation_slot(handler_);
        if (!slot.is_connected()) return;
        slot.assign([self = this->shared_from_this()](boost::asio::cancellation_type type) {
            using Type = boost::asio::cancellation_type;
            if ((type & (Type::terminal | Type::partial)) != Type::none) self->cancel();
        });
    }
    /// Whether the commit may still begin: from now on it can't be taken back.
    bool begin() { return !begun_or_cancelled_.exchange(true); }
    void cancel() {
        if (waits_for_room_.load() && begin()) {
            complete(Error(Errc::cancelled, "cancelled before anything was written"));
            return arrive();
        }
        complete(Error(Errc::unknown_outcome,
                       "no longer waited for: the transaction may become durable"));
    }
    void complete(Result<Receipt> outcome) {
        if (has_outcome_.exchange(true)) return;
        outcome_ = std::move(outcome);
        arrive();
    }
    void arrive() {
        if (missing_.fetch_sub(1) != 1) return;
        // The pool may hold on to this object for longer: the executor is not to be kept at work by
        // it.
        const Executor executor = *std::move(executor_);
        executor_.reset();
        // Never within the call that began it, nor on a thread of the store.
        boost::asio::post(executor, [self = this->shared_from_this()]() mutable {
            auto slot = boost::asio::get_associated_cancellation_slot(self->handler_);
            Handler handler = std::move(self->handler_);
            if (slot.is_connected()) slot.clear();
            Result<Receipt> outcome = std::move(self->outcome_);
            self.reset();
            std::move(handler)(std::move(outcome));
        });
    }

    // A value: some executors prefer themselves, by reference.
    using Executor = std::decay_t<decltype(boost::asio::prefer(
        boost::asio::get_associated_executor(std::declval<const Handler&>()),
        boost::asio::execution::outstanding_work.tracked))>;

    Handler handler_;
    std::optional<Executor> executor_;  // kept at work until the handler is on its way
    Result<Receipt> outcome_ = Receipt{};
    std::atomic<bool> has_outcome_{false};
    std::atomic<int> missing_{2};
    std::atomic<bool> waits_for_room_{false};
    std::atomic<bool> begun_or_cancelled_{false};
};

/// A follower's next entry and the handler that waits for it. The follower is used in the call that
/// begins it, then on the handler's executor only, and never again once the handler is called.
template <class Handler>
class AsioNext : public std::enable_shared_from_this<AsioNext<Handler>> {
public:
    AsioNext(Handler&& handler, Follower& follower)
        : follower_(follower),
          handler_(std::move(handler)),
          executor_(boost::asio::prefer(boost::asio::get_associated_executor(handler_),
                                        boost::asio::execution::outstanding_work.tracked)) {}

    void start() {
        let_cancel();
        const Result<Entry>* entry = follower_.try_next();
        if (entry == nullptr) return wait();
        post([entry = *entry](AsioNext& self) { self.finish(entry); });
    }

private:
    void let_cancel() {
        auto slot = boost::asio::get_associated_cancellation_slot(handler_);
        if (!slot.is_connected()) return;
        slot.assign([weak = this->weak_from_this()](boost::asio::cancellation_type type) {
            const auto self = weak.lock();
            if (self != nullptr && type != boost::asio::cancellation_type::none) self->cancel();
        });
    }
    void wait() {
        auto call = follower_.call_when_ready([self = this->shared_from_this()]() mutable {
            AsioNext& operation = *self;
            operation.post([kept = std::move(self)](AsioNext& same) { same.look(); });
        });
        if (call) return call_.store(*call);
        post([error = call.error()](AsioNext& self) { self.finish(error); });
    }
    void look() {
        if (is_over_.load()) return;
        const Result<Entry>* entry = follower_.try_next();
        if (entry == nullptr) return wait();
        finish(*entry);
    }
    void cancel() {
        if (is_over_.load()) return;
        follower_.cancel_call(call_.load());
        post([](AsioNext& self) { self.finish(Error(Errc::cancelled, "no longer waited for")); });
    }
    /// Never within the call that began it, nor on a thread of the store.
    template <class Step>
    void post(Step step) {
        boost::asio::post(executor_, [self = this->shared_from_this(),
                                      step = std::move(step)]() mutable { step(*self); });
    }
    void finish(Result<Entry> outcome) {
        if (is_over_.exchange(true)) return;
        auto slot = boost::asio::get_associated_cancellation_slot(handler_);
        Handler handler = std::move(handler_);
        if (slot.is_connected()) slot.clear();
        std::move(handler)(std::move(outcome));
    }

    using Executor = std::decay_t<decltype(boost::asio::prefer(
        boost::asio::get_associated_executor(std::declval<const Handler&>()),
        boost::asio::execution::outstanding_work.tracked))>;

    Follower& follower_;
    Handler handler_;
    Executor executor_;  // kept at work until this ends
    std::atomic<bool> is_over_{false};
    std::atomic<std::uint64_t> call_{0};
};

inline Result<std::uint64_t> run_processor(Processor& processor, const ProcessBatch& process,
                                           std::chrono::nanoseconds timeout) {
    try {
        return processor.run_once(process, timeout);
    } catch (const std::bad_alloc&) {
        return Error(Errc::io, "out of memory", ENOMEM);
    }
}

}  // namespace detail

/// Commits like `Transaction::commit_async`, for any completion token of Boost.Asio; the handler's
/// signature is `void(Result<Receipt>)`. It is called on its associated executor, never within this
/// call, and its executor counts as busy until then. Never blocks the caller: where the store has
/// no room, a thread of Asio's system executor waits for it.
///
/// The transaction must stay where it is, untouched, until the handler is called; then it is empty
/// and can be used again. Its store may be closed meanwhile: what is under way is finished.
/// std::bad_alloc: nothing was begun. Where memory runs out later, the handler gets `io` with
/// ENOMEM.
///
/// Cancellation (`terminal` and `partial`): a commit that still waits for room completes with
/// `cancelled`, and nothing is written. Later it can't be taken back: it completes with
/// `unknown_outcome`, and may become durable.
template <class CompletionToken>
auto async_commit(Transaction& transaction, Durability durability, CompletionToken&& token) {
    return boost::asio::async_initiate<CompletionToken, void(Result<Receipt>)>(
        [](auto handler, Transaction* started, Durability level) {
            using Operation = detail::AsioCommit<decltype(handler)>;
            const auto allocator = boost::asio::get_associated_allocator(handler);
            std::allocate_shared<Operation>(allocator, std::move(handler))->start(*started, level);
        },
        token, &transaction, durability);
}

/// The same, durable.
template <class CompletionToken>
auto async_commit(Transaction& transaction, CompletionToken&& token) {
    return async_commit(transaction, Durability::durable, std::forward<CompletionToken>(token));
}

/// The follower's next entry, for any completion token of Boost.Asio; the handler's signature is
/// `void(Result<Entry>)`, with what `Follower::next` would give: the views in it are valid until
/// the follower's next step. It is called on its associated executor, never within this call, and
/// its executor counts as busy until then. No thread waits meanwhile.
///
/// The follower must stay where it is, untouched, until the handler is called. Cancellation, of any
/// type: completes with `cancelled`, and no entry is lost. It is asked for on the handler's
/// executor, which must not run handlers of one follower side by side: a thread or a strand.
template <class CompletionToken>
auto async_next(Follower& follower, CompletionToken&& token) {
    return boost::asio::async_initiate<CompletionToken, void(Result<Entry>)>(
        [](auto handler, Follower* followed) {
            using Operation = detail::AsioNext<decltype(handler)>;
            const auto allocator = boost::asio::get_associated_allocator(handler);
            std::allocate_shared<Operation>(allocator, std::move(handler), *followed)->start();
        },
        token, &follower);
}

/// Runs `Processor::run_once` for any completion token; the handler's signature is
/// `void(Result<std::uint64_t>)`. Waiting, `process` and the commit are done by a thread of Asio's
/// system executor; the handler is called on its associated executor, which counts as busy until
/// then. The processor must stay where it is, untouched, until the handler is called. Can't be
/// cancelled: choose a short `timeout`, and call it again. What `process` throws ends the program;
/// where memory runs out, the handler gets `io` with ENOMEM.
template <class CompletionToken>
auto async_run_once(Processor& processor, ProcessBatch process, std::chrono::nanoseconds timeout,
                    CompletionToken&& token) {
    return boost::asio::async_initiate<CompletionToken, void(Result<std::uint64_t>)>(
        [](auto handler, Processor* run, ProcessBatch called, std::chrono::nanoseconds longest) {
            auto executor = boost::asio::prefer(boost::asio::get_associated_executor(handler),
                                                boost::asio::execution::outstanding_work.tracked);
            boost::asio::post(boost::asio::system_executor(),
                              [handler = std::move(handler), executor = std::move(executor), run,
                               called = std::move(called), longest]() mutable {
                                  auto done = detail::run_processor(*run, called, longest);
                                  boost::asio::post(executor, [handler = std::move(handler),
                                                               done = std::move(done)]() mutable {
                                      std::move(handler)(std::move(done));
                                  });
                              });
        },
        token, &processor, std::move(process), timeout);
}

}  // namespace braid
