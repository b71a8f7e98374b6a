// The same work on Braid and on the stores that are used for it otherwise, in turns: a table on
// stdout, progress on stderr, figures for bench/plot in a JSON file.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fstream>
#include <regex>

#include "bench/compare/workload.h"
#include "bench/place.h"

namespace bench {
namespace {

struct Arguments {
    double seconds = 1;
    std::size_t rounds = 5;
    std::string only = ".";
    std::string peers = ".";
    std::string json;
};

/// All rounds of one peer at one workload.
struct Row {
    const PeerKind* kind = nullptr;
    std::vector<Measured> rounds;
};

bool can_do(const PeerKind& kind, const Workload& workload) {
    if (!workload.async) return true;
    const Scratch scratch;
    return kind.open({scratch.path(), 1, true})->async_session() != nullptr;
}

void show_progress(const std::string& where) {
    if (::isatty(STDERR_FILENO) != 0) fmt::print(stderr, "{:70}\r", where);
}

/// Each round begins with another peer, so that none always runs behind the same one.
std::vector<Row> compare(const Workload& workload, const std::vector<PeerKind>& kinds,
                         const Arguments& arguments) {
    std::vector<Row> rows;
    for (const PeerKind& kind : kinds)
        if (can_do(kind, workload)) rows.push_back({&kind, {}});
    for (std::size_t round = 0; round < arguments.rounds; ++round)
        for (std::size_t i = 0; i < rows.size(); ++i) {
            Row& row = rows[(round + i) % rows.size()];
            show_progress(fmt::format("{}, round {} of {}: {}", workload.name, round + 1,
                                      arguments.rounds, row.kind->name));
            row.rounds.push_back(measure(*row.kind, workload, arguments.seconds));
        }
    show_progress("");
    return rows;
}

void print(const Workload& workload, const std::vector<Row>& rows) {
    fmt::print("{}\n  {:16} {:>10} {:>7} {:>9} {:>9} {:>9} {:>8} {:>8}\n", workload.name, "",
               "commits/s", "braid is", "p50 us", "p99 us", "p99.9 us", "written", "flushes");
    const double braid = rows.empty() ? 0 : median_of(rows[0].rounds).commits_per_second;
    for (const Row& row : rows) {
        const Measured figures = median_of(row.rounds);
        fmt::print("  {:16} {:10.0f} {:6.2f} x {:9.1f} {:9.1f} {:9.1f} {:8.2f} {:8.3f}\n",
                   row.kind->name, figures.commits_per_second, braid / figures.commits_per_second,
                   figures.p50_us, figures.p99_us, figures.p999_us, figures.device_bytes_per_byte,
                   figures.flushes_per_commit);
    }
    std::fflush(stdout);
}

boost::json::object json_of(const Measured& figures) {
    return {{"commits_per_second", figures.commits_per_second},
            {"p50_us", figures.p50_us},
            {"p99_us", figures.p99_us},
            {"p999_us", figures.p999_us},
            {"device_bytes_per_byte", figures.device_bytes_per_byte},
            {"flushes_per_commit", figures.flushes_per_commit}};
}

boost::json::object json_of(const Workload& workload, const std::vector<Row>& rows) {
    boost::json::array peers;
    for (const Row& row : rows) {
        boost::json::object peer{{"peer", row.kind->name},
                                 {"median", json_of(median_of(row.rounds))}};
        boost::json::array rounds;
        for (const Measured& round : row.rounds) rounds.push_back(json_of(round));
        peer["rounds"] = std::move(rounds);
        peers.push_back(std::move(peer));
    }
    return {{"workload", workload.name},
            {"records_per_commit", workload.records},
            {"peers", std::move(peers)}};
}

void run(const Arguments& arguments) {
    std::vector<PeerKind> kinds;
    for (const PeerKind& kind : peer_kinds())
        if (std::regex_search(kind.name, std::regex(arguments.peers))) kinds.push_back(kind);
    boost::json::object facts;
    for (const auto& [name, value] : place_facts()) {
        fmt::print("{}: {}\n", name, value);
        facts[name] = value;
    }
    fmt::print("medians of {} rounds of {} s each, peers in turns\n", arguments.rounds,
               arguments.seconds);
    boost::json::object configurations;
    for (const PeerKind& kind : kinds) {
        fmt::print("{}: {}\n", kind.name, kind.configuration);
        configurations[kind.name] = kind.configuration;
    }
    fmt::print(
        "written: bytes that the device wrote for each byte of payload; flushes: of the device, "
        "a commit\n\n");
    boost::json::array results;
    for (const Workload& workload : workloads()) {
        if (!std::regex_search(workload.name, std::regex(arguments.only))) continue;
        const std::vector<Row> rows = compare(workload, kinds, arguments);
        print(workload, rows);
        results.push_back(json_of(workload, rows));
    }
    if (arguments.json.empty()) return;
    std::ofstream(arguments.json) << boost::json::object{{"place", std::move(facts)},
                                                         {"seconds", arguments.seconds},
                                                         {"configurations",
                                                          std::move(configurations)},
                                                         {"results", std::move(results)}}
                                  << '\n';
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    CLI::App app{
        "Compares Braid with other stores at the same work. BRAID_BENCH_DIR names the directory, "
        "BRAID_BENCH_IO what Braid writes with."};
    bench::Arguments arguments;
    app.add_option("--seconds", arguments.seconds, "how long each round of each peer runs");
    app.add_option("--rounds", arguments.rounds, "rounds, of which the medians are printed")
        ->check(CLI::Range(1, 1000));
    app.add_option("--only", arguments.only, "regular expression: these workloads only");
    app.add_option("--peers", arguments.peers, "regular expression: these peers only");
    app.add_option("--json", arguments.json, "file for all figures");
    CLI11_PARSE(app, argc, argv);
    bench::run(arguments);
}
