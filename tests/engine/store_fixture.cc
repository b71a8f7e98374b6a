#include "tests/engine/store_fixture.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "tests/main.h"

namespace braid::test {

TemporaryDirectory::TemporaryDirectory() {
    path_ = (std::filesystem::temp_directory_path() / "braid-test-XXXXXX").string();
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

Options default_options() {
    Options options;
    options.create = true;
    options.io = io();
    return options;
}

Options small_options() {
    Options options = default_options();
    options.log_file_bytes = 16 << 10;
    options.log_bytes_max = 4 << 20;
    options.tail_bytes_max = 64 << 10;
    options.arena_chunk_bytes = 4 << 10;
    options.piece_bytes_min = 4 << 10;
    options.segment_file_bytes = 16 << 10;
    options.record_bytes_max = 256 << 10;
    options.transaction_bytes_max = 1 << 20;
    options.open_files_max = 16;
    options.gather_packs = 4;
    return options;
}

std::vector<Sizes> all_sizes() {
    Options led_by_ring = small_options();
    led_by_ring.commit_path = CommitPath::ring;
    return {{"default sizes", default_options()},
            {"small sizes", small_options()},
            {"small sizes, the log thread leads", led_by_ring}};
}

StoreFixture::StoreFixture(Options options) : options_(options) {
    open();
}

void StoreFixture::open() {
    store_.emplace(must(Store::open(directory_.path(), options_)));
}

void StoreFixture::close() {
    must(store_->close());
    store_.reset();
}

void StoreFixture::reopen() {
    close();
    open();
}

namespace {

/// The life of the other process; it never returns. What it found goes through the pipe, since a
/// killed process has no exit code of its own.
[[noreturn]] void run_and_die(const std::string& directory, const Options& options, int pipe_fd,
                              const std::function<bool(Store&)>& body) {
    char well = 'n';
    if (Result<Store> opened = Store::open(directory, options)) {
        auto* store = new Store(*std::move(opened));  // never destroyed: that would close it
        if (body(*store)) well = 'y';
    }
    if (::write(pipe_fd, &well, 1) != 1) well = 'n';
    ::kill(::getpid(), SIGKILL);
    for (;;) ::pause();
}

}  // namespace

void StoreFixture::in_killed_process(const std::function<bool(Store&)>& body) {
    if (store_) close();
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) run_and_die(directory_.path(), options_, ends[1], body);
    ::close(ends[1]);
    char well = 'n';
    const bool answered = ::read(ends[0], &well, 1) == 1;
    ::close(ends[0]);
    int status = 0;
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK(answered);
    CHECK(well == 'y');
    CHECK(WIFSIGNALED(status));
    open();
}

namespace {

Options options_of_full_store() {
    Options options = default_options();
    options.tail_bytes_max = 1 << 20;  // drained when half of it is used
    options.arena_chunk_bytes = 64 << 10;
    options.large_body_bytes = 0;
    return options;
}

}  // namespace

FullStore::FullStore() : store(options_of_full_store()) {
    const std::string payload(300 << 10, 'f');
    last_position = must(store->append("sp", "full", payload)).last_position;
}

Transaction FullStore::large() {
    Transaction transaction = store->begin();
    transaction.append("sp", "large", std::string(900 << 10, 'l'));
    return transaction;
}

void with_every_size(const std::function<void(StoreFixture&)>& body) {
    for (const Sizes& sizes : all_sizes()) {
        INFO(sizes.name);
        StoreFixture fixture(sizes.options);
        body(fixture);
    }
}

void in_every_state(const std::function<void(Store&)>& fill,
                    const std::function<void(Store&)>& check) {
    with_every_size([&](StoreFixture& fixture) {
        fill(*fixture);
        {
            INFO("in tails");
            check(*fixture);
        }
        must(fixture->drain());
        {
            INFO("drained");
            check(*fixture);
        }
        fixture.reopen();
        {
            INFO("reopened");
            check(*fixture);
        }
        must(fixture->gather());
        INFO("gathered");
        check(*fixture);
    });
}

Seen seen(const Entry& entry) {
    Seen result{std::string(entry.space),  std::string(entry.segment),
                entry.sequence.value,      entry.position.value,
                entry.timestamp.value,     entry.transaction.value,
                std::string(entry.text()), {}};
    for (const KeyValue& pair : entry.metadata) result.metadata.emplace_back(pair.key, pair.value);
    return result;
}

Delivery read_to_end(Reader reader) {
    Delivery delivery;
    while (const Result<Entry>* next = reader.next()) {
        if (!*next) {
            delivery.error = next->error();
            break;
        }
        delivery.entries.push_back(seen(**next));
    }
    return delivery;
}

std::vector<Seen> entries(Reader reader) {
    Delivery delivery = read_to_end(std::move(reader));
    REQUIRE_MESSAGE(!delivery.error, (delivery.error ? delivery.error->message() : std::string()));
    return std::move(delivery.entries);
}

std::vector<std::uint64_t> sequences(const std::vector<Seen>& entries) {
    std::vector<std::uint64_t> result;
    for (const Seen& entry : entries) result.push_back(entry.sequence);
    return result;
}

std::vector<std::uint64_t> positions(const std::vector<Seen>& entries) {
    std::vector<std::uint64_t> result;
    for (const Seen& entry : entries) result.push_back(entry.position);
    return result;
}

std::vector<std::string> payloads(const std::vector<Seen>& entries) {
    std::vector<std::string> result;
    for (const Seen& entry : entries) result.push_back(entry.payload);
    return result;
}

std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> result;
    for (std::uint64_t number = first; number <= last; ++number) result.push_back(number);
    return result;
}

