#include "tools/dump.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "io/disk.h"
#include "segment/checksum.h"
#include "tools/dump_files.h"
#include "tools/exit_code.h"

namespace braid::tools {

namespace {

using segment::FileKind;

/// The store's, with nothing in it that a dump prints.
bool is_beside_the_bytes(std::string_view name) {
    return name == "LOCK" || name == "metrics.json" || name == "metrics.json.new";
}

/// A kind of file: what it is called, and what prints it. In the order of a dump: names come first,
/// then what they name.
struct Kind {
    FileKind kind;
    std::string_view prefix;
    std::string_view word;
    void (*dump)(DumpContext&, const DumpFile&);
};
constexpr std::array<Kind, 5> kinds = {{
    {FileKind::catalog, "catalog-", "catalog", dump_catalog},
    {FileKind::pack, "pack-", "pack", dump_pack},
    {FileKind::segment, "segment-", "segment", dump_segment_file},
    {FileKind::log, "log-", "log", dump_log},
    {FileKind::body, "body-", "body file", dump_body_file},
}};

const Kind* kind_of(std::string_view name) {
    const auto found = std::ranges::find_if(
        kinds, [&](const Kind& kind) { return name.starts_with(kind.prefix); });
    return found == kinds.end() ? nullptr : &*found;
}

/// A block beside a writer may be caught half-written; after so many tries it is damage.
constexpr int read_tries_max = 4;

std::string_view prefix_of(FileKind kind) {
    return std::ranges::find(kinds, kind, &Kind::kind)->prefix;
}

Result<DumpFile> read_file(io::Disk& disk, const std::string& name) {
    auto opened = disk.open(name, {});
    if (!opened) return opened.error();
    auto bytes = io::read_whole(**opened);
    if (!bytes) return bytes.error();
    return DumpFile{name, std::move(*bytes)};
}

/// The first block of a file, or less.
DumpFile read_head(io::Disk& disk, const std::string& name) {
    DumpFile head{name, std::vector<std::byte>(io::block_bytes)};
    auto opened = disk.open(name, {});
    const auto count =
        opened ? (*opened)->read(head.content, 0) : Result<std::size_t>(opened.error());
    head.content.resize(count ? *count : 0);
    return head;
}

/// One dump: what the directory holds is gathered first, as far as it is sound, then files are
/// printed.
class Dump {
public:
    Dump(io::Disk& disk, DumpPrinter& printer)
        : disk_(disk),
          context_{.printer = printer,
                   .disk = &disk,
                   .store = {},
                   .spaces = {},
                   .segments = {},
                   .packs = {},
                   .pieces = {},
                   .trims = {},
                   .logs = {}} {}

    Result<void> gather() {
        auto listed = disk_.list();
        if (!listed) return listed.error();
        files_ = std::move(*listed);
        for (const auto& file : files_) learn_head(file.name);
        learn_logs();
        if (context_.store) context_.store_seed = segment::store_seed(*context_.store);
        const auto loaded = index::load_catalog(disk_, [&](const index::CatalogRecord& record) {
            context_.learn(record);
            return Result<void>();
        });
        context_.has_catalog = loaded.has_value();
        return {};
    }

    Result<void> print_all() {
        for (const Kind& kind : kinds) {
            for (const std::string& name : names_of(kind)) {
                if (auto printed = print_file(name); !printed) return printed;
            }
        }
        for (const auto& file : files_) {
            if (kind_of(file.name) == nullptr && !is_beside_the_bytes(file.name)) {
                context_.printer.note(file.name, 0, "not a file of the store");
            }
        }
        return {};
    }

    Result<void> print_file(const std::string& name) {
        const bool is_log = name.starts_with(prefix_of(FileKind::log));
        auto file = is_log ? read_log(name) : read_file(disk_, name);
        // A writer beside us may have removed it since it was listed.
        if (!file && file.error().code() == Errc::not_found && is_listed(name)) {
            context_.printer.note(name, 0, "removed meanwhile");
            return {};
        }
        if (!file) return file.error();
        const auto identity = segment::read_file_header(file->bytes(), name);
        const Kind* kind = kind_of(name);
        if (identity) {
            kind = &*std::ranges::find(kinds, identity->kind, &Kind::kind);
            print_under(*kind, *file, *identity);
        } else if (kind != nullptr) {
            kind->dump(context_, *file);
        } else {
            context_.printer.problem(name, 0, identity.error().message());
        }
        return {};
    }

private:
    /// A file of another store is judged by its own identity.
    void print_under(const Kind& kind, const DumpFile& file,
                     const segment::FileIdentity& identity) {
        if (!context_.store || identity.store == *context_.store) return kind.dump(context_, file);
        context_.printer.problem(file.name, offsetof(segment::FileHeader, store),
                                 "the file belongs to another store");
        DumpContext foreign{.printer = context_.printer,
                            .disk = nullptr,
                            .store = identity.store,
                            .store_seed = segment::store_seed(identity.store),
                            .spaces = {},
                            .segments = {},
                            .packs = {},
                            .pieces = {},
                            .trims = {},
                            .logs = {}};
        kind.dump(foreign, file);
    }

