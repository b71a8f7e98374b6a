#include "tools/dump.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <braid/store.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "index/new_catalog.h"
#include "index/sparse_index.h"
#include "io/disk.h"
#include "segment/change.h"
#include "segment/frame_builder.h"
#include "segment/pack.h"
#include "segment/segment_file.h"
#include "wal/log_format.h"

namespace braid::tools {

namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using Content = std::vector<std::byte>;

const Uuid store = {1, 2, 3, 4};
const std::uint64_t seed = segment::store_seed(store);

/// A frame of two records of a segment.
Content frame_of(SegmentId segment, std::uint64_t sequence, std::uint64_t position) {
    const std::vector<KeyValue> metadata = {{"kind", "test"}};
    segment::FrameBuilder builder;
    builder.add(0, as_bytes("payload one"), metadata);
    builder.add(0, as_bytes("payload two \xff"), metadata);
    builder.finish();
    Content frame(builder.bytes().begin(), builder.bytes().end());
    segment::FrameNumbers numbers;
    numbers.segment = segment;
    numbers.first_sequence = sequence;
    numbers.first_position = position;
    numbers.timestamp = 1000 + position;
    numbers.transaction = position;
    numbers.ends_transaction = true;
    segment::number_frame(frame.data(), numbers, builder.frames()[0].body_hash, seed);
    return frame;
}

void append(Content& to, const Content& bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

template <class Header>
Content content_of(const Header& header) {
    const auto bytes = std::as_bytes(std::span(&header, 1));
    return {bytes.begin(), bytes.end()};
}

/// A directory with a file of every kind, as a store would leave it, made by the formats' own
/// encoders. Positions 1–2 are in the pack, 3–6 in a piece, 7–8 in the log.
class SmallStore {
public:
    SmallStore() {
        std::string pattern = (fs::temp_directory_path() / "braid-dump-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        directory = pattern;
        record_.kind = index::CatalogRecordKind::snapshot;
        record_.cut = 6;
        record_.transaction = 5;
        record_.timestamp = 1005;
        record_.next_space = 2;
        record_.next_segment = 3;
        record_.next_pack = 2;
        record_.names = {segment::SpaceNamed{1, "orders"}, segment::SegmentNamed{1, 1, "eu"},
                         segment::SegmentNamed{2, 1, "us"}};
        make_segment_file();
        make_pack();
        make_log();
        make_catalog();
    }
    ~SmallStore() { fs::remove_all(directory); }

    void write(const std::string& name, const Content& content) const {
        std::ofstream(directory / name, std::ios::binary | std::ios::trunc)
            .write(reinterpret_cast<const char*>(content.data()),
                   static_cast<std::streamsize>(content.size()));
    }
    [[nodiscard]] Content read(const std::string& name) const {
        std::ifstream in(directory / name, std::ios::binary);
        std::ostringstream text;
        text << in.rdbuf();
        const std::string bytes = text.str();
        return {as_bytes(bytes).begin(), as_bytes(bytes).end()};
    }

    fs::path directory;
    std::string pack = segment::pack_name(1);
    std::string segment_file = segment::segment_file_name(2, 1);
    std::string log = wal::log_name(0);
    std::string catalog = index::catalog_name(1);

private:
    void make_segment_file() {
        segment::Piece piece;
        piece.segment = 2;
        piece.file = 1;
        piece.offset = 4096;
        Content frames = frame_of(2, 1, 3);
        append(frames, frame_of(2, 3, 5));
        piece.frames_bytes = frames.size();
        piece.index_offset = 8192;
        piece.first_sequence = 1;
        piece.last_sequence = 4;
        piece.first_position = 3;
        piece.last_position = 6;
        piece.first_timestamp = 1003;
        piece.last_timestamp = 1005;
        const auto index = index::SparseIndex::build(piece, frames, segment_file);
        REQUIRE(index.has_value());
        const Content encoded = index->encode(piece, seed);
        piece.index_bytes = encoded.size();

        Content content = content_of(segment::make_segment_file_header(store, 2, 1));
        content.resize(4096);
        append(content, frames);
        content.resize(8192);
        append(content, encoded);
        content.resize(12288);
        write(segment_file, content);
        record_.pieces = {piece};
    }

    void make_pack() {
        Content content = content_of(segment::make_pack_header(store, 1));
        const std::uint64_t extent = content.size();
        const Content frame = frame_of(1, 1, 1);
        segment::append_extent(content, {}, {}, segment::FrameView(frame.data()));
        const std::uint64_t extents_end = content.size();
        content.resize(4096);
        index::SpaceOrderBuilder builder;
        builder.add(1, {.first_position = 1, .records = 2, .source = 0, .offset = extent});
        builder.add(1, {.first_position = 3, .records = 2, .source = 1, .offset = 4096});
        Content order;
        record_.sections =
            builder.finish(order, 4096, 1, seed, [](SpaceId) { return index::OrderTotals(); });
        append(content, order);
        write(pack, content);
        record_.packs = {{.number = 1,
                          .extents_end = extents_end,
                          .order_offset = 4096,
                          .bytes = content.size(),
                          .first_position = 1,
                          .last_position = 6,
                          .pieces = 1}};
    }

    void make_log() {
        wal::LogFileHeader header;
        header.store = store;
        header.number = 1;
        header.incarnation = 1;
        header.salt = 42;
        header.capacity = 16384;
        header.first_batch = 1;
        header.carried_through = 0;
        header.first_transaction = 6;
        Content content = wal::encode_log_header(header);
        Content items;
        segment::encode_change_item(segment::SegmentNamed{3, 1, "asia"}, items);
        segment::number_change(items.data(), 7, false, seed);
        append(items, frame_of(3, 1, 7));
        Content batch(wal::batch_bytes(items.size()));
        std::memcpy(batch.data() + wal::batch_header_bytes, items.data(), items.size());
        wal::Batch fields;
        fields.number = 1;
        fields.last_transaction = 7;
        const auto checksum = wal::seal_batch(batch, fields, items.size(), header.seed(), 4096);
        append(content, batch);
        Content seal(4096);
        fields.number = 2;
        fields.previous = checksum;
        fields.durable_through = 1;
        fields.type = wal::BatchType::seal;
        wal::seal_batch(seal, fields, 0, header.seed(), 8192);
        append(content, seal);
        content.resize(16384);
        write(log, content);
    }

    void make_catalog() {
        auto disk = io::open_disk(directory.string(), io::Backend::posix, false);
        REQUIRE(disk.has_value());
        index::CatalogEnd end;
        REQUIRE(index::write_catalog_file(**disk, record_, store, end).has_value());
    }

    index::CatalogRecord record_;
};

struct Dumped {
    int code = -1;
    std::string text;

    [[nodiscard]] std::vector<json::object> lines() const {
        std::vector<json::object> objects;
        std::istringstream in(text);
        for (std::string line; std::getline(in, line);) {
            objects.push_back(json::parse(line).as_object());
        }
        return objects;
    }
    /// How many lines there are of each kind.
    [[nodiscard]] std::map<std::string, int> kinds() const {
        std::map<std::string, int> counts;
        for (const auto& line : lines()) ++counts[std::string(line.at("kind").as_string())];
        return counts;
    }
};

Dumped dumped(const fs::path& path, bool as_json = true) {
    const int fd = ::memfd_create("dump", MFD_CLOEXEC);
    REQUIRE(fd >= 0);
    Output output(fd);
    Dumped result;
    result.code = dump_to({.path = path.string(), .json = as_json}, output);
    result.text.resize(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)));
    REQUIRE(::pread(fd, result.text.data(), result.text.size(), 0) ==
            static_cast<ssize_t>(result.text.size()));
    ::close(fd);
    return result;
}

int code_of(const fs::path& path) {
    return dumped(path).code;
}

}  // namespace