std::string test_data(std::uint64_t sequence) {
    return fmt::format("test data {}", sequence);
}

Result<Receipt> append_range(Store& store, std::string_view space, std::string_view segment,
                             std::uint64_t first, std::uint64_t last, Durability durability) {
    Transaction transaction = store.begin();
    for (std::uint64_t sequence = first; sequence <= last; ++sequence) {
        transaction.append(space, segment, test_data(sequence),
                           expecting(expect::sequence(sequence)));
    }
    return transaction.commit(durability);
}

Receipt must_append(Store& store, std::string_view space, std::string_view segment,
                    std::uint64_t first, std::uint64_t last, Durability durability) {
    return must(append_range(store, space, segment, first, last, durability));
}

AppendOptions expecting(Expectation expectation) {
    AppendOptions options;
    options.expect = expectation;
    return options;
}

AppendOptions with_metadata(MetadataList metadata) {
    AppendOptions options;
    options.metadata = metadata;
    return options;
}

Page page(std::string after, std::uint64_t limit) {
    Page result;
    result.after = std::move(after);
    result.limit = limit;
    return result;
}

std::string space_name(std::uint64_t number) {
    return fmt::format("space{}", number);
}
std::string segment_name(std::uint64_t number) {
    return fmt::format("segment{}", number);
}

void fill_data_set(Store& store) {
    constexpr std::uint64_t turn = 51;
    for (std::uint64_t first = 1; first <= data_set_records; first += turn) {
        const std::uint64_t last = std::min(first + turn - 1, data_set_records);
        for (std::uint64_t space = 0; space < data_set_spaces; ++space) {
            for (std::uint64_t segment = 0; segment < data_set_segments; ++segment) {
                must_append(store, space_name(space), segment_name(segment), first, last,
                            Durability::buffered);
            }
        }
    }
    must(store.sync());
}

std::uint64_t last_sequence(Store& store, std::string_view space, std::string_view segment) {
    return must(store.status(space, segment)).last_sequence.value;
}

namespace {

std::uint64_t damage_file(const std::filesystem::path& path, std::string_view payload) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    file.clear();
    std::uint64_t places = 0;
    for (std::size_t at = bytes.find(payload); at != std::string::npos;
         at = bytes.find(payload, at + 1)) {
        const std::size_t end = at + payload.size();
        if (end < bytes.size() && std::isdigit(static_cast<unsigned char>(bytes[end]))) continue;
        file.seekp(static_cast<std::streamoff>(at));
        file.put(static_cast<char>(bytes[at] ^ 0x10));
        ++places;
    }
    return places;
}

}  // namespace

std::uint64_t damage_stored(const std::string& directory, std::string_view payload) {
    std::uint64_t places = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
        const std::string name = file.path().filename().string();
        if (!name.starts_with("pack-") && !name.starts_with("segment-") &&
            !name.starts_with("body-"))
            continue;
        places += damage_file(file.path(), payload);
    }
    return places;
}

void check_empty(Store& store) {
    CHECK(entries(store.read_all()).empty());
    CHECK(must(store.spaces()).empty());
    CHECK(store.stat().sequenced == 0);
}

void check_conflict(const Result<Receipt>& result, std::string_view segment, std::uint64_t required,
                    std::uint64_t found) {
    REQUIRE(code(result) == Errc::conflict);
    const Error error = result.error();
    REQUIRE_FALSE(error.conflicts().empty());
    const Conflict& conflict = error.conflicts().front();
    CHECK(conflict.segment == segment);
    CHECK(conflict.required_sequence == required);
    CHECK(conflict.found == found);
    CHECK_FALSE(error.message().empty());
}

Result<Receipt> append_sequences(Store& store, std::initializer_list<std::uint64_t> wanted) {
    Transaction transaction = store.begin();
    for (const std::uint64_t sequence : wanted) {
        transaction.append("space0", "segment0", fmt::format("other data {}", sequence),
                           expecting(expect::sequence(sequence)));
    }
    return transaction.commit();
}

}  // namespace braid::test

namespace doctest {

String StringMaker<std::vector<std::uint64_t>>::convert(const std::vector<std::uint64_t>& values) {
    const std::size_t shown = std::min<std::size_t>(values.size(), 40);
    return fmt::format("{} numbers: {}{}", values.size(),
                       fmt::join(values.begin(), values.begin() + shown, " "),
                       shown < values.size() ? " …" : "")
        .c_str();
}

String StringMaker<std::vector<std::string>>::convert(const std::vector<std::string>& values) {
    const std::size_t shown = std::min<std::size_t>(values.size(), 40);
    return fmt::format("{} texts: {}{}", values.size(),
                       fmt::join(values.begin(), values.begin() + shown, " | "),
                       shown < values.size() ? " …" : "")
        .c_str();
}

String StringMaker<std::optional<braid::Errc>>::convert(const std::optional<braid::Errc>& code) {
    return code ? std::string(braid::to_string(*code)).c_str() : "success";
}

}  // namespace doctest
