#include <CLI/CLI.hpp>
#include <csignal>
#include <functional>
#include <map>
#include <memory>

#include "tools/commands.h"
#include "tools/dump.h"
#include "tools/exit_code.h"

namespace {

using namespace braid::tools;
using braid::Io;

/// The command line's parser. Each command has a function that declares its arguments and says what
/// runs; the arguments live as long as the parser.
class CommandLine {
public:
    CommandLine() : app_("Braid: an embedded store for append-only event streams.", "braid") {
        app_.require_subcommand(1);
        app_.footer(
            "Results are JSON lines on stdout, words go to stderr.\n"
            "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 damage found, 4 not found.\n"
            "`braid COMMAND --help` shows a command's options and examples.");
        add_import();
        add_append();
        add_read();
        add_peek();
        add_spaces();
        add_segments();
        add_status();
        add_trim();
        add_gather();
        add_consumers();
        add_leases();
        add_consumer();
        add_stat();
        add_verify();
        add_repair();
        add_dump();
    }

    int run(int argc, char** argv) {
        try {
            app_.parse(argc, argv);
        } catch (const CLI::ParseError& error) {
            return app_.exit(error) == 0 ? exit_done : exit_usage;
        }
        return command_();
    }

private:
    template <class Arguments>
    CLI::App& add(const char* name, const char* does, std::shared_ptr<Arguments> arguments,
                  int (*body)(const Arguments&), const char* examples) {
        return add_to(app_, name, does, arguments, body, examples);
    }

    template <class Arguments>
    CLI::App& add_to(CLI::App& parent, const char* name, const char* does,
                     std::shared_ptr<Arguments> arguments, int (*body)(const Arguments&),
                     const char* examples) {
        CLI::App& command = *parent.add_subcommand(name, does);
        command.callback(
            [this, arguments, body] { command_ = [arguments, body] { return body(*arguments); }; });
        command.footer(std::string("Examples:\n") + examples);
        if constexpr (requires { arguments->store; }) {
            command.add_option("STORE", arguments->store.directory, "The store's directory")
                ->required();
            add_choice<Io>(command, "--io", "How the store writes (default auto)",
                           {{"auto", Io::automatic}, {"uring", Io::uring}, {"posix", Io::posix}},
                           [arguments](Io io) { arguments->store.io = io; });
        }
        return command;
    }

    /// An option that takes one of a few words.
    template <class Value>
    static void add_choice(CLI::App& command, const char* name, const char* does,
                           std::map<std::string, Value> values, std::function<void(Value)> set) {
        std::vector<std::string> words;
        for (const auto& [word, value] : values) words.push_back(word);
        command
            .add_option_function<std::string>(
                name, [values, set](const std::string& word) { set(values.at(word)); }, does)
            ->check(CLI::IsMember(words))
            ->type_name("");
    }

    template <class Arguments>
    static void add_segment_names(CLI::App& command, Arguments& arguments) {
        command.add_option("SPACE", arguments.space, "The space's name")->required();
        command.add_option("SEGMENT", arguments.segment, "The segment's name")->required();
    }

    void add_import();
    void add_append();
    void add_read();
    void add_peek();
    void add_spaces();
    void add_segments();
    void add_status();
    void add_trim();
    void add_gather();
    void add_page(CLI::App& parent, const char* name, const char* does,
                  int (*body)(const PageArguments&), const char* examples);
    void add_consumers();
    void add_leases();
    void add_consumer();
    void add_stat();
    void add_verify();
    void add_repair();
    void add_dump();

