// Makes the first inputs of every fuzzer out of real stores: fuzz_corpus DIRECTORY. The same every
// time; docs/testing.md tells when to run it.
#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "engine/engine.h"
#include "engine/transaction_body.h"
#include "index/pack_directory.h"
#include "tests/fuzz/image.h"
#include "tests/fuzz/seal.h"
#include "tests/fuzz/target.h"
#include "tests/index/sample_catalog.h"

namespace braid::fuzz {
namespace {

namespace fs = std::filesystem;
using sim::SimDisk;

class Corpus {
public:
    explicit Corpus(fs::path directory) : directory_(std::move(directory)) {}

    void add(const std::string& target, const std::string& name, Bytes bytes) const {
        fs::create_directories(directory_ / target);
        std::ofstream out(directory_ / target / name, std::ios::binary);
        out.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
    }
    void add(const std::string& target, const std::string& name, std::uint8_t modes,
             Bytes bytes) const {
        std::vector<std::byte> whole{std::byte{modes}};
        whole.insert(whole.end(), bytes.begin(), bytes.end());
        add(target, name, whole);
    }

private:
    fs::path directory_;
};

Options make_options() {
    Options options;
    options.create = true;
    options.log_file_bytes = 16384;
    options.log_bytes_max = 1 << 20;
    options.tail_bytes_max = 1 << 18;
    options.arena_chunk_bytes = 4096;
    options.piece_bytes_min = 4096;
    options.segment_file_bytes = 1 << 16;
    return options;
}

/// A transaction keeps a reference to them.
const Options& options() {
    static const Options all = make_options();
    return all;
}

/// A store at work on a disk in memory.
class Writer {
public:
    Writer() : disk_(std::make_unique<SimDisk>(7)) { open(); }
    void open() {
        auto engine = Engine::open(disk_->borrow(), options(), Engine::Threads::none);
        BRAID_CHECK(engine.has_value(), "no store: {}", engine.error().message());
        engine_ = std::move(*engine);
    }
    /// The process ends in the middle, and another one opens what it has written.
    void kill() {
        auto left = disk_->clone();
        disk_->cut_power();
        engine_.reset();
        disk_ = std::move(left);
        open();
    }
    void close() {
        BRAID_CHECK(engine_->close().has_value(), "not closed");
        engine_.reset();
    }
    /// A transaction of `records` over several segments, some with metadata.
    void commit(std::size_t records, std::size_t bytes) {
        TransactionBody body(options());
        const std::array<KeyValue, 2> pairs = {{{"key", "value"}, {"other", ""}}};
        for (std::size_t i = 0; i < records; ++i) {
            AppendOptions append;
            if ((count_ + i) % 5 == 4) append.metadata = std::span<const KeyValue>(pairs);
            body.append(i % 2 ? "b" : "a", fmt::format("s{}", (count_ + i) % 3),
                        as_bytes(std::string(bytes, static_cast<char>('a' + i % 26))), append);
        }
        ++count_;
        BRAID_CHECK(engine_->commit(body, Durability::durable).has_value(), "not committed");
    }
    void drain() { BRAID_CHECK(engine_->drain().has_value(), "not drained"); }

    void gather() { BRAID_CHECK(engine_->gather().has_value(), "not gathered"); }
    void trim() { BRAID_CHECK(engine_->trim("a", "s1", 2).has_value(), "not trimmed"); }

