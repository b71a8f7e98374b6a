// Input: an image (image.h), of which the catalog is loaded; and, with mode bit 1, the body of one
// record. Claims: loading changes nothing, its end and its torn bytes are the file's; a decoded
// record encodes to what decodes to the same record.
#include "index/catalog.h"
#include "tests/fuzz/image.h"
#include "tests/fuzz/target.h"

namespace braid::fuzz {
namespace {

using index::CatalogRecord;

void check_record(const CatalogRecord& record) {
    std::vector<std::byte> body;
    index::encode_catalog_body(record, body);
    const auto again = index::decode_catalog_body(record.kind, body);
    BRAID_CHECK(again.has_value(), "a record that was decoded can't be encoded: {}",
                again.error().message());
    BRAID_CHECK(*again == record, "a record changes when it is stored");
}

void check_load(const Image& image) {
    const auto disk = disk_of(image);
    const auto changes = disk->io_count();
    std::size_t records = 0;
    const auto loaded = index::load_catalog(*disk, [&](const CatalogRecord& record) {
        check_record(record);
        ++records;
        return Result<void>();
    });
    BRAID_CHECK(disk->io_count() == changes, "loading changes the disk");
    if (!loaded) return;
    const std::uint64_t size = image.files.at(index::catalog_name(loaded->end.file)).size();
    BRAID_CHECK(records > 0, "a catalog of no records was loaded");
    BRAID_CHECK(loaded->end.offset + loaded->torn_bytes == size,
                "the end {} and {} torn bytes in a file of {}", loaded->end.offset,
                loaded->torn_bytes, size);
    BRAID_CHECK(loaded->doubtful.empty() ||
                    loaded->doubtful_offset + loaded->doubtful.size() == loaded->end.offset,
                "{} doubtful bytes at {}, the end is {}", loaded->doubtful.size(),
                loaded->doubtful_offset, loaded->end.offset);
}

}  // namespace
}  // namespace braid::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace braid;
    Bytes input = fuzz::input_bytes(data, size);
    const fuzz::Image image = fuzz::read_image(input);
    if ((image.modes & 2) == 0) {
        fuzz::check_load(image);
        return 0;
    }
    fuzz::take_byte(input);
    const auto kind =
        image.modes & 4 ? index::CatalogRecordKind::snapshot : index::CatalogRecordKind::drain;
    const auto record = index::decode_catalog_body(kind, input);
    if (record) fuzz::check_record(*record);
    return 0;
}