    void learn_head(const std::string& name) {
        const Kind* kind = kind_of(name);
        if (kind == nullptr) return;
        const DumpFile head = read_head(disk_, name);
        const auto identity = segment::read_file_header(head.bytes(), name);
        if (!identity) return;
        if (!context_.store || kind->kind == FileKind::catalog) context_.store = identity->store;
    }

    /// The headers of all log files as they are now.
    void learn_logs() {
        context_.logs.clear();
        for (const auto& file : files_) {
            if (!file.name.starts_with(prefix_of(FileKind::log))) continue;
            const DumpFile head = read_head(disk_, file.name);
            const auto header = wal::decode_log_header(head.bytes(), file.name);
            if (!header || !*header) continue;
            context_.logs.push_back(**header);
            log_numbers_[file.name] = (*header)->number;
        }
    }

    /// A log file and the headers of the others as they were at one moment, if a writer lets us.
    Result<DumpFile> read_log(const std::string& name) {
        for (int tries = 1;; ++tries) {
            auto before = context_.logs;
            auto file = read_file(disk_, name);
            if (!file) return file;
            learn_logs();
            const bool is_settled = before == context_.logs && log_is_sound(context_, *file);
            if (is_settled || tries == read_tries_max) return file;
        }
    }

    [[nodiscard]] bool is_listed(const std::string& name) const {
        return std::ranges::find(files_, name, &io::DirectoryEntry::name) != files_.end();
    }

    /// By name; log files by their number, since their names are used again and again.
    std::vector<std::string> names_of(const Kind& kind) {
        std::vector<std::string> names;
        for (const auto& file : files_) {
            if (file.name.starts_with(kind.prefix)) names.push_back(file.name);
        }
        if (kind.kind == FileKind::log) {
            std::ranges::stable_sort(names, {},
                                     [&](const auto& name) { return log_numbers_[name]; });
        }
        return names;
    }

    io::Disk& disk_;
    DumpContext context_;
    std::vector<io::DirectoryEntry> files_;
    std::map<std::string, std::uint64_t> log_numbers_;
};

/// A path as the directory to open and the file in it; no file: all of them.
std::pair<std::string, std::string> split(const std::string& path) {
    std::error_code ignored;
    const std::filesystem::path whole(path);
    if (!std::filesystem::is_regular_file(whole, ignored)) return {path, ""};
    const std::string parent = whole.parent_path().string();
    return {parent.empty() ? "." : parent, whole.filename().string()};
}

Result<void> print(const DumpOptions& options, DumpPrinter& printer) {
    const auto [directory, name] = split(options.path);
    auto disk = io::open_disk(directory, io::Backend::posix, false);
    if (!disk) return disk.error();
    Dump dump(**disk, printer);
    if (auto gathered = dump.gather(); !gathered) return gathered;
    return name.empty() ? dump.print_all() : dump.print_file(name);
}

}  // namespace

void DumpContext::learn(const segment::Change& change) {
    if (const auto* space = std::get_if<segment::SpaceNamed>(&change)) {
        spaces[space->space] = space->name;
    } else if (const auto* named = std::get_if<segment::SegmentNamed>(&change)) {
        segments[named->segment] = {named->space, named->name};
    }
}

void DumpContext::learn(const index::CatalogRecord& record) {
    drained = record.transaction.value;
    for (const auto& change : record.names) learn(change);
    for (const auto& pack : record.packs) packs[pack.number] = pack;
    for (const auto& pack : record.gathered) {
        gathered[pack.pack] = pack;
        for (const auto& range : pack.from)
            packs.erase(packs.lower_bound(range.first), packs.upper_bound(range.last));
    }
    for (const auto& piece : record.pieces)
        pieces[{piece.segment, piece.file}][piece.offset] = piece;
    for (const auto& trim : record.trims) trims[trim.segment] = trim.through;
}

std::optional<segment::FileIdentity> dump_header(DumpContext& context, const DumpFile& file) {
    const auto identity = segment::read_file_header(file.bytes(), file.name);
    if (!identity) {
        context.printer.problem(file.name, 0, identity.error().message());
        return std::nullopt;
    }
    const auto kind = std::ranges::find(kinds, identity->kind, &Kind::kind);
    context.printer.line(file.name, 0, kind->word)
        .number("number", identity->number)
        .number("incarnation", identity->incarnation)
        .number("header_bytes", identity->header_bytes)
        .number("bytes", file.content.size())
        .end();
    return *identity;
}

int dump_to(const DumpOptions& options, Output& output) {
    DumpPrinter printer(output, options.json);
    const auto printed = print(options, printer);
    const ExitCode code = output.finish();
    if (!printed) return report(printed.error());
    return printer.problems() == 0 ? code : exit_damage;
}

int dump(const DumpOptions& options) {
    Output output(STDOUT_FILENO);
    const int code = dump_to(options, output);
    if (code == exit_damage) say("there are bytes that are not what they must be");
    return code;
}

}  // namespace braid::tools
