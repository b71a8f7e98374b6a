#include "tests/engine/model_run.h"

#include <fmt/format.h>
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace braid::test {

struct ModelRun::Answer {
    std::mutex mutex;
    std::condition_variable arrived;
    std::optional<Result<Receipt>> result;
    int calls = 0;
};

namespace {

/// Names that alias if their lengths, their zeros or their order are handled wrongly.
std::vector<std::string> names_of_spaces() {
    return {"a", "aa", std::string("a\0b", 3), std::string(name_bytes_max, 'x'), "\xff"};
}

std::vector<std::string> names_of_segments() {
    std::vector<std::string> names{
        "a",    "aa",  std::string("a\0b", 3), std::string("a\0", 2), std::string(1, '\0'), "b",
        "../a", "\xff"};
    names.emplace_back(name_bytes_max, 'x');
    names.emplace_back(name_bytes_max, 'x').back() = 'y';
    return names;
}

std::string random_bytes(Random& random, std::uint64_t size) {
    std::string bytes;
    bytes.reserve(size + 8);
    while (bytes.size() < size) {
        const std::uint64_t word = random.next();
        for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>((word >> (8 * i)) & 0xff));
    }
    bytes.resize(size);
    return bytes;
}

std::uint64_t random_size(Random& random) {
    const std::uint64_t kind = random.below(1000);
    if (kind < 100) return 0;
    if (kind < 750) return random.below(200);
    if (kind < 996) return random.below(8192);
    return 100'000 + random.below(20'000);
}

}  // namespace

