#include "engine/trim.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/segment_source.h"
#include "engine/store_files.h"
#include "segment/pack.h"

namespace braid {
namespace {

/// How many records up to `through` each pack's drain brought, beyond what is trimmed already.
Result<std::map<std::uint32_t, std::uint64_t>> count_records(SegmentSource& source,
                                                             const Storage& storage, Sequence from,
                                                             Sequence through, Trim& trim) {
    constexpr std::size_t window_frames = 256;
    std::map<std::uint32_t, std::uint64_t> records;
    for (Window window;; window.clear()) {
        if (auto filled = source.fill(window, window_frames); !filled) return filled.error();
        if (window.items().empty()) return records;
        for (const Window::Item& item : window.items()) {
            const Sequence first = std::max(from, item.frame.first_sequence());
            const Sequence last = std::min(through, item.frame.last_sequence());
            const Position position =
                item.frame.first_position() + (last - item.frame.first_sequence());
            records[storage.pack_at(position)->info.number] += last - first + 1;
            trim.segment.position = position;
        }
    }
}

/// The segment's own files whose pieces are all trimmed.
void retire_segment_files(const SegmentState& segment, Sequence through, Trim& trim) {
    std::set<std::uint32_t> dead;
    for (const segment::Piece& piece : segment.pieces())
        if (piece.last_sequence <= through)
            dead.insert(piece.file);
        else
            dead.erase(piece.file);
    for (const std::uint32_t file : dead)
        trim.retired.push_back(segment::segment_file_name(segment.id, file));
}

bool is_retired(const std::string& name, const SegmentTable& table, const Storage& storage) {
    const auto numbers = store_file_numbers(name);
    if (store_file_kind(name) == StoreFile::pack)
        return numbers.number < storage.next_pack() &&
               storage.pack_number(static_cast<std::uint32_t>(numbers.number)) == nullptr;
    if (store_file_kind(name) != StoreFile::segment) return false;
    const SegmentState* segment = table.find(SegmentId(numbers.segment));
    return segment != nullptr && numbers.number <= segment->files &&
           std::ranges::none_of(segment->pieces(), [&](const segment::Piece& piece) {
               return piece.file == numbers.number;
           });
}

}  // namespace

Result<Trim> plan_trim(Storage& storage, std::uint64_t store_seed, SegmentState& segment,
                       Sequence through) {
    Trim trim;
    trim.segment = {segment.id, through, {}};
    const Sequence from = segment.trimmed + 1;
    SegmentSource source(storage, store_seed, segment, {.from = from, .to = through});
    const auto records = count_records(source, storage, from, through, trim);
    if (!records) return records.error();
    for (const auto& [number, count] : *records) {
        const PackState& pack = *storage.pack_number(number);
        trim.packs.push_back({number, pack.trimmed_records + count});
        if (trim.packs.back().records == pack.info.records())
            trim.retired.push_back(segment::pack_name(number));
    }
    retire_segment_files(segment, through, trim);
    return trim;
}

void apply_trim(const index::SegmentTrim& trim, SegmentTable& table, Storage& storage) {
    SegmentState& segment = *table.find(trim.segment);
    segment.trimmed = trim.through;
    segment.trimmed_position = trim.position;
    segment.space->trimmed_through = std::max(segment.space->trimmed_through, trim.position);
    storage.add(trim);
    if (segment.own_pieces == nullptr) return;
    auto& pieces = *segment.own_pieces;
    const auto left = std::ranges::find_if(
        pieces, [&](const segment::Piece& piece) { return piece.last_sequence > trim.through; });
    pieces.erase(pieces.begin(), left);
}

void remove_retired(io::Disk& disk, const std::vector<io::DirectoryEntry>& files,
                    const SegmentTable& table, const Storage& storage) {
    for (const io::DirectoryEntry& file : files)
        if (is_retired(file.name, table, storage)) static_cast<void>(disk.remove(file.name));
}

}  // namespace braid
