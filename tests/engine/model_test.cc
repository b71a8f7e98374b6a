// Random histories of operations, on the store and on a model of what it promises.
//
//   BRAID_SEED=n     plays the history of that seed only
//   BRAID_KEEP=i,j,… plays only these of its steps (a shrunk history)
//   BRAID_SECONDS=n  for how long to play new histories; default 10
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <sstream>

#include "tests/engine/model_run.h"

namespace braid::test {
namespace {

using Clock = std::chrono::steady_clock;

/// A history may not take longer; one that does has met something that waits for ever.
constexpr unsigned history_seconds_max = sanitized ? 180 : 60;
constexpr std::chrono::seconds shrink_time_max{30};

struct History {
    std::uint64_t seed = 0;
    std::vector<Operation> operations;
};

/// How often each step comes, in the order of `Step`.
constexpr std::array<std::uint64_t, step_count> weights{30, 10, 3, 3, 6, 3, 3, 4, 8, 6, 4, 4,
                                                        6,  3,  4, 2, 4, 6, 2, 6, 2, 2, 2, 1};

Step random_step(Random& random) {
    std::uint64_t sum = 0;
    for (const std::uint64_t weight : weights) sum += weight;
    std::uint64_t at = random.below(sum);
    std::size_t step = 0;
    while (at >= weights[step]) at -= weights[step++];
    return static_cast<Step>(step);
}

History make_history(std::uint64_t seed) {
    Random random(seed ^ 0x6d6f64656c);
    History history{seed, {}};
    const std::uint64_t length = random.between(10, 120);
    for (std::uint64_t i = 0; i < length; ++i) {
        const Step step = random_step(random);
        history.operations.push_back({step, random.next()});
    }
    return history;
}

/// What to say if the process ends in the middle of a history: an invariant, a fault, a hang.
std::array<char, 128> in_case_of_death{};

void say_seed_and_die(int signal_number) {
    const char* text = in_case_of_death.data();
    if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) ::_exit(3);
    ::signal(signal_number, SIG_DFL);
    ::raise(signal_number);
}

/// Says the seed on stderr if the history is the process's last.
class LastWords {
public:
    explicit LastWords(std::uint64_t seed) {
        const std::string text =
            fmt::format("\nthe model test died in BRAID_SEED={} (-tc='model*')\n", seed);
        in_case_of_death.fill('\0');
        std::memcpy(in_case_of_death.data(), text.data(),
                    std::min(text.size(), in_case_of_death.size() - 1));
        before_abort_ = ::signal(SIGABRT, say_seed_and_die);
        before_alarm_ = ::signal(SIGALRM, say_seed_and_die);
        ::alarm(history_seconds_max);
    }
    ~LastWords() {
        ::alarm(0);
        ::signal(SIGABRT, before_abort_);
        ::signal(SIGALRM, before_alarm_);
    }
    LastWords(const LastWords&) = delete;
    LastWords& operator=(const LastWords&) = delete;

private:
    void (*before_abort_)(int);
    void (*before_alarm_)(int);
};

struct Failure {
    std::string what;
    std::vector<std::string> story;
    std::size_t steps = 0;  ///< of those kept, how many were done or begun
};

using Kept = std::vector<std::size_t>;

std::optional<Failure> play(const History& history, const Kept& kept) {
    const LastWords last_words(history.seed);
    std::optional<ModelRun> run;
    std::size_t steps = 0;
    try {
        run.emplace(history.seed);
        for (const std::size_t index : kept) {
            ++steps;
            run->step(history.operations[index]);
        }
        run->finish();
    } catch (const Mismatch& mismatch) {
        std::vector<std::string> story;
        if (run) story.assign(run->story().begin(), run->story().end());
        return Failure{mismatch.what(), std::move(story), steps};
    }
    return std::nullopt;
}

/// What kind of failure it is: the first word, so that shrinking doesn't stray to another.
std::string kind(const Failure& failure) {
    return failure.what.substr(0, failure.what.find(' '));
}

/// Leaves out steps, in ever smaller stretches, as long as it goes on failing in the same way.
Kept shrink(const History& history, Kept kept, Failure& failure) {
    const auto end = Clock::now() + shrink_time_max;
    kept.resize(failure.steps);
    for (std::size_t stretch = kept.size() / 2; stretch > 0; stretch /= 2) {
        for (std::size_t at = 0; at < kept.size() && Clock::now() < end;) {
            Kept fewer = kept;
            const std::size_t last = std::min(at + stretch, fewer.size());
            fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(at),
                        fewer.begin() + static_cast<std::ptrdiff_t>(last));
            std::optional<Failure> still = play(history, fewer);
            if (still && kind(*still) == kind(failure)) {
                fewer.resize(still->steps);
                kept = std::move(fewer);
                failure = *std::move(still);
            } else {
                at += stretch;
            }
        }
    }
    return kept;
}

/// Names in the sentences may hold any bytes.
std::string printable(std::string_view text) {
    std::string result;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        result += byte >= ' ' || c == '\n' ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
    }
    return result;
}

std::string report(const History& history, const Kept& kept, const Failure& failure) {
    return printable(
        fmt::format("{}\nlast steps:\n  {}\nrepeat with: BRAID_SEED={} BRAID_KEEP={} "
                    "test_engine -tc='model*'\nwhole: BRAID_SEED={} test_engine -tc='model*'",
                    failure.what, fmt::join(failure.story, "\n  "), history.seed,
                    kept.empty() ? "-" : fmt::format("{}", fmt::join(kept, ",")), history.seed));
}

std::optional<std::uint64_t> number_from_environment(const char* name) {
    const char* text = ::getenv(name);
    if (text == nullptr || *text == '\0') return std::nullopt;
    return std::strtoull(text, nullptr, 10);
}

Kept kept_from_environment(std::size_t count) {
    Kept kept;
    if (const char* text = ::getenv("BRAID_KEEP")) {
        std::istringstream stream(text);
        for (std::string part; std::getline(stream, part, ',');) {
            const std::size_t index = std::strtoull(part.c_str(), nullptr, 10);
            if (part != "-" && index < count) kept.push_back(index);
        }
        return kept;
    }
    for (std::size_t i = 0; i < count; ++i) kept.push_back(i);
    return kept;
}

/// Plays one seed; false, and a report, if the store did something else than the model.
bool play_seed(std::uint64_t seed) {
    const History history = make_history(seed);
    Kept kept = kept_from_environment(history.operations.size());
    std::optional<Failure> failure = play(history, kept);
    if (!failure) return true;
    if (::getenv("BRAID_KEEP") == nullptr) {
        const std::string first = failure->what;
        kept = shrink(history, std::move(kept), *failure);
        if (failure->what != first) failure->what += "\n(first seen as: " + first + ")";
    }
    FAIL_CHECK(report(history, kept, *failure));
    return false;
}

}  // namespace

TEST_CASE("model: random histories do what the promises say") {
    if (const auto seed = number_from_environment("BRAID_SEED")) {
        play_seed(*seed);
        return;
    }
    const std::uint64_t seconds = number_from_environment("BRAID_SECONDS").value_or(10);
    const auto first =
        static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()) % 1'000'000'000;
    const auto end = Clock::now() + std::chrono::seconds(seconds);
    std::uint64_t seed = first;
    while (Clock::now() < end && play_seed(seed)) ++seed;
    MESSAGE("model: seeds ", first, " to ", seed);
}

}  // namespace braid::test
