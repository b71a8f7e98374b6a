// Kills a writing `braid import --acks` at random moments and looks whether everything that it
// acknowledged is there, whole and at its positions.
//
//   import_kill_test --braid PROGRAM [--kills N] [--seed N] [--io auto|uring|posix]
//
// Prints the seed; the last line is `N passed, N failed`, a count a kill.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <braid/braid.hpp>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

namespace fs = std::filesystem;
using namespace braid;
using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

struct Arguments {
    std::string braid;
    std::string io = "auto";
    unsigned kills = 12;
    std::uint64_t seed = std::random_device()();
};

constexpr unsigned kills_per_store = 6;
constexpr unsigned transactions_per_round = 3000;

/// What one acknowledgement says.
struct Ack {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};
using Acks = std::map<std::string, Ack>;

/// What is wrong with a store, in words; empty: nothing.
using Problem = std::string;

/// A payload tells its transaction, its place in it and how many there are: "trx index count
/// filling".
std::string payload_of(const std::string& trx, unsigned index, unsigned count,
                       std::size_t filling) {
    return fmt::format("{} {} {} {}", trx, index, count, std::string(filling, 'x'));
}

/// Input of one round: transactions of one to eight records over several segments of two spaces.
void write_input(const fs::path& file, unsigned round, std::mt19937_64& random) {
    std::ofstream out(file);
    for (unsigned i = 0; i < transactions_per_round; ++i) {
        const std::string trx = fmt::format("r{}-{}", round, i);
        const unsigned count = random() % 4 == 0 ? 2 + static_cast<unsigned>(random() % 7) : 1;
        // A few large ones take the way of their own through the log.
        const std::size_t filling = random() % 200 == 0 ? 90000 : random() % 300;
        for (unsigned index = 0; index < count; ++index) {
            out << fmt::format(
                R"({{"trx":"{}","space":"space-{}","segment":"segment-{}","payload":"{}"}})"
                "\n",
                trx, random() % 2, random() % 7, payload_of(trx, index, count, filling));
        }
    }
}

/// Starts the import with its output thrown away.
pid_t start_import(const Arguments& arguments, const fs::path& work, unsigned threads,
                   bool small_tail) {
    std::vector<std::string> words = {arguments.braid,
                                      "import",
                                      (work / "store").string(),
                                      (work / "input").string(),
                                      "--io",
                                      arguments.io,
                                      "--threads",
                                      std::to_string(threads),
                                      "--acks",
                                      (work / "acks").string()};
    // A small tail and small log files make it drain and roll all the while.
    if (small_tail) {
        words.insert(words.end(), {"--tail-bytes-max", "262144", "--log-file-bytes", "131072"});
    }
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    const pid_t child = ::fork();
    if (child != 0) return child;
    const int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, STDOUT_FILENO);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
}

/// Acknowledgements of all rounds on this store. A last line without a newline was never finished.
Acks read_acks(const fs::path& file) {
    Acks acks;
    std::ifstream in(file);
    std::string line;
    while (std::getline(in, line) && !in.eof()) {
        const auto last = line.rfind(' ');
        const auto first = line.rfind(' ', last - 1);
        acks[line.substr(0, first)] = {std::stoull(line.substr(first + 1)),
                                       std::stoull(line.substr(last + 1))};
    }
    return acks;
}

/// Judges entries one by one in position order, and then the whole.
class Checker {
public:
    Problem take(const Entry& entry) {
        if (entry.position.value != ++position_) {
            return fmt::format("position {} where {} follows", entry.position.value, position_);
        }
        auto& sequence = sequences_[std::string(entry.space) + '/' + std::string(entry.segment)];
        if (entry.sequence.value != ++sequence) {
            return fmt::format("sequence {} where {} follows at position {}", entry.sequence.value,
                               sequence, position_);
        }
        return take_payload(entry);
    }

