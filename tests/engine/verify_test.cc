// Every byte that the store vouches for is changed once: opening or verify must name its file.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/engine.h"
#include "engine/transaction_body.h"
#include "tests/engine/store_fixture.h"
#include "tests/main.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

Options small_options() {
    Options options;
    options.create = true;
    options.log_file_bytes = 64 << 10;
    options.arena_chunk_bytes = 4 << 10;
    options.piece_bytes_min = 4 << 10;
    options.segment_file_bytes = 64 << 10;
    return options;
}

void append(Engine& engine, std::string_view segment, std::size_t bytes) {
    TransactionBody body(engine.options());
    body.append("sp", segment, as_bytes(std::string(bytes, 'p')), {.metadata = {{"k", "v"}}});
    must(engine.commit(body, Durability::durable));
}

/// A store closed cleanly: a pack, a piece, a log whose batches a seal attests.
void make_store(sim::SimDisk& disk) {
    auto engine = must(Engine::open(disk.borrow(), small_options(), Engine::Threads::none));
    for (int i = 0; i < 6; ++i) append(*engine, "a", 50);
    append(*engine, "large", 3000);
    append(*engine, "large", 2500);
    must(engine->close());
}

/// Whether a store with this byte changed is refused, or verify names the file.
bool is_noticed(sim::SimDisk& disk, const std::string& file, std::uint64_t offset) {
    const std::unique_ptr<sim::SimDisk> changed = disk.clone();
    changed->flip_bit(file, offset * 8 + offset % 8);
    Options options = small_options();
    options.create = false;
    options.read_only = true;
    const auto engine = Engine::open(changed->borrow(), options, Engine::Threads::none);
    if (!engine)
        return engine.error().code() == Errc::corrupt &&
               engine.error().message().find(file) != std::string::npos;
    const auto report = must((*engine)->verify());
    for (const Damage& damage : report.damages)
        if (damage.file == file && damage.offset <= offset) return true;
    return false;
}

std::uint64_t last_used_block(const std::vector<std::byte>& bytes) {
    std::size_t end = bytes.size();
    while (end > 0 && bytes[end - 1] == std::byte{}) --end;
    return (end - 1) / io::block_bytes * io::block_bytes;
}

void check_every_byte(sim::SimDisk& disk, const std::string& file, std::uint64_t from,
                      std::uint64_t to) {
    INFO(file);
    REQUIRE(to > from);
    for (std::uint64_t offset = from; offset < to; offset += sanitized ? 17 : 1) {
        if (is_noticed(disk, file, offset)) continue;
        FAIL_CHECK("byte " << offset << " of " << file << " was changed, and nothing said so");
    }
}

TEST_CASE("verify notices every changed byte of packs, segment files and attested batches") {
    if (io() == Io::posix) return;  // a disk in memory has no I/O path: once is enough
    sim::SimDisk disk;
    make_store(disk);
    for (const std::string& file : disk.names()) {
        const std::vector<std::byte> bytes = disk.contents(file);
        if (file.starts_with("pack-")) check_every_byte(disk, file, 0, bytes.size());
        if (file.starts_with("segment-")) {
            // What stands behind the index of the last piece isn't anybody's.
            check_every_byte(disk, file, 0, last_used_block(bytes));
        }
        // The last batch is the seal that the close wrote: it says nothing but that the others are
        // whole.
        if (file.starts_with("log-"))
            check_every_byte(disk, file, io::block_bytes, last_used_block(bytes));
    }
}

TEST_CASE("verify: a file that isn't the store's is reported, and stays (rule 23)") {
    StoreFixture fixture;
    const std::vector<std::string> strangers{"notes.txt", "pack-000777",
                                             "segment-000009-000001.old"};
    for (const std::string& name : strangers)
        std::ofstream(fixture.directory() + "/" + name) << "somebody else's";
    for (std::uint64_t round = 0; round < 3; ++round) {
        must_append(*fixture, "sp", "a", 100 * round + 1, 100 * round + 100);
        REQUIRE(fixture->drain());
        REQUIRE(fixture->trim("sp", "a", 100 * round + 50));
        fixture.reopen();
    }
    std::vector<std::string> reported = fixture->verify()->unknown_files;
    std::sort(reported.begin(), reported.end());
    // A pack that no catalog names may be what a drain left that a crash cut short.
    CHECK(reported == std::vector<std::string>{"notes.txt", "segment-000009-000001.old"});
    for (const std::string& name : strangers)
        CHECK(std::filesystem::file_size(fixture.directory() + "/" + name) == 15);
}

}  // namespace
}  // namespace braid::test
