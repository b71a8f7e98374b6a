#include "engine/trim.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/segment_source.h"
#include "engine/store_files.h"
#include "io/planted.h"
#include "segment/body_file.h"
#include "segment/pack.h"

namespace braid {
namespace {

/// How many records up to some sequence each pack's drain brought, and how many bodies are in each
/// body file, beyond what is trimmed already.
struct Counts {
    std::map<std::uint32_t, std::uint64_t> records;
    std::map<std::uint64_t, std::uint64_t> bodies;
};

Result<Counts> count_records(SegmentSource& source, const Storage& storage, Sequence from,
                             Sequence through, Trim& trim) {
    constexpr std::size_t window_frames = 256;
    Counts counts;
    for (Window window;; window.clear()) {
        if (auto filled = source.fill(window, window_frames); !filled) return filled.error();
        if (window.items().empty()) return counts;
        for (const Window::Item& item : window.items()) {
            const Sequence first = std::max(from, item.frame.first_sequence());
            const Sequence last = std::min(through, item.frame.last_sequence());
            const auto index = static_cast<std::uint32_t>(last - item.frame.first_sequence());
            const Position position = item.frame.position(index);
            counts.records[storage.pack_at(position)->info.number] += last - first + 1;
            if (item.frame.is_elsewhere())
                ++counts.bodies[segment::body_reference(item.frame).file];
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

bool is_retired(const std::string& name, const SegmentTable& table, const Storage& storage,
                const std::set<std::uint64_t>& undrained) {
    const auto numbers = store_file_numbers(name);
    if (store_file_kind(name) == StoreFile::body)
        return numbers.number != 0 && numbers.number < storage.next_body_file() &&
               storage.body_file(numbers.number).bodies == 0 && !undrained.contains(numbers.number);
    if (store_file_kind(name) == StoreFile::pack)
        return numbers.number < storage.next_pack() &&
               !storage.has_pack(static_cast<std::uint32_t>(numbers.number));
    if (store_file_kind(name) != StoreFile::segment) return false;
    const SegmentState* segment = table.find(SegmentId(numbers.segment));
    return segment != nullptr && numbers.number <= segment->files &&
           std::ranges::none_of(segment->pieces(), [&](const segment::Piece& piece) {
               return piece.file == numbers.number;
           });
}

}  // namespace

Result<Trim> plan_trim(const ReadParts& parts, SegmentState& segment, Sequence through) {
    const Storage& storage = parts.storage;
    Trim trim;
    trim.segment = {segment.id, through, {}};
    const Sequence from = segment.trimmed + 1;
    SegmentSource source(parts, segment, {.from = from, .to = through});
    const auto counts = count_records(source, storage, from, through, trim);
    if (!counts) return counts.error();
    for (const auto& [number, count] : counts->bodies) {
        trim.body_files.push_back(storage.body_file(number));
        trim.body_files.back().trimmed += count;
    }
    for (const auto& [number, count] : counts->records) {
        const PackState& pack = *storage.pack_number(number);
        trim.packs.push_back({number, pack.trimmed_records + count});
        if (trim.packs.back().records == pack.info.records())
            trim.retired.push_back(segment::pack_name(number));
    }
    retire_segment_files(segment, through, trim);
    return trim;
}

std::set<std::uint64_t> undrained_body_files(const segment::Arena& arena, Position drained) {
    std::set<std::uint64_t> files;
    for (const auto& chunk : arena.chunks()) {
        const std::size_t count = chunk->nodes();
        for (std::size_t i = chunk->find(drained + 1, count); i < count; ++i) {
            const segment::FrameView frame = chunk->node(i).view();
            if (frame.is_elsewhere()) files.insert(segment::body_reference(frame).file);
        }
    }
    return files;
}

void retire_body_files(const Storage& storage, const std::function<bool(std::uint64_t)>& is_in_use,
                       const std::function<std::set<std::uint64_t>()>& undrained, Trim& trim) {
    const auto is_done = [](const index::BodyFileCount& count) {
        return is_planted(PlantedFault::body_file_gone_early) ? count.trimmed != 0
                                                              : count.trimmed == count.bodies;
    };
    std::vector<index::BodyFileCount> done;
    for (const index::BodyFileCount& known : storage.body_files()) {
        const auto changed =
            std::ranges::find(trim.body_files, known.file, &index::BodyFileCount::file);
        const auto& now = changed == trim.body_files.end() ? known : *changed;
        // First who may still sequence a frame, then what is sequenced: so none is missed.
        if (is_done(now) && !is_in_use(now.file)) done.push_back(now);
    }
    if (done.empty()) return;
    const std::set<std::uint64_t> referred = undrained();
    for (const index::BodyFileCount& one : done) {
        if (referred.contains(one.file)) continue;
        std::erase_if(trim.body_files, [&](const auto& other) { return other.file == one.file; });
        trim.body_files.push_back({one.file, 0, 0});
        trim.retired.push_back(segment::body_file_name(static_cast<std::uint32_t>(one.file)));
    }
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
                    const SegmentTable& table, const Storage& storage,
                    const std::set<std::uint64_t>& undrained) {
    for (const io::DirectoryEntry& file : files)
        if (is_retired(file.name, table, storage, undrained))
            static_cast<void>(disk.remove(file.name));
}

}  // namespace braid
