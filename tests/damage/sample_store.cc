#include "tests/damage/sample_store.h"

#include <braid/check.hpp>

#include "wal/log_run.h"

namespace braid::damage {
namespace {

using sim::SimDisk;

Options sample_options() {
    Options options;
    options.log_file_bytes = 16 << 10;
    options.log_bytes_max = 64 << 10;
    options.arena_chunk_bytes = 4 << 10;
    options.piece_bytes_min = 4 << 10;
    options.segment_file_bytes = 64 << 10;
    options.large_body_bytes = 2000;
    options.body_file_bytes = 16 << 10;
    return options;
}

/// Makes a store commit by commit.
class Maker {
public:
    explicit Maker(std::string name) {
        store_.name = std::move(name);
        store_.options = sample_options();
        store_.disk = std::make_unique<SimDisk>();
        store_.disk->set_clock(1'700'000'000'000'000'000, 1000);
    }

    void open() {
        if (engine_ != nullptr) kill();
        Options options = store_.options;
        options.create = !store_.disk->exists("catalog-000001");
        auto engine = Engine::open(store_.disk->borrow(), options, Engine::Threads::none);
        BRAID_CHECK(engine.has_value(), "{}", engine.error().message());
        engine_ = *engine;
        store_.before_newest_log = store_.truth.last();
    }
    void commit(std::vector<Row> rows) { store_.truth.commit(*engine_, std::move(rows)); }
    /// A transaction of several segments and spaces, with and without metadata.
    void mixed(std::uint64_t i) {
        const std::string text = "record " + std::to_string(i);
        commit({{"orders", "ann", text + std::string(i % 9, '.'), "m" + std::to_string(i)},
                {"orders", "ann", text, "again"},
                {"orders", "bob", text + " of bob", ""},
                {"stock", "x" + std::to_string(i % 2), "", i % 3 == 0 ? "only metadata" : ""}});
    }
    /// Enough for a piece, in several frames.
    void large(std::uint64_t i) {
        commit({{"orders", "large", std::string(1700, static_cast<char>('a' + i)), "m"},
                {"stock", "x1", "beside a large one", ""},
                {"orders", "large", std::string(1500, static_cast<char>('A' + i)), ""}});
        commit({{"orders", "large", std::string(1200, static_cast<char>('0' + i)), "m"}});
    }
    /// Two records of a segment in a body file, and a small one between them.
    void bodies(std::uint64_t i) {
        commit({{"orders", "bodies", std::string(2100 + 700 * i, static_cast<char>('a' + i)), "m"},
                {"orders", "bodies", "between bodies", ""},
                {"stock", "x1", std::string(4096, static_cast<char>('A' + i)), ""}});
    }
    void drain() {
        const auto drained = engine_->drain();
        BRAID_CHECK(drained.has_value(), "{}", drained.error().message());
        remember();
    }
    void gather() {
        const auto gathered = engine_->gather();
        BRAID_CHECK(gathered.has_value(), "{}", gathered.error().message());
        remember();
    }
    void remember() { store_.earlier.push_back({store_.disk->clone(), store_.truth.last()}); }
    void close() {
        const auto closed = engine_->close();
        BRAID_CHECK(closed.has_value(), "{}", closed.error().message());
        engine_.reset();
        // What is drained needs no log.
        store_.before_newest_log = store_.truth.last();
    }
    SampleStore finish() {
        if (engine_ != nullptr) kill();
        store_.files = store_.disk->names();
        std::erase(store_.files, "LOCK");
        find_end_of_log();
        find_newest_record();
        const auto engine = open_for_reading(*store_.disk, store_);
        const auto report = engine->verify();
        BRAID_CHECK(report && report->damages.empty(), "a sample store is sound");
        for (const auto& file : report->files) store_.covered[file.name] = file.bytes;
        return std::move(store_);
    }

private:
    void kill() {
        auto left = store_.disk->clone();
        store_.disk->cut_power();
        engine_.reset();
        store_.disk = std::move(left);
    }
    void find_end_of_log();
    void find_batches(const wal::LogFileHeader& newest);
    void find_newest_record();