TEST_CASE("a dump shows everything that a store holds, and finds nothing wrong in a sound one") {
    const SmallStore small;
    const Dumped dump = dumped(small.directory);
    CHECK_MESSAGE(dump.code == 0, dump.text);
    auto kinds = dump.kinds();
    CHECK(kinds["catalog"] == 1);
    CHECK(kinds["snapshot"] == 1);
    CHECK(kinds["name"] == 3);
    CHECK(kinds["pack"] == 2);  // what the catalog says, and the file
    CHECK(kinds["extent"] == 1);
    CHECK(kinds["order"] == 1);
    CHECK(kinds["piece"] == 1);
    CHECK(kinds["index"] == 1);
    CHECK(kinds["log"] == 1);
    CHECK(kinds["batch"] == 2);
    CHECK(kinds["change"] == 1);
    CHECK(kinds["frame"] == 4);
    CHECK(kinds["record"] == 8);
    CHECK(kinds["PROBLEM"] == 0);
}

TEST_CASE("each record is one line with its numbers, its bytes and where they stand") {
    const SmallStore small;
    std::uint64_t position = 0;
    for (const auto& line : dumped(small.directory).lines()) {
        if (line.at("kind").as_string() != "record") continue;
        CHECK(line.at("position").to_number<std::uint64_t>() == ++position);
        const Content file = small.read(std::string(line.at("file").as_string()));
        const auto offset = line.at("offset").to_number<std::size_t>();
        const std::string_view there = as_text(file).substr(offset, 40);
        CHECK(there.find(position % 2 == 1 ? "payload one" : "payload two") != std::string::npos);
        CHECK(line.contains(position % 2 == 1 ? "payload" : "payload_base64"));
    }
    CHECK(position == 8);
}

