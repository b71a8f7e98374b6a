// Input: a line of `braid import`. Claims: what was taken apart holds no more than the line;
// printed as `braid read` prints, it is taken apart into the same again.
#include <fmt/format.h>

#include "tests/fuzz/target.h"
#include "tools/entry_json.h"
#include "tools/import_record.h"

namespace braid::fuzz {
namespace {

void check_round_trip(const tools::ImportRecord& record) {
    std::vector<KeyValue> metadata;
    for (const auto& [key, value] : record.metadata) metadata.push_back({key, value});
    Entry entry;
    entry.space = record.space;
    entry.segment = record.segment;
    entry.payload = as_bytes(record.payload);
    entry.sequence = record.sequence.value_or(Sequence(1));
    tools::Buffer out;
    tools::EntryJson::append(out, entry, metadata);
    BRAID_CHECK(out.size() > 0 && out[out.size() - 1] == '\n', "a line without an end");
    const std::string_view line(out.data(), out.size() - 1);
    const auto again = tools::parse_import_record(line);
    BRAID_CHECK(again.has_value(), "printed, and not taken back: {}: {}", again.error().message(),
                line);
    BRAID_CHECK(again->space == record.space && again->segment == record.segment &&
                    again->payload == record.payload && again->metadata == record.metadata &&
                    again->sequence == entry.sequence,
                "printed, and another record taken back: {}", line);
}

}  // namespace
}  // namespace braid::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace braid;
    const std::string_view line(reinterpret_cast<const char*>(data), size);
    const auto record = tools::parse_import_record(line);
    if (!record) {
        BRAID_CHECK(!record.error().message().empty(), "refused without a word");
        return 0;
    }
    BRAID_CHECK(!record->space.empty() && record->space.size() <= name_bytes_max &&
                    !record->segment.empty() && record->segment.size() <= name_bytes_max,
                "a name of {} or {} bytes", record->space.size(), record->segment.size());
    BRAID_CHECK(record->bytes() <= size, "{} bytes out of a line of {}", record->bytes(), size);
    fuzz::check_round_trip(*record);
    return 0;
}
