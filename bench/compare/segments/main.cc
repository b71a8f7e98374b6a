// A million small segments in Braid and in the stores that are used for it otherwise, in turns: how
// fast they are filled, a tenth at a time, opened again and read. A table on stdout.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <regex>

#include "bench/compare/device.h"
#include "bench/compare/flusher.h"
#include "bench/compare/peer.h"
#include "bench/place.h"
#include "bench/records.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t tenths = 10;

struct Arguments {
    std::uint32_t segments = 1'000'000;
    std::uint32_t records = 10;  // of each segment
    std::uint32_t commit = 100;  // records of one
    std::uint32_t gets = 1'000'000;
    std::uint32_t rounds = 1;
    std::string peers = "^(braid|leveldb|lmdb)$";
};

enum class Order : std::uint8_t { in_turns, random };

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Figures {
    std::vector<double> appends_per_second;  // of each tenth
    double appends_per_second_in_all = 0;    // closing the store included
    double p9999_commit_ms = 0;
    double slowest_commit_ms = 0;
    double written = 0;  // bytes that the device wrote, for each of payload
    double writing = 0;  // bytes written to what is kept for each that came into it, log apart
    double stored = 0;   // bytes of the closed store, likewise
    double open_ms = 0;
    double get_us = 0;
    double gather_seconds = 0;  // 0: it isn't for this peer
    double gathered_get_us = 0;
    double gathered_stored = 0;
};

/// Which segment comes when: each once, in one round after another.
class Rounds {
public:
    Rounds(std::uint32_t segments, Order order) : order_(order), segments_(segments) {
        std::iota(segments_.begin(), segments_.end(), 0U);
    }
    std::uint32_t next() {
        if (at_ == segments_.size()) at_ = 0;
        if (at_ == 0 && order_ == Order::random)
            for (std::size_t i = segments_.size(); i > 1; --i)
                std::swap(segments_[i - 1], segments_[random_.below(i)]);
        return segments_[at_++];
    }

private:
    Order order_;
    std::vector<std::uint32_t> segments_;
    std::size_t at_ = 0;
    Random random_{1};
};

