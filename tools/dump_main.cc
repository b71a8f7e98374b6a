#include <CLI/CLI.hpp>
#include <csignal>

#include "tools/dump.h"
#include "tools/exit_code.h"

/// `braid dump` as a program of its own, which links only what reads bytes.
int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    braid::tools::DumpOptions options;
    CLI::App app("Prints what the bytes of a Braid store, or of one of its files, say.",
                 "braid-dump");
    app.footer(
        "Reads damaged and live stores and changes nothing. Exit codes: 0 done, 1 failed,\n"
        "2 wrong usage, 3 something is wrong in the bytes, 4 not found.\n"
        "Examples:\n"
        "  braid-dump data\n"
        "  braid-dump --json data");
    app.add_option("PATH", options.path, "A store's directory or one of its files")->required();
    app.add_flag("--json", options.json, "JSON lines instead of text");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? braid::tools::exit_done : braid::tools::exit_usage;
    }
    return braid::tools::dump(options);
}
