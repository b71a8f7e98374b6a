#include "tests/segment/format_document.h"
#include "index/catalog.h"
#include "index/catalog_record.h"
#include "index/pack_directory.h"
#include "index/sparse_index.h"
#include "tests/segment/sample.h"

using namespace braid;
using namespace braid::index;
using namespace braid::test;
using segment::Link;

namespace {

std::uint64_t seed() {
    return segment::store_seed(sample_uuid);
}

CatalogRecord counters_as_stated(const DocumentExample& page) {
    CatalogRecord record;
    record.cut = page.number("cut");
    record.transaction = page.number("transaction");
    record.timestamp = page.number("timestamp");
    record.next_space = page.number("next_space");
    record.next_segment = page.number("next_segment");
    record.next_pack = static_cast<std::uint32_t>(page.number("next_pack"));
    return record;
}

PackInfo pack_as_stated(const DocumentExample& page) {
    const auto number = [&](const char* name) { return page.number(name); };
    return {static_cast<std::uint32_t>(number("pack")),
            number("extents_end"),
            number("order_offset"),
            number("pack_bytes"),
            number("pack_first_position"),
            number("pack_last_position"),
            static_cast<std::uint32_t>(number("pack_pieces"))};
}

OrderSection section_as_stated(const DocumentExample& page) {
    const auto number = [&](const char* name) { return page.number(name); };
    return {number("section_space"),          static_cast<std::uint32_t>(number("section_pack")),
            number("section_offset"),         number("section_bytes"),
            number("section_records"),        number("section_records_before"),
            number("section_first_position"), number("section_last_position"),
            number("section_last_checksum")};
}

CatalogRecord record_as_stated(const DocumentExample& page) {
    const auto number = [&](const char* name) { return page.number(name); };
    const auto number32 = [&](const char* name) {
        return static_cast<std::uint32_t>(page.number(name));
    };
    const Link head(number32("head_pack[0]"), number("head_offset[0]"));
    const Link anchor(number32("anchor_pack[0]"), number("anchor_offset[0]"));
    const Link head_of_other(number32("head_pack[1]"), number("head_offset[1]"));
    CatalogRecord record = counters_as_stated(page);
    record.names = {
        segment::SegmentNamed{number("named_segment"), number("named_space"), page.text("named")}};
    record.packs = {pack_as_stated(page)};
    record.pieces = {{number("piece_segment"), number32("piece_file"), number("piece_offset"),
                      number("piece_frames_bytes"), number("piece_index_offset"),
                      number("piece_index_bytes"), number("piece_first_sequence"),
                      number("piece_last_sequence"), number("piece_first_position"),
                      number("piece_last_position"), number("piece_first_timestamp"),
                      number("piece_last_timestamp")}};
    record.segments = {
        {number("segment[0]"), number("last_sequence[0]"), number("last_position[0]"),
         number("first_timestamp[0]"), number("last_timestamp[0]"), head, anchor,
         number32("extents_since_anchor[0]"), number32("files[0]")},
        {number("segment[1]"), number("last_sequence[1]"), number("last_position[1]"),
         number("first_timestamp[1]"), number("last_timestamp[1]"), head_of_other, head_of_other,
         number32("extents_since_anchor[1]"), number32("files[1]")}};
    record.sections = {section_as_stated(page)};
    record.trims = {{number("trim_segment"), number("trim_through"), number("trim_position")}};
    record.pack_trims = {{number32("trimmed_pack"), number("trimmed_records")}};
    record.consumers = {{page.text("consumer"),
                         number("epoch"),
                         {{page.text("cursor_space"), "", number("cursor_position")}}}};
    return record;
}

}  // namespace

TEST_CASE("the page's order block says what the page says") {
    const DocumentExample page = document_example("order block");
    const auto block = decode_order_block(
        page.bytes, static_cast<std::uint32_t>(page.number("pack")), seed(), "format.md", 0);
    REQUIRE_MESSAGE(block, block.error().message());
    CHECK(block->checksum == page.number("checksum"));
    CHECK(block->previous == page.number("previous"));
    CHECK(block->space == page.number("space"));
    CHECK(block->first_position == page.number("first_position"));
    CHECK(block->records_before == page.number("records_before"));
    CHECK(block->records == page.number("records"));
    CHECK(block->entries.size() == page.number("entries"));
    CHECK(block->bytes == page.number("bytes"));
    const std::vector<OrderEntry> stated = {
        {990, 4, 0, 128}, {1000, 2, 0, 312}, {1002, 3, 1, 4096}};
    CHECK(block->entries == stated);

    SpaceOrderBuilder builder;
    for (const OrderEntry& entry : stated) builder.add(block->space, entry);
    std::vector<std::byte> encoded;
    builder.finish(encoded, 4096, 3, seed(), [&](SpaceId) {
        return OrderTotals{page.number("records_before"), page.number("previous")};
    });
    CHECK(hex(encoded) == hex(page.bytes));
}