TEST_CASE("frames bear the names of their segment where the catalog or the log tells them") {
    const SmallStore small;
    std::vector<std::string> names;
    for (const auto& line : dumped(small.directory).lines()) {
        if (line.at("kind").as_string() != "frame") continue;
        CHECK(line.at("space").as_string() == "orders");
        names.emplace_back(line.at("name").as_string());
    }
    CHECK(names == std::vector<std::string>{"eu", "us", "us", "asia"});
}

TEST_CASE("a single file can be dumped, in the store or alone") {
    const SmallStore small;
    for (const auto& name : {small.pack, small.segment_file, small.log, small.catalog}) {
        CAPTURE(name);
        const Dumped within = dumped(small.directory / name);
        CHECK(within.code == 0);
        for (const auto& line : within.lines()) CHECK(line.at("file").as_string() == name);

        const fs::path alone = small.directory / "alone";
        fs::create_directory(alone);
        fs::copy_file(small.directory / name, alone / name);
        const Dumped apart = dumped(alone / name);
        CHECK_MESSAGE(apart.code == 0, apart.text);
        CHECK(apart.lines().size() == within.lines().size());
        fs::remove_all(alone);
    }
}

TEST_CASE("text is for people: a line for each thing, long values shortened") {
    const SmallStore small;
    const Dumped dump = dumped(small.directory, false);
    CHECK(dump.code == 0);
    CHECK(dump.text.find("frame") != std::string::npos);
    CHECK(dump.text.find("payload=\"payload one\"") != std::string::npos);
    CHECK(dump.text.find("payload=base64:") != std::string::npos);
}

TEST_CASE("damage in a frame is pointed at, and the dump goes on behind it") {
    const SmallStore small;
    Content content = small.read(small.segment_file);
    content[4096 + 60] ^= std::byte{1};  // in the body of the piece's first frame
    small.write(small.segment_file, content);
    const Dumped dump = dumped(small.directory);
    CHECK(dump.code == 3);
    std::uint64_t problems = 0;
    for (const auto& line : dump.lines()) {
        if (line.at("kind").as_string() != "PROBLEM") continue;
        ++problems;
        CHECK(line.at("file").as_string() == small.segment_file);
        CHECK(line.at("offset").to_number<std::uint64_t>() == 4096);
    }
    CHECK(problems == 1);
    CHECK(dump.kinds()["record"] == 6);
}

