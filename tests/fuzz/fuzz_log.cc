// Input: an image (image.h) whose log files are scanned; modes 2 to 7: the last transaction that a
// catalog has. Claims: a scan changes nothing and claims no bytes that aren't there; what it hands
// over, a second scan and one after the next opening hand over as well.
#include <algorithm>

#include "tests/fuzz/image.h"
#include "tests/fuzz/target.h"
#include "wal/log_check.h"
#include "wal/log_files.h"
#include "wal/log_writer.h"
#include "wal/recovery.h"

namespace braid::fuzz {
namespace {

using Bodies = std::vector<std::vector<std::byte>>;

/// Numbers that no log can reach; what comes after them isn't defined.
constexpr std::uint64_t number_max = std::uint64_t{1} << 62;

std::uint64_t total_bytes(const Image& image) {
    std::uint64_t total = 0;
    for (const auto& [name, bytes] : image.files) total += bytes.size();
    return total;
}

Uuid store_of(const Image& image) {
    for (const auto& [name, bytes] : image.files) {
        if (!name.starts_with("log-") || bytes.size() < io::block_bytes) continue;
        const auto header = wal::decode_log_header(Bytes(bytes).first(io::block_bytes), name);
        if (header && *header) return (*header)->store;
    }
    return store;
}

Result<wal::LogScan> scan(sim::SimDisk& disk, const Uuid& uuid, std::uint64_t drained,
                          Bodies& bodies) {
    return wal::scan_log(disk, uuid, drained,
                         [&](Bytes body, const std::string& file, std::uint64_t offset) {
                             BRAID_CHECK(offset + body.size() <= disk.contents(file).size(),
                                         "{} bytes at {} of {}", body.size(), offset, file);
                             bodies.emplace_back(body.begin(), body.end());
                             return Result<void>();
                         });
}

void check_scan(const wal::LogScan& scan, const Image& image) {
    for (const wal::LogSlot& slot : scan.slots) {
        const auto file = image.files.find(wal::log_name(slot.slot));
        BRAID_CHECK(file != image.files.end() && slot.capacity == file->second.size(),
                    "a slot {} of {} bytes", slot.slot, slot.capacity);
    }
    std::uint64_t carried = 0;
    for (const wal::CarriedBatch& batch : scan.carried) carried += batch.body.size();
    const std::uint64_t total = total_bytes(image);
    BRAID_CHECK(carried + scan.torn_bytes <= total, "{} bytes carried and {} torn of {}", carried,
                scan.torn_bytes, total);
    BRAID_CHECK(scan.torn_bytes == 0 || !scan.torn_tail.empty(), "a torn tail without a word");
}

bool within_reason(const wal::LogScan& scan) {
    return std::max({scan.newest_number, scan.incarnation, scan.next_batch,
                     scan.attested_transaction}) < number_max &&
           std::all_of(scan.carried.begin(), scan.carried.end(),
                       [](const auto& batch) { return batch.last_transaction < number_max; });
}

/// The next opening's file; then the log is scanned as if the process had ended.
void check_reopened(sim::SimDisk& disk, const Uuid& uuid, std::uint64_t drained,
                    const wal::LogScan& found, const Bodies& bodies) {
    const wal::LogSizes sizes{16384, 16384, std::uint64_t{1} << 30};
    wal::LogFiles files(disk, sizes, found.slots);
    auto file = files.take(std::max(found.begin_bytes(), files.next_capacity()));
    BRAID_CHECK(file.has_value(), "no file: {}", file.error().message());
    const auto writer = wal::LogWriter::begin(disk, uuid, found, std::move(*file), 1);
    BRAID_CHECK(writer.has_value(), "no opening: {}", writer.error().message());
    Bodies again;
    const auto scanned = scan(disk, uuid, drained, again);
    BRAID_CHECK(scanned.has_value(), "scanned, and not after the opening: {}",
                scanned.error().message());
    BRAID_CHECK(again == bodies, "{} batches before an opening, {} after it", bodies.size(),
                again.size());
}

}  // namespace
}  // namespace braid::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace braid;
    fuzz::Image image = fuzz::read_image(fuzz::input_bytes(data, size));
    std::erase_if(image.files, [](const auto& file) { return !file.first.starts_with("log-"); });
    const Uuid uuid = fuzz::store_of(image);
    const std::uint64_t drained = image.modes >> 2;
    const auto disk = fuzz::disk_of(image);
    const auto changes = disk->io_count();
    fuzz::Bodies bodies;
    const auto scan = fuzz::scan(*disk, uuid, drained, bodies);
    fuzz::Bodies again;
    const auto second = fuzz::scan(*disk, uuid, drained, again);
    static_cast<void>(wal::check_log(*disk, uuid, drained));
    BRAID_CHECK(scan.has_value() == second.has_value() && bodies == again,
                "two scans find different things");
    BRAID_CHECK(disk->io_count() == changes, "a scan changes the disk");
    if (!scan) return 0;
    fuzz::check_scan(*scan, image);
    if (fuzz::within_reason(*scan)) fuzz::check_reopened(*disk, uuid, drained, *scan, bodies);
    return 0;
}