    /// At the end: the last transaction is whole, and every acknowledged one is where it was said.
    Problem finish(const Acks& acks) const {
        if (index_ != count_) return fmt::format("transaction {} is cut off", trx_);
        for (const auto& [trx, ack] : acks) {
            const auto found = transactions_.find(trx);
            if (found == transactions_.end()) {
                return fmt::format("{} was acknowledged at {} to {} and is not there", trx,
                                   ack.first, ack.last);
            }
            const auto [first, records] = found->second;
            if (first != ack.first || first + records - 1 != ack.last) {
                return fmt::format("{} was acknowledged at {} to {} and stands at {} to {}", trx,
                                   ack.first, ack.last, first, first + records - 1);
            }
        }
        return {};
    }

    [[nodiscard]] std::uint64_t position() const { return position_; }

private:
    Problem take_payload(const Entry& entry) {
        const std::string_view text = entry.text();
        const auto first = text.find(' ');
        const auto second = text.find(' ', first + 1);
        const auto third = text.find(' ', second + 1);
        if (third == std::string_view::npos)
            return fmt::format("a foreign payload at {}", position_);
        const std::string_view trx = text.substr(0, first);
        unsigned index = 0;
        unsigned count = 0;
        std::from_chars(text.data() + first + 1, text.data() + second, index);
        std::from_chars(text.data() + second + 1, text.data() + third, count);

        if (index_ == count_) {
            if (!begin(trx, count, entry.transaction)) {
                return fmt::format("transaction {} comes twice, at position {}", trx, position_);
            }
        }
        if (trx != trx_ || index != index_ || count != count_ || entry.transaction != number_) {
            return fmt::format("record {} of {} stands at {}, inside transaction {} of {} records",
                               index, trx, position_, trx_, count_);
        }
        ++index_;
        return {};
    }

    bool begin(std::string_view trx, unsigned count, TransactionNumber number) {
        const bool rises = number > number_;
        trx_ = trx;
        index_ = 0;
        count_ = count;
        number_ = number;
        return transactions_.emplace(trx_, std::pair(position_, count)).second && rises;
    }

    std::uint64_t position_ = 0;
    std::map<std::string, std::uint64_t> sequences_;
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> transactions_;  // first, records
    std::string trx_;  // the transaction that the entries belong to now
    unsigned index_ = 0;
    unsigned count_ = 0;
    TransactionNumber number_;
};

/// Reads and verifies a whole store. `position`: of its last entry.
Problem check_contents(const Store& store, const Acks& acks, std::uint64_t& position) {
    Checker checker;
    Reader reader = store.read_all();
    while (const auto* next = reader.next()) {
        if (!*next) return "reading: " + next->error().message();
        if (Problem problem = checker.take(**next); !problem.empty()) return problem;
    }
    position = checker.position();
    if (Problem problem = checker.finish(acks); !problem.empty()) return problem;
    const auto report = store.verify();
    if (!report) return "verify: " + report.error().message();
    if (report->damages.empty()) return {};
    const Damage& damage = report->damages.front();
    return fmt::format("verify: {} at offset {}: {}", damage.file, damage.offset, damage.what);
}

/// Looks at the store without touching it; then recovers it and looks again.
Problem check_store(const fs::path& work, const Acks& acks) {
    const std::string directory = (work / "store").string();
    std::uint64_t seen = 0;
    {
        const auto store = Store::open(directory, {.read_only = true});
        // Killed before there was a store, nothing can have been acknowledged.
        if (!store && store.error().code() == Errc::not_found && acks.empty()) return {};
        if (!store) return "opening read-only: " + store.error().message();
        if (Problem problem = check_contents(*store, acks, seen); !problem.empty()) {
            return "read-only: " + problem;
        }
    }
    auto store = Store::open(directory);
    if (!store) return "opening: " + store.error().message();
    std::uint64_t recovered = 0;
    if (Problem problem = check_contents(*store, acks, recovered); !problem.empty()) return problem;
    if (recovered < seen) {
        return fmt::format("a reader was shown {} entries, recovery kept {}", seen, recovered);
    }
    const auto closed = store->close();
    return closed ? Problem() : "closing: " + closed.error().message();
}