void fill(Peer& peer, Order order, const Arguments& arguments, Figures& figures) {
    const Flusher flusher(peer);
    const auto session = peer.session();
    const std::uint64_t records = std::uint64_t{arguments.segments} * arguments.records;
    Rounds rounds(arguments.segments, order);
    std::vector<Append> commit;
    std::vector<double> commits_ms;
    std::uint64_t done = 0;
    for (std::uint32_t tenth = 1; tenth <= tenths; ++tenth) {
        const std::uint64_t before = done;
        const auto start = Clock::now();
        while (done < records * tenth / tenths) {
            commit.clear();
            for (; commit.size() < arguments.commit && done < records; ++done)
                commit.push_back({rounds.next(), payload()});
            const auto begun = Clock::now();
            session->commit(commit);
            commits_ms.push_back(seconds_since(begun) * 1e3);
        }
        figures.appends_per_second.push_back(static_cast<double>(done - before) /
                                             seconds_since(start));
    }
    session->finish();
    std::sort(commits_ms.begin(), commits_ms.end());
    figures.p9999_commit_ms = commits_ms[commits_ms.size() - 1 - commits_ms.size() / 10'000];
    figures.slowest_commit_ms = commits_ms.back();
}

std::map<std::string, std::uint64_t> files_in(const std::string& directory) {
    std::map<std::string, std::uint64_t> files;
    for (const auto& file : std::filesystem::recursive_directory_iterator(directory)) {
        std::error_code gone;  // some come and go
        if (!file.is_regular_file(gone)) continue;
        const std::uint64_t bytes = file.file_size(gone);
        if (!gone) files[file.path()] = bytes;
    }
    return files;
}

std::uint64_t bytes_in(const std::string& directory) {
    std::uint64_t bytes = 0;
    for (const auto& file : files_in(directory)) bytes += file.second;
    return bytes;
}

/// What was written need not be in the page cache, and what is read there is to be compared. Again
/// until nothing has changed meanwhile: a store may put its files in order after an opening.
void fetch_into_cache(const std::string& directory) {
    std::vector<char> bytes(1 << 20);
    for (std::map<std::string, std::uint64_t> before; before != files_in(directory);) {
        before = files_in(directory);
        for (const auto& file : before) {
            std::ifstream stream(file.first, std::ios::binary);
            while (stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
            }
        }
    }
}

double time_gets(Peer& peer, const std::string& directory, const Arguments& arguments) {
    fetch_into_cache(directory);
    Random random(2);
    unsigned sum = 0;
    const auto get = [&] {
        const auto segment = static_cast<std::uint32_t>(random.below(arguments.segments));
        sum += peer.get(segment, random.below(arguments.records) + 1);
    };
    for (std::uint32_t i = 0; i < arguments.gets / 10; ++i) get();  // not the first ones
    const auto start = Clock::now();
    for (std::uint32_t i = 0; i < arguments.gets; ++i) get();
    const double took = seconds_since(start);
    if (sum == 0) give_up("nothing was read");
    return took * 1e6 / arguments.gets;
}

Figures measure(const PeerKind& kind, Order order, const Arguments& arguments) {
    const Scratch scratch;
    const Setup setup{scratch.path(), arguments.segments, false};
    const double records = static_cast<double>(arguments.segments) * arguments.records;
    const double payload = records * payload_bytes;
    Figures figures;
    ::sync();  // what ran before must not be written at this one's cost
    const DeviceCounters before = device_counters(scratch.path());
    const auto start = Clock::now();
    {
        const auto peer = kind.open(setup);
        fill(*peer, order, arguments, figures);
        figures.writing = peer->writing();
    }
    figures.appends_per_second_in_all = records / seconds_since(start);
    ::sync();
    figures.written =
        static_cast<double>(device_counters(scratch.path()).bytes_written - before.bytes_written) /
        payload;
    figures.stored = static_cast<double>(bytes_in(scratch.path())) / payload;
    const auto opening = Clock::now();
    const auto peer = kind.open(setup);
    figures.open_ms = seconds_since(opening) * 1e3;
    figures.get_us = time_gets(*peer, scratch.path(), arguments);
    const auto gathering = Clock::now();
    if (!peer->gather()) return figures;
    figures.gather_seconds = seconds_since(gathering);
    figures.gathered_stored = static_cast<double>(bytes_in(scratch.path())) / payload;
    figures.gathered_get_us = time_gets(*peer, scratch.path(), arguments);
    return figures;
}

Figures median_of(const std::vector<Figures>& rounds) {
    const auto median = [&](const auto& figure) {
        std::vector<double> values;
        for (const Figures& round : rounds) values.push_back(figure(round));
        const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
        std::nth_element(values.begin(), middle, values.end());
        return *middle;
    };
    Figures result;
    for (std::uint32_t tenth = 0; tenth < tenths; ++tenth)
        result.appends_per_second.push_back(
            median([&](const Figures& round) { return round.appends_per_second[tenth]; }));
    for (double Figures::*figure :
         {&Figures::appends_per_second_in_all, &Figures::p9999_commit_ms,
          &Figures::slowest_commit_ms, &Figures::written, &Figures::writing, &Figures::stored,
          &Figures::open_ms, &Figures::get_us, &Figures::gather_seconds, &Figures::gathered_get_us,
          &Figures::gathered_stored})
        result.*figure = median([&](const Figures& round) { return round.*figure; });
    return result;
}

void print(const std::string& peer, const Figures& figures) {
    fmt::print("  {:10} {:7.0f} {:8.1f} {:8.1f} {:8.2f} {:7.2f} {:7.2f} {:8.1f} {:8.2f}  ", peer,
               figures.appends_per_second_in_all / 1e3, figures.p9999_commit_ms,
               figures.slowest_commit_ms, figures.written, figures.writing, figures.stored,
               figures.open_ms, figures.get_us);
    if (figures.gather_seconds != 0)
        fmt::print(" {:6.2f} {:8.2f} {:6.2f}  ", figures.gathered_get_us, figures.gather_seconds,
                   figures.gathered_stored);
    else
        fmt::print(" {:>6} {:>8} {:>6}  ", "-", "-", "-");
    for (const double rate : figures.appends_per_second) fmt::print(" {:5.0f}", rate / 1e3);
    fmt::print("\n");
    std::fflush(stdout);
}

void run(const Arguments& arguments) {
    std::vector<const PeerKind*> kinds;
    for (const PeerKind& kind : peer_kinds())
        if (std::regex_search(kind.name, std::regex(arguments.peers))) kinds.push_back(&kind);
    for (const auto& [name, value] : place_facts()) fmt::print("{}: {}\n", name, value);
    fmt::print("{} segments of {} records, in buffered commits of {}; medians of {} rounds\n",
               arguments.segments, arguments.records, arguments.commit, arguments.rounds);
    for (const PeerKind* kind : kinds) fmt::print("{}: {}\n", kind->name, kind->configuration);
    fmt::print(
        "appends: thousands a second until the store is closed, then of each tenth; commit: ms at\n"
        "p99.99, and the slowest; written: bytes that the device wrote for each of payload;\n"
        "writing: to packs, pieces and catalogs for each byte of a frame, until the close;\n"
        "stored: bytes of the closed store, likewise; open: ms; get: us, in the page cache; get,\n"
        "gathered: the same behind a gathering, how many seconds that took, and stored by then\n");
    for (const Order order : {Order::in_turns, Order::random}) {
        fmt::print(
            "\n{}\n  {:10} {:>7} {:>8} {:>8} {:>8} {:>7} {:>7} {:>8} {:>8}   get, gathered         "
            " \n",
            order == Order::in_turns ? "one after another" : "in a random order each time", "",
            "appends", "p99.99", "slowest", "written", "writing", "stored", "open", "get");
        std::map<const PeerKind*, std::vector<Figures>> measured;
        for (std::uint32_t round = 0; round < arguments.rounds; ++round)
            for (const PeerKind* kind : kinds)
                measured[kind].push_back(measure(*kind, order, arguments));
        for (const PeerKind* kind : kinds) print(kind->name, median_of(measured[kind]));
    }
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    CLI::App app{
        "Compares stores of many small segments. BRAID_BENCH_DIR names the directory; some 5 GB "
        "are needed."};
    bench::Arguments arguments;
    app.add_option("--segments", arguments.segments, "how many")->check(CLI::Range(1, 100'000'000));
    app.add_option("--records", arguments.records, "in each segment")->check(CLI::Range(1, 1'000));
    app.add_option("--commit", arguments.commit, "records in a commit")->check(CLI::Range(1, 1000));
    app.add_option("--gets", arguments.gets, "random reads")->check(CLI::Range(10, 1'000'000'000));
    app.add_option("--rounds", arguments.rounds, "rounds, of which the medians are printed")
        ->check(CLI::Range(1, 1000));
    app.add_option("--peers", arguments.peers, "regular expression: these peers only");
    CLI11_PARSE(app, argc, argv);
    bench::run(arguments);
}
