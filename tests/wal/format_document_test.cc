#include <algorithm>

#include "tests/segment/format_document.h"
#include "tests/segment/sample.h"
#include "wal/log_format.h"

using namespace braid;
using namespace braid::wal;
using namespace braid::test;

namespace {

LogFileHeader header_as_stated(const DocumentExample& page) {
    LogFileHeader header;
    header.store = sample_uuid;
    header.number = page.number("number");
    header.incarnation = page.number("incarnation");
    header.salt = page.number("salt");
    header.capacity = page.number("capacity");
    header.predecessor = page.number("predecessor");
    header.predecessor_end = page.number("predecessor_end");
    header.first_batch = page.number("first_batch");
    header.previous_checksum = page.number("previous_checksum");
    header.carried_through = page.number("carried_through");
    header.first_transaction = page.number("first_transaction");
    return header;
}

/// The change and the frame of the page, one behind the other.
std::vector<std::byte> body_as_stated() {
    std::vector<std::byte> body = document_example("change").bytes;
    const std::vector<std::byte> frame = document_example("frame").bytes;
    body.insert(body.end(), frame.begin(), frame.end());
    return body;
}

}  // namespace

TEST_CASE("the page's log file header says what the page says") {
    const DocumentExample page = document_example("log header");
    std::vector<std::byte> block = page.bytes;
    block.resize(io::block_bytes);
    const auto header = decode_log_header(block, "format.md");
    REQUIRE_MESSAGE(header, header.error().message());
    REQUIRE(*header);
    CHECK(**header == header_as_stated(page));
    CHECK(hex(encode_log_header(header_as_stated(page))) == hex(block));
}

TEST_CASE("the page's batch says what the page says") {
    const LogFileHeader file = header_as_stated(document_example("log header"));
    const DocumentExample page = document_example("batch header");
    const std::vector<std::byte> body = body_as_stated();
    REQUIRE(page.bytes.size() == batch_header_bytes);
    std::vector<std::byte> bytes(2 * io::block_bytes);
    const auto at = bytes.begin() + io::block_bytes;
    std::copy(page.bytes.begin(), page.bytes.end(), at);
    std::copy(body.begin(), body.end(), at + batch_header_bytes);

    const BatchLook look = look_at_batch(bytes, io::block_bytes, file.seed());
    REQUIRE_MESSAGE(look.batch, look.problem.what);
    CHECK(look.batch->checksum == page.number("checksum"));
    CHECK(look.batch->number == page.number("number"));
    CHECK(look.batch->previous == page.number("previous"));
    CHECK(look.batch->durable_through == page.number("durable_through"));
    CHECK(look.batch->last_transaction == page.number("last_transaction"));
    CHECK(static_cast<std::uint64_t>(look.batch->type) == page.number("type"));
    CHECK(look.batch->body.size() == page.number("body_bytes"));
    CHECK(hex(look.batch->body) == hex(body));

    std::vector<std::byte> encoded(io::block_bytes);
    std::copy(body.begin(), body.end(), encoded.begin() + batch_header_bytes);
    seal_batch(encoded, *look.batch, body.size(), file.seed(), io::block_bytes);
    CHECK(hex(encoded) == hex(Bytes(bytes).subspan(io::block_bytes)));
}