    [[nodiscard]] Image image() const {
        Image image;
        for (const std::string& name : file_names())
            if (disk_->exists(name)) image.files[name] = disk_->contents(name);
        for (const std::string& name : disk_->names())
            BRAID_CHECK(!name.starts_with("pack-") || image.files.contains(name),
                        "{} can't be in an image", name);
        return image;
    }
    [[nodiscard]] SimDisk& disk() { return *disk_; }

private:
    std::unique_ptr<SimDisk> disk_;
    std::shared_ptr<Engine> engine_;
    std::size_t count_ = 0;
};

void add_image(const Corpus& corpus, const std::string& name, Image image) {
    Image logs;
    Image catalog;
    for (const auto& [file, bytes] : image.files) {
        if (file.starts_with("log-")) logs.files[file] = bytes;
        if (file.starts_with("catalog-")) catalog.files[file] = bytes;
    }
    for (const std::uint8_t modes : {std::uint8_t{0}, mode_sealed}) {
        image.modes = logs.modes = catalog.modes = modes;
        const std::string file = fmt::format("{}-{}", name, modes ? "sealed" : "plain");
        corpus.add("log", file, write_image(logs));
        corpus.add("catalog", file, write_image(catalog));
        corpus.add("store", file, write_image(image));
    }
    corpus.add("dump", name, write_image(image));
}

void add_stores(const Corpus& corpus) {
    Writer writer;
    add_image(corpus, "created", writer.image());
    writer.commit(1, 10);
    writer.commit(5, 30);
    add_image(corpus, "killed", writer.image());
    writer.kill();
    writer.commit(2, 700);
    add_image(corpus, "carried", writer.image());
    Image torn = writer.image();
    for (auto& [name, bytes] : torn.files)
        if (name.starts_with("log-") && bytes.size() > 8292) bytes[8292] ^= std::byte{1};
    add_image(corpus, "damaged", torn);
    writer.drain();
    writer.commit(12, 300);
    writer.drain();
    writer.trim();
    writer.commit(3, 20);
    writer.close();
    add_image(corpus, "closed", writer.image());
    writer.open();
    writer.gather();
    writer.close();
    add_image(corpus, "gathered", writer.image());
}

/// What the packs and pieces of a store hold, sealed for the store of the fuzzers.
void add_stored(const Corpus& corpus) {
    Writer writer;
    for (std::size_t i = 0; i < 6; ++i) writer.commit(1 + i, 40 * i);
    writer.drain();
    for (std::size_t i = 0; i < 12; ++i) writer.commit(3, 900);
    writer.drain();
    writer.trim();
    const auto pack = writer.disk().contents("pack-000001");
    std::vector<std::byte> extents(pack.begin() + segment::file_header_bytes, pack.end());
    seal_extents(extents, store_seed);
    corpus.add("pack", "plain", 0, extents);
    corpus.add("pack", "sealed", 1, extents);
    std::size_t number = 0;
    const auto add_record = [&](const index::CatalogRecord& record) -> Result<void> {
        const std::uint8_t snapshot = record.kind == index::CatalogRecordKind::snapshot ? 4 : 0;
        std::vector<std::byte> body;
        index::encode_catalog_body(record, body);
        corpus.add("catalog", fmt::format("body-{}", ++number),
                   static_cast<std::uint8_t>(2 + snapshot), body);
        for (const segment::Piece& piece : record.pieces) {
            const auto name = segment::segment_file_name(piece.segment, piece.file);
            if (!writer.disk().exists(name)) continue;  // trimmed
            const auto file = writer.disk().contents(name);
            const auto at = file.begin() + static_cast<std::ptrdiff_t>(piece.offset);
            std::vector<std::byte> input{static_cast<std::byte>(piece.frames_bytes & 0xff),
                                         static_cast<std::byte>(piece.frames_bytes >> 8)};
            input.insert(input.end(), at, at + static_cast<std::ptrdiff_t>(piece.frames_bytes));
            const auto index = file.begin() + static_cast<std::ptrdiff_t>(piece.index_offset);
            input.insert(input.end(), index,
                         index + static_cast<std::ptrdiff_t>(piece.index_bytes));
            corpus.add("sparse_index", fmt::format("piece-{}", piece.segment.value), 1, input);
        }
        return {};
    };
    BRAID_CHECK(index::load_catalog(writer.disk(), add_record).has_value(), "no catalog");
    static_cast<void>(add_record(test::sample_snapshot()));
    static_cast<void>(add_record(test::extreme_record()));
}

void add_orders(const Corpus& corpus) {
    for (const std::uint64_t frames : {1, 40, 1500}) {
        index::SpaceOrderBuilder builder;
        for (std::uint64_t i = 0; i < frames; ++i)
            builder.add(2, {100 + 3 * i, static_cast<std::uint32_t>(1 + i % 3),
                            static_cast<std::uint32_t>(i % 7 == 6 ? 1 : 0), 128 + 64 * i});
        std::vector<std::byte> section;
        static_cast<void>(builder.finish(section, 8192, 3, store_seed, [](SpaceId) {
            return index::OrderTotals{50, 77};
        }));
        corpus.add("space_order", fmt::format("frames-{}-plain", frames), 0, section);
        corpus.add("space_order", fmt::format("frames-{}-sealed", frames), 1, section);
    }
}

void add_directories(const Corpus& corpus) {
    index::DirectoryBuilder builder;
    std::vector<std::byte> extents;
    for (std::uint8_t i = 0; i < 200; ++i) {
        builder.add(1 + i / 7, 1 + 3 * (i % 7), 3, 64 + 1'000U * i);
        for (const int byte : {i % 7 == 0 ? 1 : 0, 2, 117}) extents.push_back(std::byte(byte));
    }
    corpus.add("directory", "built", 1, extents);
    std::vector<std::byte> stored{static_cast<std::byte>(builder.entries()), std::byte{0}};
    const auto blocks = builder.finish(3, store_seed);
    stored.insert(stored.end(), blocks.begin(), blocks.end());
    corpus.add("directory", "stored", 0, stored);
}

void add_lines(const Corpus& corpus) {
    const std::array<std::string_view, 8> lines = {
        R"({"space":"a","segment":"b","payload":"c"})",
        R"({"space":"a","segment":"b","payload":"","trx":"t1","metadata":{"k":"v","l":""}})",
        R"({"space_base64":"AAE=","segment_base64":"/w==","payload_base64":"AAECAwQ="})",
        R"({"space":"ä\u00e4\ud83d\ude00","segment":"\n\t\"\\","payload":"\u0000","sequence":7})",
        R"({"space":"a","segment":"b","payload":"c","metadata_list":[["k","v"],["k","w"],)"
        R"({"key_base64":"/w==","value":"x"}]})",
        R"({"space":"a","segment":"b","sequence":18446744073709551615,"position":1,)"
        R"("timestamp":2,"transaction":3,"metadata":{},"payload":"c","trx":-1.5e3})",
        R"({"space":"a","segment":"b","payload":"c","spcae":1})",
        R"({"space":1,"segment":null,"payload":[true]})",
    };
    for (std::size_t i = 0; i < lines.size(); ++i)
        corpus.add("import", fmt::format("line-{}", i + 1), as_bytes(lines[i]));
}

}  // namespace
}  // namespace braid::fuzz

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "usage: fuzz_corpus DIRECTORY\n");
        return 2;
    }
    const braid::fuzz::Corpus corpus(argv[1]);
    braid::fuzz::add_stores(corpus);
    braid::fuzz::add_stored(corpus);
    braid::fuzz::add_orders(corpus);
    braid::fuzz::add_directories(corpus);
    braid::fuzz::add_lines(corpus);
    return 0;
}