class KillTest {
public:
    KillTest(const Arguments& arguments, fs::path work)
        : arguments_(arguments), work_(std::move(work)), random_(arguments.seed) {}

    int run() {
        for (unsigned kill = 0; kill < arguments_.kills; ++kill) {
            if (kill % kills_per_store == 0) begin_store();
            const unsigned threads = kill % 2 == 0 ? 1 : 4;
            const Problem problem = run_round(threads);
            ++(problem.empty() ? passed_ : failed_);
            if (!problem.empty()) {
                fmt::print("FAILED kill {} with {} threads: {}\n", kill + 1, threads, problem);
                keep_store(kill + 1);
                begin_store();
            }
        }
        fmt::print("{} acknowledged transactions checked, {} imports ended before their kill\n",
                   acknowledged_, missed_);
        fmt::print("{} passed, {} failed\n", passed_, failed_);
        return failed_ == 0 ? 0 : 1;
    }

private:
    void begin_store() {
        fs::remove_all(work_ / "store");
        fs::remove(work_ / "acks");
        acks_before_ = 0;
    }

    void keep_store(unsigned kill) {
        const fs::path kept = work_ / fmt::format("failed-{}", kill);
        fs::create_directory(kept);
        for (const char* name : {"store", "acks", "input"}) {
            if (fs::exists(work_ / name)) fs::rename(work_ / name, kept / name);
        }
        fmt::print("   the store is kept in {}\n", kept.string());
    }

    /// Imports until a kill has hit one, then checks.
    Problem run_round(unsigned threads) {
        // An import that ends before its kill has come teaches how long one takes here.
        for (unsigned attempt = 0; attempt < 20; ++attempt) {
            write_input(work_ / "input", ++round_, random_);
            const auto begin = Clock::now();
            const pid_t child = start_import(arguments_, work_, threads, random_() % 2 == 0);
            std::this_thread::sleep_for(microseconds(random_() % duration_.count()));
            ::kill(child, SIGKILL);
            int status = 0;
            ::waitpid(child, &status, 0);
            if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return check();
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                return fmt::format("the import ended by itself with status {}", status);
            }
            ++missed_;
            const auto took = std::chrono::duration_cast<microseconds>(Clock::now() - begin);
            duration_ = std::max(microseconds(2000), std::min(duration_, took));
        }
        return "no kill came in time";
    }

    Problem check() {
        const Acks acks = read_acks(work_ / "acks");
        acknowledged_ += acks.size() - acks_before_;
        acks_before_ = acks.size();
        return check_store(work_, acks);
    }

    const Arguments& arguments_;
    const fs::path work_;
    std::mt19937_64 random_;
    microseconds duration_{400000};  // within which a kill comes
    unsigned round_ = 0;
    unsigned passed_ = 0;
    unsigned failed_ = 0;
    unsigned missed_ = 0;
    std::size_t acknowledged_ = 0;
    std::size_t acks_before_ = 0;
};

bool parse(int argc, char** argv, Arguments& arguments) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const std::string value = argv[i + 1];
        if (name == "--braid") {
            arguments.braid = value;
        } else if (name == "--io") {
            arguments.io = value;
        } else if (name == "--kills") {
            arguments.kills = static_cast<unsigned>(std::stoul(value));
        } else if (name == "--seed") {
            arguments.seed = std::stoull(value);
        } else {
            return false;
        }
    }
    return argc % 2 == 1 && !arguments.braid.empty();
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    if (!parse(argc, argv, arguments)) {
        std::fputs("usage: import_kill_test --braid PROGRAM [--kills N] [--seed N] [--io KIND]\n",
                   stderr);
        return 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::string pattern = (fs::temp_directory_path() / "braid-kill-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        std::perror("mkdtemp");
        return 1;
    }
    fmt::print("{} kills; again: {} --braid {} --kills {} --io {} --seed {}\n", arguments.kills,
               argv[0], arguments.braid, arguments.kills, arguments.io, arguments.seed);
    const int code = KillTest(arguments, pattern).run();
    if (code == 0) fs::remove_all(pattern);
    return code;
}