std::string shown(std::string_view bytes) {
    std::string text;
    for (const char c : bytes.substr(0, 12)) {
        text += c > ' ' && c < 127 ? std::string(1, c)
                                   : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    return bytes.size() > 12 ? fmt::format("{}…({})", text, bytes.size()) : text;
}

void ModelRun::check(bool good, const std::string& what) const {
    if (!good) throw Mismatch(what);
}

ModelRun::ModelRun(std::uint64_t seed) {
    Random random(seed);
    space_names_ = names_of_spaces();
    segment_names_ = names_of_segments();
    space_names_.resize(random.between(1, space_names_.size()));
    segment_names_.resize(random.between(1, segment_names_.size()));
    open(random);
}

Options ModelRun::random_options(Random& random) const {
    using Values = std::vector<std::uint64_t>;
    Options options = small_options();
    options.log_file_bytes = random.pick(Values{16 << 10, 16 << 10, 32 << 10, 1 << 20});
    options.tail_bytes_max = random.pick(Values{64 << 10, 256 << 10, 4 << 20});
    options.arena_chunk_bytes = random.pick(Values{4 << 10, 16 << 10});
    options.piece_bytes_min = random.pick(Values{4 << 10, 16 << 10, 1 << 20});
    options.segment_file_bytes =
        std::max(options.piece_bytes_min, random.pick(Values{16 << 10, 256 << 10}));
    options.open_files_max = static_cast<std::uint32_t>(random.pick(Values{8, 16, 1024}));
    options.batches_in_flight = static_cast<std::uint32_t>(random.pick(Values{1, 1, 4}));
    options.commit_path = random.percent(30) ? CommitPath::ring : CommitPath::automatic;
    options.log_sync = random.pick(
        std::vector{LogSync::automatic, LogSync::synchronous_writes, LogSync::fdatasync});
    options.read_mode = random.percent(30) ? ReadMode::copied : ReadMode::mapped;
    options.flush_interval = std::chrono::milliseconds(random.pick(Values{1, 10, 10, 3'600'000}));
    // Two or three are soon there; 64 never.
    options.gather_packs = static_cast<std::uint32_t>(random.pick(Values{0, 2, 2, 3, 64}));
    options.large_body_bytes = random.pick(Values{0, 0, 1, 20, 200, 4096});
    options.body_file_bytes = random.pick(Values{16 << 10, 256 << 10});
    return options;
}

void ModelRun::open(Random& random) {
    options_ = random_options(random);
    tell(
        "open: log file {}, tails {}, chunk {}, piece {}, own file {}, flush {} ms, "
        "log sync {}, commit path {}, large from {}, body file {}, gather {}",
        options_.log_file_bytes, options_.tail_bytes_max, options_.arena_chunk_bytes,
        options_.piece_bytes_min, options_.segment_file_bytes, options_.flush_interval.count(),
        static_cast<int>(options_.log_sync), static_cast<int>(options_.commit_path),
        options_.large_body_bytes, options_.body_file_bytes, options_.gather_packs);
    Result<Store> opened = Store::open(directory_.path(), options_);
    if (!opened) throw Mismatch("open: " + opened.error().message());
    store_ = *std::move(opened);
}

void ModelRun::close(Random& random) {
    const bool politely = random.percent(80);
    tell("{}", politely ? "close" : "destroy the open store");
    if (random.percent(50)) settle();
    if (politely) {
        const Result<void> closed = store_->close();
        if (!closed) throw Mismatch("close: " + closed.error().message());
        check(code(store_->append("a", "a", "x")) == Errc::closed, "an append after close");
    }
    store_.reset();
    settle();
    acknowledged_ = durable_ = model_.last_position();
    for (OpenReader& reader : readers_) step_one(reader, no_limit, true);
    for (OpenFollower& follower : followers_) step_follower(follower, true);
    readers_.clear();
    followers_.clear();
    check_kept();
}

void ModelRun::reopen(Random& random) {
    close(random);
    if (random.percent(50)) viewer_.reset();
    open(random);
    if (random.percent(30)) compare_everything();
}

std::string ModelRun::random_name(Random& random, bool space) const {
    return random.pick(space ? space_names_ : segment_names_);
}

Expectation ModelRun::random_expectation(Random& random, std::uint64_t length, bool right) const {
    if (right) {
        switch (random.below(4)) {
            case 0:
                return length == 0 ? expect::none() : expect::exists();
            case 1:
                return expect::sequence(length + 1);
            case 2:
                return expect::last(length);
            default:
                return expect::any();
        }
    }
    switch (random.below(4)) {
        case 0:
            return length == 0 ? expect::exists() : expect::none();
        case 1:
            return expect::sequence(length + 2 + random.below(3));
        case 2:
            return expect::sequence(length);
        default:
            return expect::sequence(0);
    }
}

ModelTransaction ModelRun::random_transaction(Random& random) {
    ModelTransaction transaction;
    if (random.percent(15)) {
        const std::string space = random_name(random, true);
        const std::string segment = random_name(random, false);
        const std::uint64_t length = model_.last_sequence(space, segment);
        Expectation expect = random_expectation(random, length, random.percent(75));
        if (random.percent(30)) {
            const std::uint64_t newest = model_.newest(space, segment).position;
            expect = expect::untouched(random.percent(75) ? newest + random.below(3) : newest / 2);
        }
        transaction.conditions.push_back({space, segment, expect});
    }
    const std::uint64_t count = random.percent(50) ? random.between(1, 3) : random.below(21);
    const std::uint64_t wrong = random.percent(10) ? random.below(count + 1) : count;
    std::map<std::pair<std::string, std::string>, std::uint64_t> added;
    for (std::uint64_t i = 0; i < count; ++i) {
        ModelAppend append;
        append.space = random_name(random, true);
        append.segment = random_name(random, false);
        append.payload = random_bytes(random, random_size(random));
        const std::uint64_t pairs = random.percent(25) ? random.below(4) : 0;
        for (std::uint64_t pair = 0; pair < pairs; ++pair) {
            append.metadata.emplace_back(random_bytes(random, random.below(10)),
                                         random_bytes(random, random.below(100)));
        }
        std::uint64_t& before = added[{append.space, append.segment}];
        const std::uint64_t length = model_.last_sequence(append.space, append.segment) + before++;
        append.expect = random.percent(70) && i != wrong
                            ? expect::any()
                            : random_expectation(random, length, i != wrong);
        transaction.appends.push_back(std::move(append));
    }
    if (random.percent(25)) add_moves(random, transaction);
    if (random.percent(5)) transaction.tokens.push_back(random_token(random));
    return transaction;
}

void ModelRun::build(Transaction& target, const ModelTransaction& transaction) const {
    for (const ModelCondition& condition : transaction.conditions) {
        target.require(condition.space, condition.segment, condition.expect);
    }
    for (const ModelAppend& append : transaction.appends) {
        std::vector<KeyValue> pairs;
        for (const auto& [key, value] : append.metadata) pairs.push_back({key, value});
        AppendOptions options = with_metadata(pairs);
        options.expect = append.expect;
        target.append(append.space, append.segment, append.payload, options);
    }
    for (const auto& [key, token] : transaction.tokens) target.require_lease(key, token);
    build_moves(target, transaction);
}

void ModelRun::commit(Random& random) {
    if (!noted_.empty() && random.percent(5)) return repeat(random);
    if (random.percent(5)) return change_lease(random);
    commit_transaction(random, random_transaction(random));
}

void ModelRun::commit_many(Random& random) {
    for (std::uint64_t left = random.between(5, 40); left > 0; --left) commit(random);
}

void ModelRun::commit_transaction(Random& random, ModelTransaction transaction) {
    Transaction target = store_->begin();
    build(target, transaction);
    std::optional<Errc> error;
    if (random.percent(3)) {
        const bool name = random.percent(60);
        if (name) target.append(random.percent(50) ? "" : std::string(256, 'x'), "a", "x");
        if (!name) target.append("a", "a", std::string(options_.record_bytes_max + 1, 'x'));
        error = name ? Errc::invalid_argument : Errc::too_large;
    }
    const Durability durability = random.percent(40) ? Durability::durable : Durability::buffered;
    const bool async = random.percent(25);
    const ModelOutcome outcome = error ? ModelOutcome() : model_.commit(transaction);
    if (outcome.transaction != 0 && random.percent(20)) {
        TransactionId id{};
        for (auto& byte : id) byte = static_cast<std::uint8_t>(random.next());
        target.set_id(id);
        note(id, transaction, outcome);
    }
    tell("commit{}{}: {} appends, {} conditions: {}", async ? " async" : "",
         durability == Durability::durable ? " durable" : " buffered", transaction.appends.size(),
         transaction.conditions.size(),
         error              ? "refused in building"
         : outcome.conflict ? "conflict"
                            : fmt::format("transaction {}, positions {}..{}", outcome.transaction,
                                          outcome.first_position, outcome.last_position));
    if (!async) {
        check_answer(target.commit(durability), outcome, error, durability);
        return;
    }
    auto answer = std::make_shared<Answer>();
    target.commit_async(
        [answer](Result<Receipt> result) {
            const std::lock_guard lock(answer->mutex);
            answer->result.emplace(std::move(result));
            ++answer->calls;
            answer->arrived.notify_all();
        },
        durability);
    pending_.push_back({answer, outcome, error, durability});
}

void ModelRun::check_answer(const Result<Receipt>& result, const ModelOutcome& outcome,
                            std::optional<Errc> error, Durability durability) {
    const std::string got = result ? "success" : result.error().message();
    if (error) {
        check(code(result) == error, fmt::format("a transaction built wrongly got: {}", got));
        return;
    }
    if (outcome.conflict) {
        check(code(result) == Errc::conflict, fmt::format("a conflict got: {}", got));
        std::vector<std::pair<std::string, std::string>> named;
        const Error refusal = result.error();
        for (const Conflict& conflict : refusal.conflicts()) {
            named.emplace_back(conflict.space, conflict.segment);
        }
        std::sort(named.begin(), named.end());
        named.erase(std::unique(named.begin(), named.end()), named.end());
        std::vector<std::pair<std::string, std::string>> expected = outcome.refused_by;
        std::sort(expected.begin(), expected.end());
        check(named == expected,
              fmt::format("a conflict names {} segments, not the {} that refuse: {}", named.size(),
                          expected.size(), got));
    } else {
        check(result.has_value(), fmt::format("a good commit got: {}", got));
        check_receipt(*result, outcome);
    }
    // Acknowledged or refused: all up to what was written or judged is visible, whole transactions.
    const std::uint64_t reached =
        model_.ends(std::max(outcome.last_position, outcome.judged_on), model_.last_position())
            .front();
    acknowledged_ = std::max(acknowledged_, reached);
    if (durability == Durability::durable) durable_ = std::max(durable_, reached);
}

void ModelRun::check_receipt(const Receipt& receipt, const ModelOutcome& outcome) {
    check(receipt.transaction.value == outcome.transaction,
          fmt::format("transaction number {}, expected {}", receipt.transaction.value,
                      outcome.transaction));
    check(receipt.first_position.value == outcome.first_position &&
              receipt.last_position.value == outcome.last_position,
          fmt::format("positions {}..{}, expected {}..{}", receipt.first_position.value,
                      receipt.last_position.value, outcome.first_position, outcome.last_position));
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (const SequenceRange& range : receipt.segments) {
        ranges.emplace_back(range.first.value, range.last.value);
    }
    const auto text = [](const auto& pairs) {
        std::string all;
        for (const auto& [first, last] : pairs) all += fmt::format(" {}..{}", first, last);
        return all;
    };
    check(ranges == outcome.ranges, fmt::format("sequences in the receipt:{}; expected{}",
                                                text(ranges), text(outcome.ranges)));
    if (outcome.last_position == 0) return;
    if (const auto problem = model_.learn_timestamp(outcome.transaction, receipt.timestamp.value)) {
        throw Mismatch(*problem);
    }
}

void ModelRun::settle() {
    for (const Pending& pending : pending_) {
        std::unique_lock lock(pending.answer->mutex);
        const bool arrived = pending.answer->arrived.wait_for(
            lock, std::chrono::seconds(30), [&] { return pending.answer->result.has_value(); });
        check(arrived, "an asynchronous commit was never answered");
        check(pending.answer->calls == 1, "an asynchronous commit was answered twice");
        check_answer(*pending.answer->result, pending.outcome, pending.error, pending.durability);
    }
    pending_.clear();
}

void ModelRun::sync() {
    tell("sync");
    // What is sequenced but not acknowledged may or may not be included.
    const std::uint64_t before = acknowledged_;
    const Result<void> result = store_->sync();
    if (!result) throw Mismatch("sync: " + result.error().message());
    durable_ = std::max(durable_, before);
}

void ModelRun::drain() {
    tell("drain");
    const Result<void> result = store_->drain();
    if (!result) throw Mismatch("drain: " + result.error().message());
}

void ModelRun::gather() {
    tell("gather");
    const Result<void> result = store_->gather();
    if (!result) throw Mismatch("gather: " + result.error().message());
}

/// Readers that are under way then have a choice of what to give, so they go.
void ModelRun::trim(Random& random) {
    settle();
    readers_.clear();
    followers_.clear();
    const std::string space = random_name(random, true);
    const std::string segment = random_name(random, false);
    const std::uint64_t length = model_.last_sequence(space, segment);
    const std::uint64_t before = model_.trimmed(space, segment);
    const std::uint64_t through =
        random.percent(10) ? random.below(length + 3) : random.between(before, length);
    const bool past_consumers = random.percent(50);
    tell("trim {}/{} through {} of {}{}", shown(space), shown(segment), through, length,
         past_consumers ? " past consumers" : "");
    const Result<void> result =
        store_->trim(space, segment, through, {.past_consumers = past_consumers});
    if (length == 0) return check(code(result) == Errc::not_found, "trimming what is missing");
    if (through > length)
        return check(code(result) == Errc::out_of_range, "trimming beyond the end");
    durable_ = acknowledged_;
    if (!past_consumers && through > before && model_.is_held_back(space, segment, through))
        return check(code(result) == Errc::conflict, "trimming what a consumer has yet to read");
    if (!result) throw Mismatch("trim: " + result.error().message());
    model_.trim(space, segment, through);
}

void ModelRun::step(const Operation& operation) {
    Random random(operation.seed);
    switch (operation.step) {
        case Step::commit:
            return commit(random);
        case Step::commit_many:
            return commit_many(random);
        case Step::settle:
            return settle();
        case Step::sync:
            return sync();
        case Step::drain:
            return drain();
        case Step::gather:
            return gather();
        case Step::trim:
            return trim(random);
        case Step::reopen:
            return reopen(random);
        case Step::read_segment:
        case Step::read_space:
        case Step::read_spaces:
        case Step::read_all:
            return read_random(random, operation.step);
        case Step::peek:
            return peek(random);
        case Step::status:
            return status(random);
        case Step::list:
            return list(random);
        case Step::stat:
            return stat();
        case Step::open_reader:
            return open_reader(random);
        case Step::step_reader:
            return step_reader(random);
        case Step::open_follower:
            return open_follower(random);
        case Step::step_follower:
            if (!followers_.empty())
                step_follower(followers_[random.below(followers_.size())], false);
            return;
        case Step::keep_entries:
            return keep_entries(random);
        case Step::check_kept:
            return check_kept();
        case Step::look_read_only:
            return look_read_only(random);
        case Step::verify:
            return verify();
    }
}

void ModelRun::finish() {
    tell("the end");
    settle();
    compare_everything();
    drain();
    compare_everything();
    gather();
    compare_everything();
    Random random(1);
    reopen(random);
    compare_everything();
    verify();
}

}  // namespace braid::test