    CLI::App app_;
    std::function<int()> command_;
};

void CommandLine::add_import() {
    auto arguments = std::make_shared<ImportArguments>();
    CLI::App& command = add(
        "import", "Appends records given as NDJSON; makes the store if it is missing", arguments,
        run_import,
        "  braid import data events.ndjson\n"
        "  xz -dc events.ndjson.xz | braid import data --threads 4 --acks acks.txt\n"
        "  braid read old | braid import new\n"
        "\n"
        "A line is an object:\n"
        "  {\"space\":\"orders\",\"segment\":\"eu-1\",\"payload\":\"any text\"}\n"
        "and may also have\n"
        "  \"metadata\": {\"key\":\"value\"}, its order is kept; or\n"
        "  \"metadata_list\": [[\"key\",\"value\"],{\"key_base64\":\"/w==\",\"value\":\"text\"}]\n"
        "  \"sequence\": 42, the number that the record must get in its segment\n"
        "  \"trx\": text or number; consecutive lines with the same one are one transaction\n"
        "  \"consumer\", \"consumer_space\", \"consumer_segment\": names, \"consumer_position\": "
        "41;\n"
        "  sets a consumer's cursor in the same transaction\n"
        "Bytes that aren't UTF-8: \"space_base64\", \"segment_base64\", \"payload_base64\".\n"
        "position, timestamp and transaction, as `braid read` prints them, are passed over.\n"
        "\n"
        "At the first bad line the import ends; everything before it is kept. Each line of the\n"
        "acknowledgements file is `trx first_position last_position` (trx is - where there is "
        "none).");
    command.add_option("FILE", arguments->file, "NDJSON; - or none: standard input");
    using braid::Durability;
    add_choice<Durability>(command, "--durability", "What a commit waits for (default durable)",
                           {{"durable", Durability::durable}, {"buffered", Durability::buffered}},
                           [arguments](Durability level) { arguments->durability = level; });
    command
        .add_option("--threads", arguments->threads,
                    "Threads that commit (default 1); with more, transactions may swap")
        ->check(CLI::Range(1, 1024));
    command.add_option("--acks", arguments->acks,
                       "File that gets a line for each acknowledged commit");
    command.add_option("--tail-bytes-max", arguments->tail_bytes_max,
                       "Memory for entries that are not drained yet");
    command.add_option("--log-file-bytes", arguments->log_file_bytes,
                       "Size that log files grow to");
}

void CommandLine::add_append() {
    auto arguments = std::make_shared<AppendArguments>();
    CLI::App& command =
        add("append", "Appends each line of stdin as a payload, durably; prints what it was given",
            arguments, run_append,
            "  echo 'hello' | braid append data greetings en\n"
            "  printf 'a\\nb\\n' | braid append data letters latin --expect 1\n"
            "  echo paid | braid append data invoices 7 --if-last orders 7 3");
    add_segment_names(command, *arguments);
    command.add_option("--expect", arguments->expect,
                       "Sequence that the first line must get; the next ones follow on");
    command
        .add_option("--if-last", arguments->if_last,
                    "SPACE SEGMENT N: only while that segment's last sequence is N; 0: it has none")
        ->type_name("");
    command
        .add_option("--if-untouched", arguments->if_untouched,
                    "SPACE SEGMENT POSITION: only while that segment has no entry beyond it")
        ->type_name("");
    command
        .add_option("--if-consumer", arguments->if_consumer,
                    "CONSUMER SPACE POSITION: only while it stands there")
        ->type_name("");
}

void CommandLine::add_read() {
    auto arguments = std::make_shared<ReadArguments>();
    CLI::App& command = add("read", "Prints entries in commit order", arguments, run_read,
                            "  braid read data\n"
                            "  braid read data --space orders --after 1200 --limit 10\n"
                            "  braid read data --space orders --space stock\n"
                            "  braid read data --space orders --segment eu-1 --from 10 --to 20\n"
                            "  braid read data --space orders --backward --limit 5\n"
                            "  braid read data --space orders --follow");
    auto& bounds = arguments->bounds;
    auto* space = command.add_option("--space", arguments->spaces,
                                     "A space; several may be given; none: the whole store");
    space->allow_extra_args(false);
    auto* segment =
        command.add_option("--segment", arguments->segment, "One segment of the only space");
    command.add_option("--after", bounds.after.value,
                       "A cursor: only entries beyond this position");
    command.add_option("--from", bounds.from.value, "First sequence; with --segment")
        ->needs(segment);
    command.add_option("--to", bounds.to.value, "Last sequence; with --segment")->needs(segment);
    command.add_option("--from-time", bounds.from_time.value, "First timestamp, in nanoseconds");
    command.add_option("--to-time", bounds.to_time.value, "Last timestamp, in nanoseconds");
    command.add_option("--limit", bounds.limit, "Most entries to print; 0: all");
    auto* as_of =
        command.add_option("--as-of", bounds.as_of.value, "The store as it stood at this position");
    auto* backward =
        command.add_flag("--backward", bounds.backward, "From the newest to the oldest");
    command
        .add_flag("--follow", arguments->follow,
                  "Go on with what is committed meanwhile, until --limit or a signal")
        ->excludes(backward)
        ->excludes(as_of);
    command.add_flag("--payload-only", arguments->payload_only, "Only the payload, a line each");
    using braid::OnTrimmed;
    add_choice<OnTrimmed>(command, "--on-trimmed", "Where entries are trimmed (default refuse)",
                          {{"refuse", OnTrimmed::refuse}, {"skip", OnTrimmed::skip}},
                          [arguments](OnTrimmed way) { arguments->bounds.on_trimmed = way; });
    command.parse_complete_callback([arguments] {
        if (arguments->segment && arguments->spaces.size() != 1) {
            throw CLI::ValidationError("--segment", "wants exactly one --space");
        }
    });
}

void CommandLine::add_peek() {
    auto arguments = std::make_shared<SegmentArguments>();
    add_segment_names(add("peek", "Prints a segment's newest entry; exit code 4 if there is none",
                          arguments, run_peek, "  braid peek data orders eu-1"),
                      *arguments);
}

void CommandLine::add_spaces() {
    auto arguments = std::make_shared<ListArguments>();
    CLI::App& command =
        add("spaces", "Lists the spaces by name", arguments, run_spaces, "  braid spaces data");
    command.add_option("--after", arguments->page.after, "Only names beyond this one");
    command.add_option("--limit", arguments->page.limit, "Most names to print; 0: all");
}

void CommandLine::add_segments() {
    auto arguments = std::make_shared<ListArguments>();
    CLI::App& command = add("segments", "Lists the segments of a space by name", arguments,
                            run_segments, "  braid segments data orders --after eu-1 --limit 100");
    command.add_option("SPACE", arguments->space, "The space's name")->required();
    command.add_option("--after", arguments->page.after, "Only names beyond this one");
    command.add_option("--limit", arguments->page.limit, "Most names to print; 0: all");
}

void CommandLine::add_status() {
    auto arguments = std::make_shared<SegmentArguments>();
    add_segment_names(add("status", "Prints a segment's bounds; zeros if it has no entry",
                          arguments, run_status, "  braid status data orders eu-1"),
                      *arguments);
}

void CommandLine::add_trim() {
    auto arguments = std::make_shared<TrimArguments>();
    CLI::App& command =
        add("trim", "Gives up a segment's oldest entries, for good; prints its status then",
            arguments, run_trim, "  braid trim data orders eu-1 --through 41");
    add_segment_names(command, *arguments);
    command.add_option("--through", arguments->through, "Sequence of the last entry to give up")
        ->required();
    command.add_flag("--past-consumers", arguments->past_consumers,
                     "Also what a consumer has yet to read");
}

void CommandLine::add_gather() {
    add("gather",
        "Rewrites packs so that each segment's entries stand together, and without what is "
        "trimmed; prints what there is then",
        std::make_shared<GatherArguments>(), run_gather, "  braid gather data");
}

void CommandLine::add_page(CLI::App& parent, const char* name, const char* does,
                           int (*body)(const PageArguments&), const char* examples) {
    auto arguments = std::make_shared<PageArguments>();
    CLI::App& command = add_to(parent, name, does, arguments, body, examples);
    command.add_option("--after", arguments->page.after, "Only names beyond this one");
    command.add_option("--limit", arguments->page.limit, "Most names to print; 0: all");
}

void CommandLine::add_consumers() {
    add_page(app_, "consumers", "Lists the consumers by name: a line for each cursor, with its lag",
             run_consumers, "  braid consumers data --after billing --limit 100");
}

void CommandLine::add_leases() {
    add_page(app_, "leases", "Lists the leases by key, as they were last granted", run_leases,
             "  braid leases data");
}

void CommandLine::add_consumer() {
    CLI::App& consumer = *app_.add_subcommand("consumer", "Looks at one consumer, or changes it");
    consumer.require_subcommand(1);
    const auto add_one = [&](const char* name, const char* does,
                             int (*body)(const ConsumerArguments&), const char* examples) {
        auto arguments = std::make_shared<ConsumerArguments>();
        CLI::App& command = add_to(consumer, name, does, arguments, body, examples);
        command.add_option("NAME", arguments->name, "The consumer's name")->required();
        return std::pair(&command, arguments);
    };
    add_page(consumer, "list", "The same as `braid consumers`", run_consumers,
             "  braid consumer list data --limit 100");
    add_one("get", "Prints its cursors; exit code 4 if there is no such consumer", run_consumer_get,
            "  braid consumer get data billing");
    const auto [set, to] =
        add_one("set", "Sets one of its cursors, durably; makes it if it is new", run_consumer_set,
                "  braid consumer set data billing 1200 --space orders\n"
                "  braid consumer set data billing 0 --space orders --backward");
    set->add_option("POSITION", to->position, "Position of the last entry that is done with")
        ->required();
    auto* space = set->add_option("--space", to->space, "Of the cursor; none: the whole store");
    set->add_option("--segment", to->segment, "Of the cursor; none: the whole space")->needs(space);
    set->add_option("--expect", to->expect, "Only if it stands at this position");
    set->add_option("--epoch", to->epoch, "Only if this is its owner's epoch");
    set->add_flag("--backward", to->backward, "Let it go back");
    const auto [remove, gone] =
        add_one("delete", "Removes it with all its cursors, durably", run_consumer_delete,
                "  braid consumer delete data billing");
    remove->add_option("--epoch", gone->epoch, "Only if this is its owner's epoch");
}

void CommandLine::add_stat() {
    auto arguments = std::make_shared<StatArguments>();
    CLI::App& command =
        add("stat", "Prints what the store holds, what opening it found, and its writer's metrics",
            arguments, run_stat, "  braid stat data\n  braid stat data --table");
    command.add_flag("--table", arguments->table, "For people");
}

void CommandLine::add_verify() {
    auto arguments = std::make_shared<VerifyArguments>();
    CLI::App& command = add("verify", "Checks every byte; exit code 3 if any is damaged", arguments,
                            run_verify, "  braid verify data\n  braid verify data --json");
    command.add_flag("--json", arguments->json, "JSON lines");
}

void CommandLine::add_repair() {
    auto arguments = std::make_shared<RepairArguments>();
    CLI::App& command =
        add("repair",
            "Mends a damaged store as far as that needs no guessing; exit code 3 if damage is left",
            arguments, run_repair,
            "  braid repair data --dry-run\n"
            "  braid repair data\n"
            "\n"
            "Files that are changed are kept as they were, under names like log-0001.damaged-1.");
    command.add_flag("--dry-run", arguments->dry_run,
                     "Say what would be done and what would be lost; change nothing");
}

void CommandLine::add_dump() {
    auto arguments = std::make_shared<DumpOptions>();
    CLI::App& command =
        add("dump", "Prints what the bytes of a store or of one of its files say", arguments, dump,
            "  braid dump data\n"
            "  braid dump data/catalog-000001\n"
            "  braid dump --json data");
    command.add_option("PATH", arguments->path, "A store's directory or one of its files")
        ->required();
    command.add_flag("--json", arguments->json, "JSON lines instead of text");
}

}  // namespace

int main(int argc, char** argv) {
    // A reader of our output that goes away is seen as EPIPE where it is written.
    std::signal(SIGPIPE, SIG_IGN);
    return CommandLine().run(argc, argv);
}
