#include "tests/faults/fault_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/crash/workload_run.h"
#include "tests/faults/failing_allocation.h"
#include "tests/sim/shelter.h"

namespace braid::faults {

using crash::Broken;
using crash::History;
using crash::Operation;
using crash::PlannedTransaction;
using crash::Step;

namespace {

const PlannedTransaction& afterwards() {
    static const PlannedTransaction transaction{{{"s0", "g0", "afterwards", ""},
                                                 {"s2", "g9", "in a new segment", "m"},
                                                 {"s0", "g0", "afterwards once more", ""}}};
    return transaction;
}

template <class T>
void must(const Result<T>& result, std::string_view what) {
    if (!result)
        throw Broken(fmt::format("{} failed: {}: {}", what, to_string(result.error().code()),
                                 result.error().message()));
}

/// A call of the engine, whose memory may run out: that is told as an error with ENOMEM.
template <class Call>
auto in_engine(Call call) -> decltype(call()) {
    try {
        const InEngine inside;
        return call();
    } catch (const std::bad_alloc&) {
        return Error(Errc::io, "bad_alloc", ENOMEM);
    }
}

bool is_of_space(int error) {
    return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

}  // namespace

FaultRun::~FaultRun() {
    let_go();
}

/// A store that has stopped may have writes in flight, which need its buffers and files.
void FaultRun::let_go() {
    if (engine_ != nullptr) static_cast<void>(engine_->close());
    log_queue_.reset();
    drain_queue_.reset();
    follower_.reset();
    engine_.reset();
}

History FaultRun::promised() const {
    History history = history_;
    if (engine_ != nullptr)
        history.durable_through(engine_->watermarks().transaction_at(Level::durable));
    return history;
}

void FaultRun::stop() {
    if (!stopped_) stopped_at_ = engine_->watermarks().durable();
    stopped_ = true;
}

void FaultRun::check_stopped(const Error& error, std::string_view what) const {
    if (error.code() == Errc::failed) return;
    throw Broken(fmt::format("{} after a failed log write is told {}: {}", what,
                             to_string(error.code()), error.message()));
}

void FaultRun::judge(const Error& error, std::string_view what) {
    const auto wrong = [&](std::string_view why) {
        throw Broken(fmt::format("{} is told {} (errno {}), {}: {}", what, to_string(error.code()),
                                 error.system_error(), why, error.message()));
    };
    if (errors_.empty()) wrong("without a cause");
    const int cause = error.system_error();
    if (error.message().empty()) wrong("without a word");
    switch (error.code()) {
        case Errc::no_space:  // or the log's own bound, where a drain would have helped that failed
            if (cause != 0 && (!errors_.contains(cause) || !is_of_space(cause)))
                wrong("for another reason");
            return;
        case Errc::io:
            if (is_of_space(cause)) wrong("for want of space");
            if (!errors_.contains(cause)) wrong("for another reason");
            return;
        case Errc::unknown_outcome:
            // Memory is never a reason: the log has all that it needs before there are numbers.
            if (!errors_.contains(cause) || cause == ENOMEM) wrong("for another reason");
            if (stopped_) wrong("a second time");
            return stop();
        case Errc::failed:
            if (!stopped_ && !unwatched_) wrong("and nobody was told that an outcome is unknown");
            return stop();
        default:
            wrong("which no fault explains");
    }
}

bool FaultRun::try_open() {
    Options options = workload_.options;
    options.create = !history_.is_created();
    auto engine =
        in_engine([&] { return Engine::open(disk_.borrow(), options, Engine::Threads::none); });
    if (!engine) {
        judge(engine.error(), "opening");
        return false;
    }
    engine_ = std::move(*engine);
    stopped_ = unwatched_ = false;
    history_.check_and_adopt(
        *engine_, errors_.empty() ? History::Reads::must_succeed : History::Reads::may_fail);
    const auto queue = [this] {
        auto made = disk_.make_queue(16, nullptr);
        return made ? std::move(*made) : io::make_blocking_queue();
    };
    log_queue_ = queue();
    drain_queue_ = queue();
    followed_ = engine_->watermarks().durable();
    return true;
}

/// A fault that comes once doesn't come a second time.
void FaultRun::open() {
    if (!try_open() && engine_ == nullptr) static_cast<void>(try_open());
}

void FaultRun::close() {
    if (engine_ == nullptr) return;
    const auto closed = in_engine([&] { return engine_->close(); });
    if (closed) {
        if (stopped_) throw Broken("a close succeeds after a failed log write");
        history_.all_durable();
    } else if (closed.error().code() != Errc::unknown_outcome || !stopped_) {
        judge(closed.error(), "closing");
    }
    history_ = promised();
    if (callbacks_due_ != 0) throw Broken("closed with a callback outstanding");
    let_go();
}

void FaultRun::settle(std::size_t index, const Result<Receipt>& receipt, Durability durability) {
    if (receipt) {
        if (stopped_) throw Broken("a commit succeeds after a failed log write");
        history_.sequenced(index, *receipt);
        if (durability == Durability::durable) history_.durable(index);
        if (durability == Durability::buffered) unwatched_ = true;
        const Watermarks& marks = engine_->watermarks();
        const Level level = durability == Durability::durable ? Level::durable : Level::committed;
        if (marks.at(level) < receipt->last_position)
            throw Broken("a commit is acknowledged that readers don't see");
        return;
    }
    const Error& error = receipt.error();
    const bool was_stopped = stopped_;
    if (was_stopped && error.code() != Errc::unknown_outcome) check_stopped(error, "a commit");
    if (was_stopped && error.code() == Errc::unknown_outcome) return;  // caught in the same failure
    judge(error, "a commit");
    if (error.code() != Errc::unknown_outcome) history_.refused(index);
}

void FaultRun::commit(const PlannedTransaction& planned, Durability durability) {
    const bool was_stopped = stopped_;
    TransactionBody body(workload_.options);
    build(body, planned);
    const std::size_t index = history_.submit(planned);
    const auto receipt = in_engine([&] { return engine_->commit(body, durability); });
    if (was_stopped && (receipt || receipt.error().code() != Errc::failed))
        throw Broken("a commit after a failed log write is not told `failed`");
    if (was_stopped) return history_.refused(index);
    settle(index, receipt, durability);
}

void FaultRun::commit_async(const PlannedTransaction& planned) {
    TransactionBody body(workload_.options);
    build(body, planned);
    const std::size_t index = history_.submit(planned);
    ++callbacks_due_;
    const bool was_stopped = stopped_;
    const auto call = [&]() -> Result<void> {
        engine_->commit_async(
            body,
            [this, index, was_stopped](const Result<Receipt>& receipt) {
                called_back(index, was_stopped, receipt);
            },
            Durability::durable);
        return {};
    };
    if (const auto called = in_engine(call); !called) {
        --callbacks_due_;
        judge(called.error(), "an asynchronous commit");
        history_.refused(index);
    }
}

void FaultRun::called_back(std::size_t index, bool was_stopped, const Result<Receipt>& receipt) {
    const sim::Shelter shelter;
    --callbacks_due_;
    try {
        if (was_stopped && receipt) throw Broken("a commit succeeds in a stopped store");
        if (was_stopped) {
            check_stopped(receipt.error(), "a commit");
            return history_.refused(index);
        }
        settle(index, receipt, Durability::durable);
    } catch (const Broken& broken) {
        broken_ = broken.what();
    }
}

/// One that ran out of memory half way is never committed: the commit says bad_alloc, too.
void FaultRun::build(TransactionBody& body, const PlannedTransaction& planned) {
    const auto built = in_engine([&]() -> Result<void> {
        crash::fill(body, planned, history_);
        return {};
    });
    if (built) return;
    judge(built.error(), "an append");
    try {
        static_cast<void>(engine_->commit(body, Durability::buffered));
        throw Broken("a transaction is committed whose building ran out of memory");
    } catch (const std::bad_alloc&) {
    }
    body.clear();
    crash::fill(body, planned, history_);
}

void FaultRun::conflict(std::uint64_t pick) {
    TransactionBody body(workload_.options);
    const std::string segment = fmt::format("g{}", pick % 3);
    body.append("s1", segment, as_bytes("never"), {.expect = expect::sequence(1'000'000)});
    body.append("never", "never", as_bytes("never"), {});
    const auto receipt = in_engine([&] { return engine_->commit(body, Durability::durable); });
    if (receipt) throw Broken("a condition that isn't met was not a conflict");
    if (receipt.error().code() == Errc::conflict) return;
    if (receipt.error().system_error() == ENOMEM) return judge(receipt.error(), "a conflict");
    // Its cause was lost with the log, and so nobody knows whether there is a conflict. Others
    // were told in the same moment.
    check_stopped(receipt.error(), "a conflict");
    stop();
}

void FaultRun::set_clock(std::uint64_t pick) {
    const std::uint64_t now = disk_.now().value;
    const std::uint64_t by = pick % 5'000'000'000;
    disk_.set_clock((pick >> 40) % 2 == 0 ? now + by : now - by, (pick >> 41) % 3);
}

void FaultRun::step_log(std::uint64_t steps) {
    const auto step = [this]() -> Result<bool> { return engine_->step_log(*log_queue_); };
    for (std::uint64_t i = 0; i <= steps; ++i)
        if (!in_engine(step)) throw Broken("a move of the log throws");
}

void FaultRun::step_drain(std::uint64_t steps) {
    for (std::uint64_t i = 0; i <= steps; ++i) {
        const auto moved = in_engine([&] { return engine_->step_drain(*drain_queue_); });
        if (!moved) return judge(moved.error(), "a move of the drain");
    }
}

void FaultRun::waited(const Result<void>& result, std::string_view what) {
    if (result && stopped_ && what == "a sync") throw Broken("a sync succeeds in a stopped store");
    if (result) return history_.all_durable();
    if (result.error().code() == Errc::unknown_outcome && stopped_) return;
    judge(result.error(), what);
}

void FaultRun::apply(const Operation& operation) {
    const auto planned = [&]() -> const PlannedTransaction& {
        return workload_.transactions[operation.transaction];
    };
    switch (operation.step) {
        case Step::commit:
            return commit(planned(), Durability::durable);
        case Step::commit_buffered:
            return commit(planned(), Durability::buffered);
        case Step::commit_async:
            return commit_async(planned());
        case Step::conflict:
            return conflict(operation.pick);
        case Step::sync:
            waited(in_engine([&] { return engine_->sync(); }), "a sync");
            look_around();
            return check_served(History::Reads::may_fail);
        case Step::step_log:
            return step_log(operation.pick % 6);
        case Step::step_drain:
            return step_drain(operation.pick % 8);
        case Step::drain:
            waited(in_engine([&] { return engine_->drain(); }), "a drain");
            look_around();
            return check_served(History::Reads::may_fail);
        case Step::gather:
            waited(in_engine([&] { return engine_->gather(); }), "gathering");
            look_around();
            return check_served(History::Reads::may_fail);
        case Step::trim:
            return;  // a drain with one record more
        case Step::clock:
            return set_clock(operation.pick);
        case Step::reopen:
            close();
            return open();
    }
}

void FaultRun::check_served(History::Reads reads) const {
    History served = promised();
    served.check_and_adopt(*engine_, errors_.empty() ? History::Reads::must_succeed : reads);
}

/// Single questions, all of them about the first segment that was written.
void FaultRun::look_around() {
    if (workload_.transactions.empty()) return;
    const auto with_records =
        std::find_if(workload_.transactions.begin(), workload_.transactions.end(),
                     [](const PlannedTransaction& one) { return !one.records.empty(); });
    if (with_records == workload_.transactions.end()) return;
    const crash::PlannedRecord& record = with_records->records.front();
    const auto ask = [&](const auto& question, std::string_view what) {
        const auto answer = in_engine(question);
        if (!answer) judge(answer.error(), what);
    };
    ask([&] { return engine_->peek(record.space, record.segment, Level::committed); }, "a peek");
    ask([&] { return engine_->status(record.space, record.segment); }, "a status");
    ask([&] { return read_backward(record.space, record.segment); }, "a reader");
    ask([&] { return engine_->verify(); }, "verify");
}

Result<bool> FaultRun::read_backward(const std::string& space, const std::string& segment) const {
    EntryBounds bounds;
    bounds.backward = true;
    const auto reader = engine_->read_segment(space, segment, bounds);
    Sequence before;
    while (const Result<Entry>* entry = reader->next()) {
        if (!*entry) return entry->error();
        if (before != 0 && (*entry)->sequence + 1 != before)
            throw Broken("a reader skips an entry, going backward");
        before = (*entry)->sequence;
    }
    if (before > 1) throw Broken("a reader ends before the first entry");
    return true;
}

/// Sees each durable entry once and in order, and nothing that isn't durable.
void FaultRun::follow() {
    if (follower_ == nullptr) {
        EntryBounds bounds;
        bounds.after = followed_;
        bounds.level = Level::durable;
        follower_ = engine_->read_spaces(std::nullopt, bounds);
    }
    using Next = Result<const Result<Entry>*>;
    const auto follow = [this]() -> Next { return follower_->follow(0); };
    for (Next next = in_engine(follow); !next || *next != nullptr; next = in_engine(follow)) {
        const Result<Entry>* entry = next ? *next : follower_->next();
        if (entry == nullptr || (!next && *entry))
            throw Broken("a follower goes on after bad_alloc");
        if (!*entry) {
            judge(entry->error(), "a follower");
            follower_.reset();
            return;
        }
        if ((*entry)->position != followed_ + 1)
            throw Broken(fmt::format("a follower is given position {} after {}",
                                     (*entry)->position.value, followed_.value));
        followed_ = (*entry)->position;
        if (followed_ > engine_->watermarks().durable())
            throw Broken("a follower is given what isn't durable");
    }
    if (followed_ != engine_->watermarks().durable())
        throw Broken(fmt::format("a follower ends at position {}, durable is {}", followed_.value,
                                 engine_->watermarks().durable().value));
}

void FaultRun::work() {
    open();
    for (const Operation& operation : workload_.operations) {
        if (engine_ == nullptr) return;
        apply(operation);
        if (!broken_.empty()) throw Broken(broken_);
        if (engine_ == nullptr) return;
        follow();
        if (stopped_ && engine_->watermarks().durable() != stopped_at_)
            throw Broken("something becomes durable after a failed log write");
    }
}

void FaultRun::go_on() {
    // Nobody may have been told yet that the log has failed.
    if (engine_ != nullptr) waited(engine_->sync(), "a sync");
    errors_.clear();
    if (engine_ == nullptr) open();
    follow();
    check_served(History::Reads::must_succeed);
    if (!stopped_) {
        use_again(*engine_, history_, workload_.options);
        return close();
    }
    TransactionBody body(workload_.options);
    crash::fill(body, afterwards(), history_);
    const auto receipt = engine_->commit(body, Durability::buffered);
    if (receipt || receipt.error().code() != Errc::failed)
        throw Broken("a commit after a failed log write is not told `failed`");
    static_cast<void>(engine_->close());
    history_ = promised();
    let_go();
}

void use_again(Engine& engine, History& history, const Options& options) {
    TransactionBody body(options);
    crash::fill(body, afterwards(), history);
    const std::size_t index = history.submit(afterwards());
    const auto receipt = engine.commit(body, Durability::durable);
    must(receipt, "a commit afterwards");
    history.sequenced(index, *receipt);
    history.durable(index);
    must(engine.drain(), "a drain afterwards");
}

void verify_all(Engine& engine, const History& history) {
    History served = history;
    served.check_and_adopt(engine);
    const auto report = engine.verify();
    must(report, "verify");
    if (!report->damages.empty())
        throw Broken(fmt::format("verify finds {} at offset {}: {}", report->damages.front().file,
                                 report->damages.front().offset, report->damages.front().what));
    // A body file of a commit that came to nothing stays for a while.
    for (const std::string& file : report->unknown_files)
        if (!file.starts_with("body-")) throw Broken("verify finds an unknown file: " + file);
}

std::shared_ptr<Engine> recover(sim::SimDisk& disk, History& history, Options options) {
    options.create = !history.is_created();
    auto engine = Engine::open(disk.borrow(), options, Engine::Threads::none);
    must(engine, "reopening");
    history.check_and_adopt(**engine);
    return std::move(*engine);
}

}  // namespace braid::faults
