// The same reads of the same records from Braid and from the stores that are used for it otherwise,
// in turns: a table on stdout.
#include <fmt/format.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <regex>

#include "bench/compare/reads/read_peer.h"
#include "bench/place.h"
#include "bench/records.h"

namespace bench {
namespace {

/// Of this thread's processor time: a read waits for nothing, and neighbours shouldn't count.
double thread_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Arguments {
    double seconds = 0.3;
    std::size_t rounds = 5;
    std::string only = ".";
    std::string peers = ".";
    std::uint64_t records = 1'000'000;
};

enum class Work : std::uint8_t {
    scan,
    first_scan,   ///< after the store was opened: nothing is verified yet
    beside_scan,  ///< while another thread writes
    get,
    space,
    resume,
};

/// What is asked of every peer alike.
struct ReadWork {
    std::string name;
    Work work = Work::scan;
    std::uint32_t segments = 1;
    std::uint32_t transaction = 1;
    bool drained = true;
    bool pieces = false;
};

std::vector<ReadWork> read_works() {
    std::vector<ReadWork> works;
    struct Place {
        const char* name;
        bool drained, pieces;
    };
    for (const Place place : {Place{"undrained", false, false}, Place{"packs", true, false},
                              Place{"pieces", true, true}}) {
        const auto add = [&](const std::string& name, Work work, std::uint32_t segments) {
            for (const std::uint32_t transaction : {1U, 100U})
                works.push_back({fmt::format("{}, {}, {} each", name, place.name, transaction),
                                 work, segments, transaction, place.drained, place.pieces});
        };
        add("scan", Work::scan, 1);
        if (place.drained) add("first scan", Work::first_scan, 1);
        add("scan beside a writer", Work::beside_scan, 1);
        if (!place.drained || place.pieces) add("get", Work::get, 1);
        if (!place.pieces) add("get of 10000 segments", Work::get, 10'000);
        add("space of 64 segments", Work::space, 64);
        add("resume near the end", Work::resume, 64);
    }
    for (const bool drained : {false, true})
        works.push_back(
            {fmt::format("space of 100000 segments, {}, 1 each", drained ? "packs" : "undrained"),
             Work::space, 100'000, 1, drained, false});
    return works;
}

/// Nanoseconds for each record of first scans; 0 where the peer can't.
double measure_first_scans(ReadPeer& peer, double seconds) {
    std::uint64_t done = 0;
    double took = 0;
    do {
        if (!peer.reopen()) return 0;
        const double start = thread_seconds();
        done += peer.scan(0);
        took += thread_seconds() - start;
    } while (took < seconds);
    return took * 1e9 / static_cast<double>(done);
}

/// Works for so long; nanoseconds for each record.
double measure(ReadPeer& peer, const ReadWork& work, std::uint64_t records, double seconds) {
    static Random random(1);
    std::uint64_t done = 0;
    const double start = thread_seconds();
    do {
        if (work.work == Work::scan || work.work == Work::beside_scan) done += peer.scan(0);
        if (work.work == Work::space) done += peer.scan_space(0, records);
        if (work.work == Work::resume)
            for (int n = 0; n < 100; ++n) done += peer.scan_space(records - 1, 1);
        if (work.work == Work::get)
            for (int n = 0; n < 1000; ++n, ++done)
                peer.get(static_cast<std::uint32_t>(random.below(work.segments)),
                         random.below(records / work.segments) + 1);
    } while (thread_seconds() - start < seconds);
    return (thread_seconds() - start) * 1e9 / static_cast<double>(done);
}

/// The same of any work; 0 where the peer can't do it.
double measure_any(ReadPeer& peer, const ReadWork& work, std::uint64_t records, double seconds) {
    if (work.work == Work::first_scan) return measure_first_scans(peer, seconds);
    if (work.work != Work::beside_scan) return measure(peer, work, records, seconds);
    if (!peer.begin_writing()) return 0;
    const double took = measure(peer, work, records, seconds);
    peer.end_writing();
    return took;
}

void compare(const ReadWork& work, const std::vector<ReadPeerKind>& kinds,
             const Arguments& arguments) {
    struct Row {
        const ReadPeerKind* kind;
        Scratch scratch;
        std::unique_ptr<ReadPeer> peer;
        std::vector<double> ns;
    };
    std::vector<std::unique_ptr<Row>> rows;
    for (const ReadPeerKind& kind : kinds) {
        rows.push_back(std::make_unique<Row>());
        rows.back()->kind = &kind;
        rows.back()->peer = kind.fill({rows.back()->scratch.path(), arguments.records,
                                       work.segments, work.transaction, work.drained, work.pieces,
                                       work.work == Work::space || work.work == Work::resume});
        measure_any(*rows.back()->peer, work, arguments.records, 0);  // not the first time
    }
    for (std::size_t round = 0; round < arguments.rounds; ++round)
        for (std::size_t i = 0; i < rows.size(); ++i) {
            Row& row = *rows[(round + i) % rows.size()];
            row.ns.push_back(measure_any(*row.peer, work, arguments.records, arguments.seconds));
        }
    fmt::print("{:44}", work.name);
    double braid = 0;
    for (const auto& row : rows) {
        const auto middle = row->ns.begin() + static_cast<std::ptrdiff_t>(row->ns.size() / 2);
        std::nth_element(row->ns.begin(), middle, row->ns.end());
        if (braid == 0) braid = *middle;
        if (*middle == 0)
            fmt::print(" {:>17}", "");
        else
            fmt::print(" {:9.1f} ({:5.2f})", *middle, *middle / braid);
    }
    fmt::print("\n");
    std::fflush(stdout);
}

void run(const Arguments& arguments) {
    std::vector<ReadPeerKind> kinds;
    for (const ReadPeerKind& kind : read_peer_kinds())
        if (std::regex_search(kind.name, std::regex(arguments.peers))) kinds.push_back(kind);
    for (const auto& [name, value] : place_facts()) fmt::print("{}: {}\n", name, value);
    fmt::print(
        "{} records; medians of {} rounds of {} s each, peers in turns\n"
        "nanoseconds of processor time a record, and how many times Braid's\n\n{:44}",
        arguments.records, arguments.rounds, arguments.seconds, "");
    for (const ReadPeerKind& kind : kinds) fmt::print(" {:>17}", kind.name);
    fmt::print("\n");
    for (const ReadWork& work : read_works())
        if (std::regex_search(work.name, std::regex(arguments.only)))
            compare(work, kinds, arguments);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    CLI::App app{
        "Compares reads of Braid with those of other stores, data in the page cache. "
        "BRAID_BENCH_DIR "
        "names the directory."};
    bench::Arguments arguments;
    app.add_option("--seconds", arguments.seconds,
                   "how long each round of each peer runs at least");
    app.add_option("--rounds", arguments.rounds, "rounds, of which the medians are printed")
        ->check(CLI::Range(1, 1000));
    app.add_option("--only", arguments.only, "regular expression: these reads only");
    app.add_option("--peers", arguments.peers, "regular expression: these peers only");
    app.add_option("--records", arguments.records, "how many records each store holds");
    CLI11_PARSE(app, argc, argv);
    bench::run(arguments);
}
