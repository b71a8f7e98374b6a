#include "engine/storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>

#include "io/planted.h"
#include "segment/pack.h"

namespace braid {

const PackState* Storage::pack_at(Position position) const noexcept {
    const auto found = std::lower_bound(
        packs_.begin(), packs_.end(), position,
        [](const PackState& pack, Position wanted) { return pack.info.last_position < wanted; });
    return found == packs_.end() ? nullptr : &*found;
}

const PackState* Storage::pack_number(std::uint32_t number) const noexcept {
    const auto beyond = std::upper_bound(
        numbers_.begin(), numbers_.end(), number,
        [](std::uint32_t wanted, const Numbers& numbers) { return wanted < numbers.first; });
    if (beyond == numbers_.begin() || (beyond - 1)->last < number) return nullptr;
    return &packs_[(beyond - 1)->pack];
}

PackState* Storage::own_pack(std::uint32_t number) noexcept {
    return has_pack(number) ? const_cast<PackState*>(pack_number(number)) : nullptr;
}

/// Needs no memory where there is room for all of them.
void Storage::number_packs() {
    numbers_.clear();
    for (std::uint32_t i = 0; i < packs_.size(); ++i) {
        const PackState& pack = packs_[i];
        numbers_.push_back({pack.info.number, pack.info.number, i});
        if (!pack.gathered || is_planted(PlantedFault::redirection_left_out)) continue;
        for (const index::PackRange& range : pack.gathered->from)
            numbers_.push_back({range.first, range.last, i});
    }
    std::sort(numbers_.begin(), numbers_.end(),
              [](const Numbers& left, const Numbers& right) { return left.first < right.first; });
}

namespace {

/// The packs that a catalog record brings, with what it says of them.
std::vector<PackState> packs_of(const index::CatalogRecord& record) {
    std::vector<PackState> packs;
    packs.reserve(record.packs.size());
    auto piece = record.pieces.begin();
    boost::unordered_flat_map<std::uint32_t, std::size_t> by_number;
    for (const index::PackInfo& info : record.packs) {
        by_number[info.number] = packs.size();
        packs.push_back({info, {}, {}, 0});
        if (record.kind == index::CatalogRecordKind::gather) continue;
        packs.back().pieces.assign(piece, piece + info.pieces);
        piece += info.pieces;
    }
    for (const index::OrderSection& section : record.sections) {
        const auto pack = by_number.find(section.pack);
        if (pack != by_number.end()) packs[pack->second].sections.push_back(section);
    }
    for (const index::GatheredPack& gathered : record.gathered) {
        const auto pack = by_number.find(gathered.pack);
        if (pack != by_number.end()) packs[pack->second].gathered = gathered;
    }
    return packs;
}

/// How many ranges of numbers lead to these packs.
std::size_t count_numbers(const std::vector<PackState>& packs) {
    std::size_t count = packs.size();
    for (const PackState& pack : packs)
        if (pack.gathered) count += pack.gathered->from.size();
    return count;
}

/// What is known of body files once these have changed.
std::vector<index::BodyFileCount> with_changes(const std::vector<index::BodyFileCount>& known,
                                               const std::vector<index::BodyFileCount>& changed) {
    std::map<std::uint64_t, index::BodyFileCount> files;
    for (const auto* counts : {&known, &changed})
        for (const index::BodyFileCount& count : *counts) files[count.file] = count;
    std::vector<index::BodyFileCount> all;
    for (const auto& [number, count] : files)
        if (count.bodies != 0) all.push_back(count);
    return all;
}

}  // namespace

index::BodyFileCount Storage::body_file(std::uint64_t number) const noexcept {
    const auto found = std::lower_bound(body_files_.begin(), body_files_.end(), number,
                                        [](const index::BodyFileCount& count,
                                           std::uint64_t wanted) { return count.file < wanted; });
    return found == body_files_.end() || found->file != number ? index::BodyFileCount{number}
                                                               : *found;
}

void Storage::add(const index::CatalogRecord& record) {
    if (record.kind == index::CatalogRecordKind::gather) return gather(record);
    std::vector<PackState> packs = packs_of(record);
    std::vector<index::BodyFileCount> body_files;
    if (record.next_body_file != 0) body_files = with_changes(body_files_, record.body_files);
    const std::size_t numbers = numbers_.size() + count_numbers(packs);
    if (packs_.capacity() < packs_.size() + packs.size())
        packs_.reserve(std::max(2 * packs_.size(), packs_.size() + packs.size()));
    if (numbers_.capacity() < numbers) numbers_.reserve(std::max(2 * numbers_.size(), numbers));
    // From here on nothing needs memory.
    std::move(packs.begin(), packs.end(), std::back_inserter(packs_));
    drained_ = record.cut;
    transaction_ = record.transaction;
    timestamp_ = record.timestamp;
    next_pack_ = record.next_pack;
    if (record.next_body_file != 0) {
        body_files_ = std::move(body_files);
        next_body_file_ = record.next_body_file;
    }
    if (!packs.empty()) number_packs();
    for (const index::PackTrim& trim : record.pack_trims)
        if (PackState* pack = own_pack(trim.pack)) pack->trimmed_records = trim.records;
    if (record.pack_trims.empty()) return;
    std::erase_if(packs_, [](const PackState& pack) {
        return pack.trimmed_records != 0 && pack.trimmed_records >= pack.info.records();
    });
    number_packs();
}

/// The sources of the pack's order are numbered as its packs' pieces stand one behind the other.
void Storage::gather(const index::CatalogRecord& record) {
    PackState gathered = std::move(packs_of(record).front());
    const auto is_replaced = [&](const PackState& pack) {
        return std::ranges::any_of(gathered.gathered->from, [&](const index::PackRange& range) {
            return range.first <= pack.info.number && pack.info.number <= range.last;
        });
    };
    const auto first = std::find_if(packs_.begin(), packs_.end(), is_replaced);
    const auto end = std::find_if_not(first, packs_.end(), is_replaced);
    for (auto pack = first; pack != end; ++pack)
        gathered.pieces.insert(gathered.pieces.end(), pack->pieces.begin(), pack->pieces.end());
    for (const index::PackTrim& trim : record.pack_trims)
        if (trim.pack == gathered.info.number) gathered.trimmed_records = trim.records;
    numbers_.reserve(numbers_.size() + 1 + gathered.gathered->from.size());
    // From here on nothing needs memory.
    *first = std::move(gathered);
    packs_.erase(first + 1, end);
    number_packs();
    next_pack_ = record.next_pack;
    ++gatherings_;
}

void Storage::take_places(Storage& later) {
    std::erase_if(later.packs_,
                  [this](const PackState& pack) { return pack.info.first_position > drained_; });
    packs_.swap(later.packs_);
    number_packs();
    ++gatherings_;
}

namespace {

bool is_in(const std::vector<index::PackRange>& ranges, std::uint32_t number) {
    return std::ranges::any_of(ranges, [&](const index::PackRange& range) {
        return range.first <= number && number <= range.last;
    });
}

/// Whether a gathered pack's directory has its place between extents and order.
bool has_directory(const index::CatalogRecord& record, const index::GatheredPack& gathered) {
    const auto pack = std::ranges::find(record.packs, gathered.pack, &index::PackInfo::number);
    return pack != record.packs.end() && gathered.directory_entries <= pack->bytes &&
           pack->order_offset == io::whole_blocks(pack->extents_end) +
                                     index::directory_bytes(gathered.directory_entries);
}

}  // namespace

const char* Storage::gathering_problem(const index::CatalogRecord& record) const {
    const bool gathers = record.kind == index::CatalogRecordKind::gather;
    if (record.gathered.empty() && !gathers) return nullptr;
    for (const index::GatheredPack& gathered : record.gathered)
        if (!has_directory(record, gathered)) return "a gathered pack whose numbers don't fit";
    if (!gathers) return nullptr;
    if (record.gathered.size() != 1 || record.packs.size() != 1 || !record.pieces.empty())
        return "other than one gathered pack where packs were gathered";
    const index::PackInfo& info = record.packs.front();
    const auto& from = record.gathered.front().from;
    std::size_t pieces = 0;
    std::size_t runs = 0;
    bool was_replaced = false;
    for (const PackState& pack : packs_) {
        const bool is_replaced = is_in(from, pack.info.number);
        if (is_replaced && !was_replaced) ++runs;
        if (is_replaced) pieces += pack.pieces.size();
        if (is_replaced && (pack.info.first_position < info.first_position ||
                            pack.info.last_position > info.last_position))
            return "a gathered pack without the positions of those that it came from";
        was_replaced = is_replaced;
    }
    if (runs != 1 || pieces != info.pieces || pack_number(info.number) != nullptr)
        return "a gathered pack that can't be of those that it came from";
    return nullptr;
}

void Storage::remove_later(const std::vector<std::string>& names) {
    {
        const std::scoped_lock lock(removals_mutex_);
        removals_.insert(removals_.end(), names.begin(), names.end());
        ++removal_holds_;
    }
    let_removals_go();
}

void Storage::hold_removals() {
    const std::scoped_lock lock(removals_mutex_);
    ++removal_holds_;
}

/// What can't be removed now is removed by the next opening.
void Storage::let_removals_go() {
    const std::scoped_lock lock(removals_mutex_);
    if (--removal_holds_ != 0) return;
    for (const std::string& name : removals_) {
        try {
            files.forget(name);
            static_cast<void>(disk_.remove(name));
        } catch (const std::bad_alloc&) {  // as any other failure
        }
    }
    removals_.clear();
}

void Storage::add(const index::SegmentTrim& trim) {
    trimmed_through_ = std::max(trimmed_through_, trim.position);
    for (PackState& pack : packs_) {
        if (pack.info.first_position > trim.position) break;
        for (segment::Piece& piece : pack.pieces)
            if (piece.segment == trim.segment && piece.last_sequence <= trim.through)
                piece.frames_bytes = 0;
    }
}

Bytes RecentFiles::Recent::load(std::uint64_t offset, std::uint64_t length) {
    if (files->are_mapped() || offset >= end || length > end - offset) return {};
    auto stretch = files->around(id, offset, length, end);
    if (!stretch) {
        failure = stretch.error();
        return {};
    }
    failure.reset();
    begin = stretch->begin;
    stored = std::move(stretch->stored);
    ++loads;
    return stored.bytes.subspan(offset - begin);
}

segment::FrameView RecentFiles::Recent::frame(std::uint64_t offset, std::uint64_t limit,
                                              std::uint64_t before) {
    using segment::FrameView;
    if (limit > end || offset < before || offset > limit ||
        limit - offset < segment::frame_header_bytes)
        return {};
    Bytes bytes = at(offset - before, before + segment::frame_header_bytes);
    if (bytes.empty()) return {};
    const std::uint64_t length = FrameView(bytes.data() + before).padded_length();
    if (before + length > bytes.size() && length <= limit - offset)
        bytes = at(offset - before, before + length);
    if (bytes.empty()) return {};
    bytes = bytes.subspan(before);
    bytes = bytes.first(std::min<std::uint64_t>(bytes.size(), limit - offset));
    return segment::is_frame(segment::look(bytes).type) ? FrameView(bytes.data()) : FrameView();
}

Result<RecentFiles::Recent*> RecentFiles::find(FileId id, std::uint64_t end) {
    constexpr std::size_t recent_max = 128;
    const auto found = more_.find(id);
    Recent* recent = found != more_.end() ? found->second.get() : nullptr;
    if (first_.id == id) recent = &first_;
    if (recent == nullptr || !serves(*recent, end)) {
        auto stored = files_.are_mapped() ? files_.view(id, 0, end, access_) : StoredBytes();
        if (!stored) return stored.error();
        last_ = nullptr;
        if (recent == nullptr && first_.id == FileId()) recent = &first_;
        if (recent == nullptr) {
            if (more_.size() >= recent_max) {
                more_.clear();
                ++clears_;
            }
            recent = (more_[id] = std::make_unique<Recent>()).get();
        }
        const std::uint64_t gap = id.segment == 0 ? segment::extent_header_bytes : 0;
        recent->walk = FrameWalk(stored->verified, gap, stored->random);
        recent->id = id;
        recent->access = access_;
        recent->files = &files_;
        recent->failure.reset();
        recent->begin = 0;
        recent->end = files_.are_mapped() ? stored->bytes.size() : end;
        recent->stored = std::move(*stored);
        ++recent->loads;
    }
    last_ = recent;
    return recent;
}

namespace {

/// What keeping these takes, with all that leads to them.
template <class Element>
std::size_t kept_bytes(const std::vector<Element>& elements) {
    constexpr std::size_t around = 256;
    return around + elements.size() * sizeof(Element);
}

}  // namespace

Result<std::shared_ptr<const index::SparseIndex>> Storage::sparse_index(
    const segment::Piece& piece) {
    const PieceKey key(piece.segment.value, piece.file, piece.offset);
    if (auto known = indexes_.find(key)) return known;
    auto loaded = load_sparse_index(piece);
    if (!loaded) return loaded.error();
    auto index = std::make_shared<const index::SparseIndex>(std::move(*loaded));
    indexes_.add(key, index, kept_bytes(index->entries()));
    return index;
}

Result<index::SparseIndex> Storage::load_sparse_index(const segment::Piece& piece) {
    const FileId id{piece.segment, piece.file};
    // A little of a file, once: through a mapping the system would read much more.
    auto encoded = files.copy(id, piece.index_offset, piece.index_bytes);
    if (encoded) {
        auto decoded = index::SparseIndex::decode(encoded->bytes, piece, store_seed_, id.name());
        if (decoded) return decoded;
    }
    auto frames = files.view(id, piece.offset, piece.frames_bytes);
    if (!frames) return frames.error();
    return index::SparseIndex::build(piece, frames->bytes, id.name());
}

/// Of the space's section before, if its pack isn't retired.
std::optional<std::uint64_t> Storage::previous_checksum(const PackState& pack,
                                                        const index::OrderSection& section) const {
    if (section.records_before == 0) return 0;
    for (const PackState* before = &pack; before != packs_.data();) {
        --before;
        for (const index::OrderSection& earlier : before->sections) {
            if (earlier.space != section.space) continue;
            if (earlier.records_before + earlier.records != section.records_before)
                return std::nullopt;
            return earlier.followed_as();
        }
    }
    return std::nullopt;
}

Result<std::vector<index::OrderEntry>> Storage::order(
    const PackState& pack, const index::OrderSection& section,
    const std::function<bool(SegmentId)>& is_of_space) {
    const std::string name = segment::pack_name(pack.info.number);
    auto encoded = order_bytes(pack, section);
    if (encoded) {
        auto entries = index::decode_order_section(
            encoded->bytes, section, previous_checksum(pack, section), store_seed_, name);
        if (entries) return entries;
    }
    auto rebuilt = rebuild_order(pack, is_of_space);
    // Of what is trimmed, frames may be gone.
    if (rebuilt && pack.trimmed_records == 0 && !index::matches(*rebuilt, section))
        return Error(
            Errc::corrupt,
            fmt::format("{} at offset {}: neither the space order nor the frames are those "
                        "that the catalog speaks of",
                        name, section.offset));
    return rebuilt;
}

Result<std::shared_ptr<const Storage::OrderBlocks>> Storage::order_blocks(
    const PackState& pack, const index::OrderSection& section) {
    const SectionKey key(pack.info.number, section.space.value);
    if (auto known = orders_.find(key)) return known;
    auto encoded = order_bytes(pack, section);
    if (!encoded) return encoded.error();
    auto places =
        index::check_order_section(encoded->bytes, section, previous_checksum(pack, section),
                                   store_seed_, segment::pack_name(pack.info.number));
    if (!places) return places.error();
    auto blocks = std::make_shared<const OrderBlocks>(*std::move(places));
    orders_.add(key, blocks, kept_bytes(*blocks));
    return blocks;
}

bool Storage::load_order_block(const PackState& pack, const index::OrderSection& section,
                               Position position, OrderPlace& place,
                               std::vector<index::OrderEntry>& entries) {
    if (place.blocks == nullptr) {
        auto blocks = order_blocks(pack, section);
        if (!blocks) return false;
        place.blocks = *std::move(blocks);
    }
    const OrderBlocks& blocks = *place.blocks;
    const auto beyond = std::upper_bound(
        blocks.begin(), blocks.end(), position,
        [](Position wanted, const auto& block) { return wanted < block.first_position; });
    const auto block = beyond == blocks.begin() ? beyond : beyond - 1;
    place.block = static_cast<std::size_t>(block - blocks.begin());
    const std::uint64_t most =
        std::min<std::uint64_t>(section.bytes - block->offset, index::order_block_bytes_max);
    const auto bytes = files.view({0, pack.info.number}, section.offset + block->offset, most);
    return bytes && index::decode_order_entries(bytes->bytes, {block->first_position, 0},
                                                pack.info.number, store_seed_, entries);
}

Result<std::vector<index::OrderEntry>> Storage::rebuild_order(
    const PackState& pack, const std::function<bool(SegmentId)>& is_of_space) {
    std::vector<index::OrderEntry> entries;
    const auto add = [&](segment::FrameView frame, std::uint32_t source, std::uint64_t offset) {
        if (is_of_space(frame.segment())) index::add_entries(frame, source, offset, entries);
    };
    const std::string name = segment::pack_name(pack.info.number);
    auto extents = files.view({0, pack.info.number}, 0, pack.info.extents_end);
    if (!extents) return extents.error();
    for (std::uint64_t at = segment::file_header_bytes; at < pack.info.extents_end;) {
        auto extent = segment::extent_at(extents->bytes, pack.info.extents_end, at, name);
        if (!extent) return extent.error();
        if (const char* reason = segment::verify_frame(extent->frame, store_seed_))
            return Error(Errc::corrupt, fmt::format("{} at offset {}: {}", name, at, reason));
        add(extent->frame, 0, at);
        at += segment::extent_header_bytes + extent->frame.padded_length();
    }
    for (std::uint32_t i = 0; i < pack.pieces.size(); ++i) {
        const segment::Piece& piece = pack.pieces[i];
        if (piece.frames_bytes == 0) continue;  // trimmed
        const FileId id{piece.segment, piece.file};
        const std::string file = id.name();
        auto frames = files.view(id, piece.offset, piece.frames_bytes);
        if (!frames) return frames.error();
        for (std::uint64_t at = 0; at < piece.frames_bytes;) {
            const Bytes left = frames->bytes.subspan(at);
            const segment::FrameView frame(left.data());
            const char* reason = segment::look(left).found == segment::Found::item
                                     ? segment::verify_frame(frame, store_seed_)
                                     : "a frame is missing";
            if (reason != nullptr)
                return Error(Errc::corrupt,
                             fmt::format("{} at offset {}: {}", file, piece.offset + at, reason));
            add(frame, i + 1, piece.offset + at);
            at += frame.padded_length();
        }
    }
    std::sort(entries.begin(), entries.end(), [](const auto& left, const auto& right) {
        return left.first_position < right.first_position;
    });
    return entries;
}

}  // namespace braid
