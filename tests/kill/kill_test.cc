// Kills real processes with SIGKILL while they write, while they recover, and while their successor
// opens already, and looks each time whether everything that they acknowledged is there.
//
//   kill_test [--io uring|posix|both] [--kills N] [--seed N]
//
// `--kills` is for each way of I/O; with `both` the two run at the same time. The seed gives the
// same transactions and the same plan of kills, not the same moments. The last line is `N passed, N
// failed`, a count a kill. This is where two rules of docs/testing.md meet real processes: 18 (no
// write of a dead process beside its successor) and 19 (transactions are whole).

#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/kill/check.h"
#include "tests/kill/heir.h"
#include "tests/kill/life.h"

namespace {

namespace fs = std::filesystem;
using namespace braid;
using namespace braid::kill;
using Clock = std::chrono::steady_clock;

struct Arguments {
    std::string io = "both";
    unsigned kills = 300;
    std::uint64_t seed = std::random_device()();
};

constexpr unsigned kills_per_store = 8;
constexpr int alarm_wait_ms = 60'000;

/// What is wrong, in words; empty: nothing.
using Problem = std::string;

/// One way for a byte to go from a process to another.
class Pipe {
public:
    Pipe() {
        if (::pipe(ends_) != 0) std::abort();
    }
    ~Pipe() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    [[nodiscard]] int in() const { return ends_[1]; }
    [[nodiscard]] int out() const { return ends_[0]; }
    void send() const { static_cast<void>(!::write(in(), "!", 1)); }

private:
    int ends_[2] = {-1, -1};
};

/// Forks; `body` is the child's life.
template <class Body>
pid_t start(Body body) {
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child < 0) std::abort();
    if (child == 0) {
        body();
        ::_exit(1);
    }
    return child;
}

/// A short time without giving up the processor, so that kills come close behind what they follow.
void spin(std::uint64_t microseconds) {
    const auto end = Clock::now() + std::chrono::microseconds(microseconds);
    while (Clock::now() < end) {
    }
}

struct Tally {
    unsigned passed = 0;
    unsigned failed = 0;
};

class KillTest {
public:
    KillTest(Io io, const Arguments& arguments, std::string disk, std::string memory)
        : io_(io),
          arguments_(arguments),
          disk_(std::move(disk)),
          memory_(std::move(memory)),
          place_{disk_},
          random_(arguments.seed) {}

    Tally run() {
        for (unsigned kill = 1; kill <= arguments_.kills; ++kill) {
            if (kill % kills_per_store == 1) begin_store();
            const Problem problem = run_round();
            if (problem.empty()) {
                ++passed_;
                continue;
            }
            ++failed_;
            fmt::print("FAILED {} kill {}: {}\n", name(), kill, problem);
            keep_store(kill);
            begin_store();
        }
        report();
        return {passed_, failed_};
    }

private:
    [[nodiscard]] std::string_view name() const { return io_ == Io::uring ? "uring" : "posix"; }

    void report() const {
        fmt::print("figure: kills ({}): {}\n", name(), passed_ + failed_);
        fmt::print("figure: kills in a recovery ({}): {}\n", name(), recoveries_);
        fmt::print("figure: successors at the heels of the killed ({}): {}\n", name(), successors_);
        fmt::print("figure: kills with writes in flight ({}): {}\n", name(), floods_);
        fmt::print("figure: acknowledged transactions checked ({}): {}\n", name(),
                   acknowledged_ + checked_.acknowledged);
        fmt::print("{}: buffered transactions that kills took back: {}\n", name(),
                   taken_back_ + checked_.taken_back);
        fmt::print("{}: {} good, {} bad\n", name(), passed_, failed_);
    }

    /// Every other store is in memory, where commits are so fast that kills hit more drains and
    /// rolls.
    void begin_store() {
        fs::remove_all(place_.work);
        place_.work = stores_++ % 2 == 0 || memory_.empty() ? disk_ : memory_;
        fs::remove_all(place_.work);
        fs::create_directories(place_.store());
        acknowledged_ += checked_.acknowledged;
        taken_back_ += checked_.taken_back;
        checked_ = {};
    }

    void keep_store(unsigned kill) const {
        const std::string kept = fmt::format("{}-failed-{}", place_.work, kill);
        std::error_code ignored;
        fs::rename(place_.work, kept, ignored);
        fmt::print("   the store is kept in {}\n", kept);
    }