TEST_CASE("a dump says where a large body lies, and whether it is what it must be") {
    std::string directory = (fs::temp_directory_path() / "braid-dump-XXXXXX").string();
    REQUIRE(::mkdtemp(directory.data()) != nullptr);
    Options options;
    options.create = true;
    options.large_body_bytes = 100;
    options.body_file_bytes = 16 << 10;
    auto written = Store::open(directory, options);
    REQUIRE(written.has_value());
    REQUIRE(written->append("orders", "eu", std::string(5000, 'b')).has_value());
    REQUIRE(written->append("orders", "eu", "small").has_value());
    REQUIRE(written->close().has_value());
    const Dumped sound = dumped(directory);
    CHECK_MESSAGE(sound.code == 0, sound.text);
    CHECK(sound.kinds()["body file"] == 1);
    CHECK(sound.kinds()["body"] >= 1);  // once in the pack; and in the log, while that is there
    CHECK(sound.kinds()["body_file"] == 1);
    CHECK(code_of(fs::path(directory) / "body-000001") == 0);

    const fs::path file = fs::path(directory) / "body-000001";
    {
        std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekp(4096 + 10);
        bytes.put('x');
    }
    const Dumped damaged = dumped(directory);
    CHECK(damaged.code == 3);
    for (const auto& line : damaged.lines()) {
        if (line.at("kind").as_string() != "PROBLEM") continue;
        CHECK(line.at("file").as_string() == "body-000001");
        CHECK(line.at("offset").to_number<std::uint64_t>() == 4096);
    }
    CHECK(code_of(fs::path(directory) / "pack-000001") == 3);
    fs::remove(file);
    CHECK(code_of(directory) == 3);
    fs::remove_all(directory);
}

TEST_CASE("a frame whose length is destroyed is passed over to the next sound one") {
    const SmallStore small;
    Content content = small.read(small.segment_file);
    content[4096 + 11] ^= std::byte{0x80};
    small.write(small.segment_file, content);
    const Dumped dump = dumped(small.directory);
    CHECK(dump.code == 3);
    CHECK(dump.kinds()["frame"] == 3);
    CHECK(dump.kinds()["record"] == 6);
    CHECK(dump.kinds()["index"] == 1);
}

TEST_CASE(
    "damage in a batch that a seal attests is damage; behind the last one it is a torn tail") {
    const SmallStore small;
    Content content = small.read(small.log);
    content[4096 + 70] ^= std::byte{1};
    small.write(small.log, content);
    CHECK(code_of(small.directory) == 3);

    content[4096 + 70] ^= std::byte{1};
    content[8192 + 9] ^= std::byte{1};  // the seal, which nothing attests
    small.write(small.log, content);
    const Dumped dump = dumped(small.directory);
    CHECK_MESSAGE(dump.code == 0, dump.text);
    CHECK(dump.kinds()["batch"] == 1);
}

TEST_CASE("a missing path is not found, and a file of something else is named so") {
    const SmallStore small;
    CHECK(code_of(small.directory / "nothing") == 4);
    small.write("notes.txt", Content(100, std::byte{'x'}));
    CHECK(code_of(small.directory) == 0);
    CHECK(dumped(small.directory).kinds()["note"] == 2);  // and the end of the log
    CHECK(code_of(small.directory / "notes.txt") == 3);
}

TEST_CASE("whatever byte is changed or cut off, a dump ends and changes nothing") {
    const SmallStore small;
    for (const auto& name : {small.pack, small.segment_file, small.log, small.catalog}) {
        const Content sound = small.read(name);
        std::size_t found = 0;
        std::size_t tried = 0;
        // Zeros between things need not be looked at, and nothing attests the log's last batch.
        const std::size_t vouched = name == small.log ? 8192 : sound.size();
        for (std::size_t at = 0; at < sound.size(); at += sound[at] == std::byte{0} ? 61 : 1) {
            Content content = sound;
            content[at] ^= std::byte{0x41};
            small.write(name, content);
            const int code = code_of(small.directory);
            CAPTURE(name);
            CAPTURE(at);
            CHECK((code == 0 || code == 3));
            if (sound[at] != std::byte{0} && at < vouched) CHECK(code == 3);
            CHECK(small.read(name) == content);
            ++tried;
            found += code == 3;
        }
        for (std::size_t length = 0; length < sound.size(); length += 509) {
            small.write(name, Content(sound.begin(), sound.begin() + static_cast<long>(length)));
            const int code = code_of(small.directory);
            CHECK((code == 0 || code == 3));
        }
        small.write(name, sound);
        MESSAGE(name << ": " << found << " of " << tried << " changed bytes are damage");
        CHECK(found > 0);
    }
}

}  // namespace braid::tools