    SampleStore store_;
    std::shared_ptr<Engine> engine_;
};

void Maker::find_end_of_log() {
    std::optional<wal::LogFileHeader> newest;
    for (const std::string& name : store_.files) {
        if (!name.starts_with("log-")) continue;
        const auto bytes = store_.disk->contents(name);
        const auto header = wal::decode_log_header(Bytes(bytes).first(io::block_bytes), name);
        BRAID_CHECK(header.has_value(), "{}", header.error().message());
        if (!*header || (newest && newest->number > (*header)->number)) continue;
        newest = **header;
        store_.newest_log = name;
    }
    find_batches(*newest);
    // What was carried over is in the file before as well.
    for (const std::string& name : store_.files) {
        if (!name.starts_with("log-")) continue;
        const auto other = store_.disk->contents(name);
        const auto header = wal::decode_log_header(Bytes(other).first(io::block_bytes), name);
        if (!*header || (*header)->number != newest->predecessor) continue;
        // A roll leads to the newest file: it can't go unnoticed.
        if ((*header)->incarnation == newest->incarnation)
            store_.before_newest_log = store_.truth.last();
    }
}

void Maker::find_batches(const wal::LogFileHeader& newest) {
    const auto bytes = store_.disk->contents(store_.newest_log);
    const Position drained = open_for_reading(*store_.disk, store_)->stat().drained;
    std::uint64_t transaction = newest.first_transaction - 1;
    for (const auto& [offset, batch] : wal::read_run(bytes, newest, newest.capacity).batches) {
        store_.batches.push_back({offset, std::max(drained, store_.truth.end_of(transaction))});
        transaction = batch.last_transaction;
    }
    BRAID_CHECK(!store_.batches.empty(), "the newest log file has batches");
}

void Maker::find_newest_record() {
    const auto loaded =
        index::load_catalog(*store_.disk, [](const auto&) { return Result<void>(); });
    BRAID_CHECK(loaded.has_value(), "{}", loaded.error().message());
    store_.catalog = index::catalog_name(loaded->end.file);
    store_.newest_record = {loaded->doubtful_offset, loaded->end.offset};
}

void make_history(Maker& maker) {
    maker.open();
    maker.mixed(1);
    maker.remember();
    maker.mixed(2);
    maker.large(3);
    maker.bodies(0);
    maker.drain();
    for (std::uint64_t i = 4; i < 8; ++i) maker.mixed(i);
    maker.drain();
    maker.gather();
    maker.open();
    maker.large(8);
    maker.mixed(9);
    maker.drain();
    maker.bodies(4);
    maker.mixed(10);
}

}  // namespace

Position SampleStore::floor_of(const std::string& file, Bytes bytes) const {
    if (file != newest_log) return truth.last();
    const auto before = disk->contents(file);
    Position floor = truth.last();
    for (std::size_t i = batches.size(); i-- > 0;) {
        const std::size_t begin = batches[i].offset;
        const std::size_t end = i + 1 < batches.size() ? batches[i + 1].offset : before.size();
        if (bytes.size() >= end && std::equal(before.begin() + static_cast<std::ptrdiff_t>(begin),
                                              before.begin() + static_cast<std::ptrdiff_t>(end),
                                              bytes.begin() + static_cast<std::ptrdiff_t>(begin)))
            break;
        floor = batches[i].before;
    }
    const bool headless =
        bytes.size() < io::block_bytes ||
        !std::equal(before.begin(), before.begin() + io::block_bytes, bytes.begin());
    return headless ? std::min(floor, before_newest_log) : floor;
}

bool SampleStore::must_be_noticed(const std::string& file, std::uint64_t offset) const {
    const auto found = covered.find(file);
    if (found == covered.end() || offset >= found->second || is_unattested(file, offset))
        return false;
    return file != catalog || !newest_record.holds(offset);
}

std::shared_ptr<Engine> open_for_reading(SimDisk& disk, const SampleStore& store) {
    Options options = store.options;
    options.read_only = true;
    const auto engine = Engine::open(disk.borrow(), options, Engine::Threads::none);
    BRAID_CHECK(engine.has_value(), "{}", engine.error().message());
    return *engine;
}

SampleStore make_small_store() {
    Maker maker("small");
    maker.open();
    maker.mixed(1);
    maker.large(2);
    maker.mixed(3);
    maker.bodies(1);
    maker.remember();
    maker.close();
    return maker.finish();
}

SampleStore make_gathered_store() {
    Maker maker("gathered");
    maker.open();
    for (std::uint64_t i = 1; i < 4; ++i) {
        maker.mixed(i);
        if (i == 2) maker.large(i);
        maker.drain();
    }
    maker.gather();
    maker.close();
    return maker.finish();
}

SampleStore make_large_store() {
    Maker maker("large");
    make_history(maker);
    for (std::uint64_t i = 11; i < 15; ++i) {
        maker.mixed(i);
        maker.remember();
    }
    return maker.finish();
}

SampleStore make_reopened_store() {
    Maker maker("reopened");
    make_history(maker);
    maker.remember();
    maker.open();
    maker.mixed(11);
    return maker.finish();
}

}  // namespace braid::damage