    Life next_life(int alarm) {
        Life life;
        life.style = static_cast<Life::Style>(random_() % 3);
        life.threads = 1 + random_() % 4;
        life.seed = random_();
        life.first_id = ++lives_ * ids_per_life;
        // Many short lives, some long enough for drains and rolls; a few end while they begin.
        life.alarm_at = random_() % 8 == 0 ? 0 : 1 + random_() % (random_() % 4 == 0 ? 300 : 40);
        life.alarm = alarm;
        return life;
    }

    Problem run_round() {
        const bool heels = random_() % 3 == 0;
        Problem problem = heels ? kill_before_successor() : kill_writer();
        if (problem.empty() && random_() % 16 == 0) problem = kill_flood();
        for (std::uint64_t i = random_() % 4; i > 1 && problem.empty(); --i)
            problem = kill_recovery();
        std::uint64_t end = 0;
        if (problem.empty()) problem = check_read_only(place_, end, &checked_);
        // Otherwise the next writer finds what the kill has left.
        if (problem.empty() && random_() % 2 == 0)
            problem = check_recovered(place_, io_, random_(), &checked_);
        return problem;
    }

    Problem kill_writer() {
        const Pipe alarm;
        const Life life = next_life(alarm.in());
        const pid_t child = start([&] { live(place_, io_, life); });
        if (Problem problem = await(alarm, child); !problem.empty()) return problem;
        spin(random_() % 1000);
        ::kill(child, SIGKILL);
        return bury(child, SIGKILL);
    }

    /// Megabytes of writes are with the kernel when the kill comes, and the lock is waited for.
    Problem kill_flood() {
        const Pipe alarm;
        const Pipe ready;
        const pid_t child = start([&] { flood(place_, io_, alarm.in()); });
        Problem problem = await(alarm, child);
        const pid_t heir = start([&] { inherit(place_, ready.in()); });
        if (problem.empty()) problem = await(ready, heir);
        spin(random_() % 4000);
        ::kill(child, SIGKILL);
        if (problem.empty()) problem = bury(child, SIGKILL);
        const Problem after = bury(heir, 0);
        ++floods_;
        return problem.empty() ? after : problem;
    }

    /// The successor waits at the door when the kill comes.
    Problem kill_before_successor() {
        const Pipe alarm;
        const Pipe go;
        const Life life = next_life(alarm.in());
        const Life next = next_life(-1);
        const pid_t child = start([&] { live(place_, io_, life); });
        const pid_t successor = start([&] { succeed(place_, io_, next, go.out()); });
        Problem problem = await(alarm, child);
        spin(random_() % 1000);
        const bool early = random_() % 2 == 0;
        if (early) go.send();
        ::kill(child, SIGKILL);
        if (!early) go.send();
        if (problem.empty()) problem = bury(child, SIGKILL);
        const Problem after = bury(successor, 0);
        ++successors_;
        return problem.empty() ? after : problem;
    }

    /// The longest recovery seen bounds the time within which the kill comes.
    Problem kill_recovery() {
        const Pipe alarm;
        const Life life = next_life(alarm.in());
        const auto begin = Clock::now();
        const pid_t child = start([&] { recover(place_, io_, life); });
        if (Problem problem = await(alarm, child); !problem.empty()) return problem;
        spin(random_() % recovery_us_);
        ::kill(child, SIGKILL);
        int status = 0;
        ::waitpid(child, &status, 0);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
            ++recoveries_;
            return {};
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return words(status);
        const auto took =
            std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
        recovery_us_ = std::clamp<std::uint64_t>(took.count(), 500, recovery_us_);
        return {};
    }

    /// Waits for a process to give the alarm.
    Problem await(const Pipe& alarm, pid_t child) const {
        pollfd poll{.fd = alarm.out(), .events = POLLIN, .revents = 0};
        for (int waited = 0; waited < alarm_wait_ms; waited += 200) {
            if (::poll(&poll, 1, 200) > 0) return {};
            int status = 0;
            // It ended by itself.
            if (::waitpid(child, &status, WNOHANG | WNOWAIT) == child) return words(status);
        }
        return "the process came to nothing within a minute";
    }