TEST_CASE("the page's directory entry says what the page says") {
    const DocumentExample page = document_example("directory entry");
    DirectoryBuilder builder;
    builder.add(page.number("segment"), page.number("sequence"),
                static_cast<std::uint32_t>(page.number("records")), 128);
    const auto bytes = builder.finish(9, seed());
    CHECK(hex(Bytes(bytes).subspan(sizeof(DirectoryBlockHeader), sizeof(DirectoryEntry))) ==
          hex(page.bytes));
}

TEST_CASE("the page's sparse index says what the page says") {
    const DocumentExample page = document_example("sparse index");
    const DocumentExample frame = document_example("frame");
    segment::Piece piece;
    piece.segment = page.number("segment");
    piece.offset = page.number("frames_offset");
    piece.frames_bytes = page.number("frames_bytes");
    piece.first_sequence = page.number("first_sequence");
    piece.last_sequence = page.number("last_sequence");
    piece.first_position = page.number("position[0]");
    piece.last_position = piece.first_position + 1;
    piece.first_timestamp = piece.last_timestamp = page.number("timestamp[0]");
    const auto index = SparseIndex::decode(page.bytes, piece, seed(), "format.md");
    REQUIRE_MESSAGE(index, index.error().message());
    const SparseEntry stated{page.number("sequence[0]"), page.number("position[0]"),
                             page.number("timestamp[0]"), page.number("offset[0]")};
    CHECK(index->entries() == std::vector<SparseEntry>{stated});

    const auto built = SparseIndex::build(piece, frame.bytes, "format.md");
    REQUIRE_MESSAGE(built, built.error().message());
    CHECK(hex(built->encode(piece, seed())) == hex(page.bytes));
}

namespace {

/// Whether the page's record in this catalog is of this kind, holds what is stated, and is what is
/// written of that.
void check_record(const DocumentExample& page, std::uint64_t catalog, CatalogRecord stated) {
    const std::uint64_t file_seed = catalog_seed(sample_uuid, catalog);
    const auto header = sound_header(page.bytes, file_seed);
    REQUIRE(header);
    CHECK(header->checksum.value() == page.number("checksum"));
    CHECK(header->body_checksum.value() == page.number("body_checksum"));
    CHECK(header->number.value() == page.number("number"));
    CHECK(header->previous.value() == page.number("previous"));
    CHECK(header->body_bytes.value() == page.number("body_bytes"));
    CHECK(header->kind.value() == page.number("kind"));
    const auto body = sound_body(*header, page.bytes, file_seed);
    REQUIRE(body);
    stated.kind = static_cast<CatalogRecordKind>(page.number("kind"));
    const auto record = decode_catalog_body(stated.kind, *body);
    REQUIRE_MESSAGE(record, record.error().message());
    CHECK(*record == stated);

    CatalogEnd end;
    end.file = catalog;
    end.next_record = page.number("number");
    end.last_checksum = page.number("previous");
    CHECK(hex(encode_catalog_record(stated, sample_uuid, end)) == hex(page.bytes));
}

}  // namespace

TEST_CASE("the page's catalog record says what the page says") {
    const DocumentExample page = document_example("catalog record");
    check_record(page, 1, record_as_stated(page));
}

TEST_CASE("the page's record of a gathering says what the page says") {
    const DocumentExample page = document_example("catalog gathering");
    const auto number32 = [&](const char* name) {
        return static_cast<std::uint32_t>(page.number(name));
    };
    CatalogRecord record = counters_as_stated(page);
    record.packs = {pack_as_stated(page)};
    record.sections = {section_as_stated(page)};
    record.sections.front().replaced_checksum = page.number("replaced_checksum");
    record.gathered = {{number32("gathered"),
                        number32("level"),
                        page.number("directory_entries"),
                        page.number("left_out"),
                        {{number32("from_first"), number32("from_last")}}}};
    check_record(page, 1, record);
}

TEST_CASE("the page's part of a catalog says what the page says") {
    const DocumentExample page = document_example("catalog part");
    const auto number = [&](const char* name) { return page.number(name); };
    CatalogRecord record = counters_as_stated(page);
    record.names = {
        segment::SpaceNamed{number("space"), page.text("space_name")},
        segment::SegmentNamed{number("named_segment"), number("named_space"), page.text("named")}};
    const Link head(static_cast<std::uint32_t>(number("head_pack")), number("head_offset"));
    record.segments = {{number("segment"), number("last_sequence"), number("last_position"),
                        number("first_timestamp"), number("last_timestamp"), head, head,
                        static_cast<std::uint32_t>(number("extents_since_anchor")),
                        static_cast<std::uint32_t>(number("files"))}};
    check_record(page, 2, record);
}
