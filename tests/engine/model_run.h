#pragma once

#include <fmt/format.h>

#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/engine/model.h"
#include "tests/engine/model_random.h"

namespace braid::test {

/// What a step of a history does. Everything else about it comes from its own seed and from what
/// the model holds by then, so that a history makes sense with any of its steps left out.
enum class Step : std::uint8_t {
    commit,
    commit_many,
    settle,
    sync,
    drain,
    gather,
    trim,
    reopen,
    read_segment,
    read_space,
    read_spaces,
    read_all,
    peek,
    status,
    list,
    stat,
    open_reader,
    step_reader,
    open_follower,
    step_follower,
    keep_entries,
    check_kept,
    look_read_only,
    verify,
};
inline constexpr std::size_t step_count = 24;

struct Operation {
    Step step;
    std::uint64_t seed;
};

/// The store did what the model doesn't do.
struct Mismatch : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// A store and a model side by side.
class ModelRun {
public:
    explicit ModelRun(std::uint64_t seed);

    /// Does one step on both. Throws Mismatch.
    void step(const Operation& operation);
    /// Compares everything, and again after a reopening. Throws Mismatch.
    void finish();
    /// The last steps, in words.
    [[nodiscard]] const std::deque<std::string>& story() const noexcept { return story_; }

private:
    using KeyValues = std::vector<std::pair<std::string, std::string>>;

    /// Where an asynchronous commit puts its answer; shared with the callback.
    struct Answer;
    /// A commit that the model has taken and the store hasn't answered.
    struct Pending {
        std::shared_ptr<Answer> answer;
        ModelOutcome outcome;
        std::optional<Errc> error;
        Durability durability;
    };
    /// A transaction that was committed with an id.
    struct Noted {
        TransactionId id;
        ModelTransaction transaction;
        ModelOutcome outcome;
    };
    struct OpenReader {
        Reader reader;
        std::vector<std::uint64_t> expected;
        std::size_t at = 0;
    };
    struct OpenFollower {
        Follower follower;
        ModelSelection selection;
        Level level;
        std::uint64_t seen;
    };
    struct Kept {
        KeptEntry entry;
        std::uint64_t position;
    };

    // Writing (model_run.cc)
    Options random_options(Random& random) const;
    void open(Random& random);
    void close(Random& random);
    void commit(Random& random);
    void commit_many(Random& random);
    void commit_transaction(Random& random, ModelTransaction transaction);
    // model_consumers.cc
    void add_moves(Random& random, ModelTransaction& transaction);
    void build_moves(Transaction& target, const ModelTransaction& transaction) const;
    void note(const TransactionId& id, const ModelTransaction& transaction,
              const ModelOutcome& outcome);
    void repeat(Random& random);
    void compare_consumers();
    // model_leases.cc
    std::pair<std::string, std::uint64_t> random_token(Random& random) const;
    void change_lease(Random& random);
    void acquire_lease(Random& random);
    void compare_leases();
    void build(Transaction& target, const ModelTransaction& transaction) const;
    ModelTransaction random_transaction(Random& random);
    Expectation random_expectation(Random& random, std::uint64_t length, bool right) const;
    void check_answer(const Result<Receipt>& result, const ModelOutcome& outcome,
                      std::optional<Errc> error, Durability durability);
    void check_receipt(const Receipt& receipt, const ModelOutcome& outcome);
    void settle();
    void sync();
    void drain();
    void gather();
    void trim(Random& random);
    void reopen(Random& random);

    // Reading (model_reads.cc)
    ModelSelection random_bounds(Random& random);
    void add_as_of(Random& random, ModelSelection& selection) const;
    std::uint64_t random_cursor(Random& random) const;
    std::uint64_t random_time(Random& random) const;
    Reader open_selected(const Store& store, const ModelSelection& selection, Level level) const;
    void read(const ModelSelection& selection, Level level);
    void read_random(Random& random, Step kind);
    /// Compares what a reader of `store` gives with the model as it stands at some transaction's
    /// end from `low` on.
    void compare(const Store& store, const ModelSelection& selection, Level level,
                 std::uint64_t low);
    void compare_entry(const Entry& entry);
    void check_refusal(const Error& error, const ModelSelection& selection, std::uint64_t low);
    void check_trimmed(const Error& error, const ModelSelection& selection, std::uint64_t low);
    void check_cursor(Position cursor, std::uint64_t highest_seen) const;
    void compare_everything();
    void peek(Random& random);
    void status(Random& random);
    void compare_status(const std::string& space, const std::string& segment);
    void list(Random& random);
    void stat();
    void verify();
    void open_reader(Random& random);
    void step_reader(Random& random);
    void step_one(OpenReader& reader, std::uint64_t count, bool closed);
    void open_follower(Random& random);
    void step_follower(OpenFollower& follower, bool closed);
    void keep_entries(Random& random);
    void check_kept();
    void look_read_only(Random& random);

    void check(bool good, const std::string& what) const;
    template <class... Arguments>
    void tell(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        story_.push_back(fmt::format(format, std::forward<Arguments>(arguments)...));
        if (story_.size() > 30) story_.pop_front();
    }
    [[nodiscard]] std::uint64_t visible(Level level) const noexcept {
        return level == Level::durable ? durable_ : acknowledged_;
    }
    std::string random_name(Random& random, bool space) const;

    TemporaryDirectory directory_;
    Options options_;
    std::vector<std::string> space_names_;
    std::vector<std::string> segment_names_;
    Model model_;
    std::uint64_t acknowledged_ = 0;  ///< at least this much must be visible
    std::uint64_t durable_ = 0;       ///< and at least this much at the durable level
    std::vector<Pending> pending_;
    std::deque<Noted> noted_;  // the last ones
    std::optional<Store> store_;
    std::optional<Store> viewer_;
    std::vector<OpenReader> readers_;
    std::vector<OpenFollower> followers_;
    std::vector<Kept> kept_;
    std::deque<std::string> story_;
};

/// Bytes as a test's message shows them.
std::string shown(std::string_view bytes);

}  // namespace braid::test