    /// Waits for the end of a process; `signal`: what it must die of, 0 for a good end.
    Problem bury(pid_t child, int signal) const {
        int status = 0;
        ::waitpid(child, &status, 0);
        const bool as_expected = signal == 0 ? WIFEXITED(status) && WEXITSTATUS(status) == 0
                                             : WIFSIGNALED(status) && WTERMSIG(status) == signal;
        return as_expected ? Problem() : words(status);
    }

    /// What a process that ended wrongly has said.
    Problem words(int status) const {
        std::ifstream in(place_.words());
        const std::string said{std::istreambuf_iterator<char>(in), {}};
        return fmt::format("a process ended with status {:#x}: {}", status,
                           said.empty() ? "(no word)" : said);
    }

    const Io io_;
    const Arguments& arguments_;
    const std::string disk_;    // where stores are, in turn
    const std::string memory_;  // empty: nowhere
    Place place_;               // of the store in use
    unsigned stores_ = 0;
    std::mt19937_64 random_;
    std::uint64_t recovery_us_ = 20'000;
    std::uint64_t lives_ = 0;
    unsigned passed_ = 0;
    unsigned failed_ = 0;
    unsigned recoveries_ = 0;
    unsigned successors_ = 0;
    unsigned floods_ = 0;
    Checked checked_;  // of the store that is in use; of all before it:
    std::uint64_t acknowledged_ = 0;
    std::uint64_t taken_back_ = 0;
};

bool parse(int argc, char** argv, Arguments& arguments) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const std::string value = argv[i + 1];
        if (name == "--io") {
            arguments.io = value;
        } else if (name == "--kills") {
            arguments.kills = static_cast<unsigned>(std::stoul(value));
        } else if (name == "--seed") {
            arguments.seed = std::stoull(value);
        } else {
            return false;
        }
    }
    return argc % 2 == 1 &&
           (arguments.io == "both" || arguments.io == "uring" || arguments.io == "posix");
}

/// The same directory in memory, if there is one.
std::string memory_directory(const std::string& directory) {
    if (::access("/dev/shm", W_OK) != 0) return {};
    return "/dev/shm/" + fs::path(directory).filename().string();
}

/// One way of I/O, in a process of its own.
struct Test {
    Pipe result;
    pid_t process = 0;
};

void start_test(Test& test, Io io, const Arguments& arguments, const std::string& directory) {
    test.process = start([&] {
        const std::string name = io == Io::uring ? "/uring" : "/posix";
        const std::string memory = memory_directory(directory);
        const Tally tally =
            KillTest(io, arguments, directory + name, memory.empty() ? memory : memory + name)
                .run();
        std::fflush(stdout);
        if (::write(test.result.in(), &tally, sizeof tally) == sizeof tally) ::_exit(0);
    });
}

/// A test that ended in another way is one more failure.
Tally finish_test(const Test& test) {
    int status = 0;
    ::waitpid(test.process, &status, 0);
    Tally tally;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 ||
        ::read(test.result.out(), &tally, sizeof tally) != sizeof tally)
        ++tally.failed;
    return tally;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    if (!parse(argc, argv, arguments)) {
        std::fputs("usage: kill_test [--io uring|posix|both] [--kills N] [--seed N]\n", stderr);
        return 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::string directory = (fs::temp_directory_path() / "braid-kill-XXXXXX").string();
    if (::mkdtemp(directory.data()) == nullptr) {
        std::perror("mkdtemp");
        return 1;
    }
    fmt::print("again: {} --io {} --kills {} --seed {}\n", argv[0], arguments.io, arguments.kills,
               arguments.seed);
    std::vector<std::unique_ptr<Test>> tests;
    for (const auto& [word, io] : {std::pair("uring", Io::uring), std::pair("posix", Io::posix)}) {
        if (arguments.io != "both" && arguments.io != word) continue;
        tests.push_back(std::make_unique<Test>());
        start_test(*tests.back(), io, arguments, directory);
    }
    Tally sum;
    for (const auto& test : tests) {
        const Tally tally = finish_test(*test);
        sum.passed += tally.passed;
        sum.failed += tally.failed;
    }
    if (sum.failed == 0) fs::remove_all(directory);
    if (sum.failed == 0) fs::remove_all(memory_directory(directory));
    fmt::print("{} passed, {} failed\n", sum.passed, sum.failed);
    return sum.failed == 0 ? 0 : 1;
}
