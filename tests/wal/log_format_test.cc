#include "wal/log_format.h"

#include <doctest/doctest.h>

#include <cstring>

namespace braid::wal {
namespace {

LogFileHeader example() {
    LogFileHeader header;
    header.store = {9, 8, 7};
    header.number = 12;
    header.incarnation = 3;
    header.salt = 0x1234567890abcdef;
    header.capacity = 16384;
    header.predecessor = 11;
    header.predecessor_end = 8192;
    header.first_batch = 40;
    header.previous_checksum = 99;
    header.carried_through = 41;
    header.first_transaction = 1000;
    return header;
}

std::vector<std::byte> file_with_batch(std::uint64_t offset, std::string_view body,
                                       const Batch& fields, std::uint64_t seed) {
    std::vector<std::byte> file(16384);
    std::memcpy(file.data() + offset + batch_header_bytes, body.data(), body.size());
    seal_batch(std::span(file).subspan(offset, batch_bytes(body.size())), fields, body.size(), seed,
               offset);
    return file;
}

Batch example_batch() {
    Batch batch;
    batch.number = 7;
    batch.previous = 55;
    batch.durable_through = 6;
    batch.last_transaction = 70;
    return batch;
}

TEST_CASE("log header: what was encoded is decoded") {
    const auto block = encode_log_header(example());
    REQUIRE(block.size() == io::block_bytes);
    const auto decoded = decode_log_header(block, "log-0001");
    REQUIRE(decoded);
    REQUIRE(*decoded);
    CHECK(**decoded == example());
}

TEST_CASE("log header: a block of zeros is a file never begun") {
    const auto decoded = decode_log_header(std::vector<std::byte>(io::block_bytes), "log-0001");
    REQUIRE(decoded);
    CHECK_FALSE(*decoded);
}

TEST_CASE("log header: every changed byte of its block is damage") {
    auto block = encode_log_header(example());
    for (std::size_t at = 0; at < block.size(); ++at) {
        block[at] ^= std::byte{0x10};
        const auto decoded = decode_log_header(block, "log-0001");
        REQUIRE_MESSAGE(!decoded, "byte ", at);
        REQUIRE(decoded.error().code() == Errc::corrupt);
        REQUIRE(decoded.error().message().find("log-0001") != std::string::npos);
        block[at] ^= std::byte{0x10};
    }
}

TEST_CASE("log header: a short block is damage") {
    const std::vector<std::byte> block(512);
    CHECK(decode_log_header(block, "log-0001").error().code() == Errc::corrupt);
}

TEST_CASE("log header: a newer version is unsupported, not damage") {
    auto block = encode_log_header(example());
    segment::FileHeader raw;
    std::memcpy(&raw, block.data(), sizeof(raw));
    raw.version = segment::format_version + 1;
    raw.checksum = segment::checksum(std::as_bytes(std::span(&raw, 1)).subspan(8), 0);
    std::memcpy(block.data(), &raw, sizeof(raw));
    CHECK(decode_log_header(block, "log-0001").error().code() == Errc::unsupported_version);
}

TEST_CASE("log header: numbers that don't fit together are damage") {
    LogFileHeader header = example();
    SUBCASE("its own predecessor") {
        header.predecessor = header.number;
    }
    SUBCASE("no number") {
        header.number = 0;
    }
    SUBCASE("capacity") {
        header.capacity = 5000;
    }
    SUBCASE("carried") {
        header.carried_through = 38;
    }
    CHECK(decode_log_header(encode_log_header(header), "f").error().code() == Errc::corrupt);
}

TEST_CASE("log seed: store, number, incarnation and salt each change it") {
    const std::uint64_t seed = example().seed();
    LogFileHeader other = example();
    SUBCASE("store") {
        other.store[15] = 1;
    }
    SUBCASE("number") {
        other.number = 13;
    }
    SUBCASE("incarnation") {
        other.incarnation = 4;
    }
    SUBCASE("salt") {
        other.salt = 1;
    }
    CHECK(other.seed() != seed);
}

TEST_CASE("batch: what was sealed is found") {
    const auto file = file_with_batch(8192, "hello", example_batch(), 5);
    const BatchLook look = look_at_batch(file, 8192, 5);
    REQUIRE(look.batch);
    CHECK(look.batch->number == 7);
    CHECK(look.batch->previous == 55);
    CHECK(look.batch->durable_through == 6);
    CHECK(look.batch->last_transaction == 70);
    CHECK(as_text(look.batch->body) == "hello");
    CHECK(look.batch->bytes() == 4096);
    CHECK(look_at_batch_header(file, 8192, 5)->checksum == look.batch->checksum);
}

TEST_CASE("batch: every changed byte of header, body and padding is found") {
    const std::string body(5000, 'b');
    auto file = file_with_batch(4096, body, example_batch(), 5);
    for (std::size_t at = 4096; at < 4096 + 8192; ++at) {
        file[at] ^= std::byte{1};
        const BatchLook look = look_at_batch(file, 4096, 5);
        REQUIRE_MESSAGE(!look.batch, "byte ", at);
        REQUIRE_FALSE(look.problem.what.empty());
        REQUIRE_FALSE(look.problem.blank);
        file[at] ^= std::byte{1};
    }
}

TEST_CASE("batch: the same bytes at another offset or under another seed never pass") {
    auto file = file_with_batch(4096, "hello", example_batch(), 5);
    std::copy_n(file.begin() + 4096, 4096, file.begin() + 8192);
    CHECK(look_at_batch(file, 4096, 5).batch);
    CHECK_FALSE(look_at_batch(file, 8192, 5).batch);
    CHECK_FALSE(look_at_batch(file, 4096, 6).batch);
}

TEST_CASE("batch: a block of zeros is blank, the file's end is not") {
    const std::vector<std::byte> file(8192);
    CHECK(look_at_batch(file, 4096, 5).problem.blank);
    CHECK_FALSE(look_at_batch(file, 8192, 5).batch);
    CHECK_FALSE(look_at_batch(file, 12288, 5).problem.what.empty());
}

TEST_CASE("batch: a body that reaches beyond the file is a problem") {
    auto file = file_with_batch(4096, std::string(9000, 'x'), example_batch(), 5);
    CHECK(look_at_batch(file, 4096, 5).batch);
    CHECK_FALSE(look_at_batch(Bytes(file).first(12288), 4096, 5).batch);
}

TEST_CASE("batch: a seal has no body, data has one") {
    Batch seal = example_batch();
    seal.type = BatchType::seal;
    CHECK(look_at_batch(file_with_batch(4096, "", seal, 5), 4096, 5).batch);
    CHECK_FALSE(look_at_batch(file_with_batch(4096, "x", seal, 5), 4096, 5).batch);
    CHECK_FALSE(look_at_batch(file_with_batch(4096, "", example_batch(), 5), 4096, 5).batch);
}

TEST_CASE("slots are named with at least four digits") {
    CHECK(log_name(1) == "log-0001");
    CHECK(log_name(12345) == "log-12345");
}

}  // namespace
}  // namespace braid::wal
