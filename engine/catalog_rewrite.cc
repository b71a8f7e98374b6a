#include "engine/catalog_rewrite.h"

#include <algorithm>
#include <iterator>

#include "io/planted.h"

namespace braid {
namespace {

/// Segments in a part: what an opening takes of it stays within the processor's cache.
constexpr std::uint64_t part_segments = 1024;
/// Segments are spread over memory: who goes through them asks for those that come.
constexpr std::uint64_t segments_ahead = 16;

/// Of items that are sorted by their segments, those of segments below `end`.
template <class Item>
std::vector<Item> below(SegmentId end, const std::vector<Item>& items) {
    const auto beyond =
        std::ranges::partition_point(items, [&](const Item& item) { return item.segment < end; });
    return {items.begin(), beyond};
}

}  // namespace

Result<CatalogRewrite> CatalogRewrite::begin(const CatalogContents& contents, io::Disk& disk,
                                             const Uuid& store, std::uint64_t number) {
    auto file = index::NewCatalog::begin(disk, store, number);
    if (!file) return file.error();
    return CatalogRewrite(contents, *std::move(file));
}

index::CatalogRecord CatalogRewrite::with_counters(index::CatalogRecordKind kind) const {
    index::CatalogRecord record;
    record.kind = kind;
    record.cut = contents_.storage.drained();
    record.transaction = contents_.storage.transaction();
    record.timestamp = contents_.storage.timestamp();
    record.next_space = next_space_;
    record.next_segment = next_segment_;
    record.next_pack = contents_.storage.next_pack();
    return record;
}

Result<bool> CatalogRewrite::add(SegmentId end, std::uint64_t count) {
    const SegmentId last = next_segment_ + std::min(count, end - next_segment_);
    while (next_segment_ < last) {
        const SegmentId part_end = next_segment_ + std::min(part_segments, last - next_segment_);
        if (auto added = file_.add(next_part(part_end)); !added) return added.error();
    }
    return next_segment_ < end;
}

index::CatalogRecord CatalogRewrite::next_part(SegmentId end) {
    index::CatalogRecord part = with_counters(index::CatalogRecordKind::part);
    std::vector<segment::Change> names;
    names.reserve(end - next_segment_);
    part.segments.reserve(end - next_segment_);
    for (; next_segment_ < end; ++next_segment_) {
        if (const auto* ahead = contents_.table.find(next_segment_ + segments_ahead))
            ahead->fetch();
        const SegmentState& segment = *contents_.table.find(next_segment_);
        for (; next_space_ <= segment.space->id; ++next_space_)
            part.names.emplace_back(
                segment::SpaceNamed{next_space_, contents_.table.find(next_space_)->name});
        names.emplace_back(
            segment::SegmentNamed{segment.id, segment.space->id, std::string(segment.name())});
        part.segments.push_back(segment.drained());
        if (segment.trimmed != 0)
            part.trims.push_back({segment.id, segment.trimmed, segment.trimmed_position});
    }
    // Spaces come first, as in every record: who takes names then knows how many spaces have them.
    part.names.insert(part.names.end(), std::make_move_iterator(names.begin()),
                      std::make_move_iterator(names.end()));
    part.next_space = next_space_;
    part.next_segment = next_segment_;
    return part;
}

Result<void> CatalogRewrite::add_changes(const index::CatalogRecord& drain) {
    if (is_planted(PlantedFault::changes_not_rewritten)) return {};
    index::CatalogRecord part = with_counters(index::CatalogRecordKind::part);
    part.segments = below(next_segment_, drain.segments);
    part.trims = below(next_segment_, drain.trims);
    if (part.segments.empty() && part.trims.empty()) return {};
    return file_.add(part);
}

Result<void> CatalogRewrite::finish(index::CatalogRecord rest, index::CatalogEnd& end) {
    index::CatalogRecord snapshot = with_counters(index::CatalogRecordKind::snapshot);
    for (const PackState& pack : contents_.storage.packs()) {
        snapshot.packs.push_back(pack.info);
        snapshot.pieces.insert(snapshot.pieces.end(), pack.pieces.begin(), pack.pieces.end());
        snapshot.sections.insert(snapshot.sections.end(), pack.sections.begin(),
                                 pack.sections.end());
        if (pack.gathered) snapshot.gathered.push_back(*pack.gathered);
        if (pack.trimmed_records != 0)
            snapshot.pack_trims.push_back({pack.info.number, pack.trimmed_records});
    }
    if (contents_.storage.next_body_file() > 1) {
        snapshot.next_body_file = contents_.storage.next_body_file();
        snapshot.body_files = contents_.storage.body_files();
    }
    snapshot.consumers = std::move(rest.consumers);
    snapshot.leases = std::move(rest.leases);
    snapshot.noted = std::move(rest.noted);
    return file_.finish(snapshot, end);
}

}  // namespace braid
