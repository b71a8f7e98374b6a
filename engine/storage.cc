#include "engine/storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "segment/pack.h"

namespace braid {
namespace {

Error too_short(const std::string& name, std::uint64_t bytes, std::uint64_t wanted) {
    return Error(Errc::corrupt, fmt::format("{}: the file has {} bytes, the catalog speaks of {}",
                                            name, bytes, wanted));
}

}  // namespace

Result<StoredFiles::Opened> StoredFiles::opened(const std::string& name,
                                                std::uint64_t mapped_through) {
    const std::scoped_lock lock(mutex_);
    auto found = by_name_.find(name);
    if (found == by_name_.end()) {
        auto file = disk_.open(name, {});
        if (!file && file.error().code() == Errc::not_found)
            return Error(Errc::corrupt, fmt::format("{}: the file is missing", name));
        if (!file) return file.error();
        recent_.push_front({name, std::move(*file), nullptr});
        found = by_name_.emplace(name, recent_.begin()).first;
        if (recent_.size() > options_.open_files_max) {
            by_name_.erase(recent_.back().name);
            recent_.pop_back();
        }
    }
    recent_.splice(recent_.begin(), recent_, found->second);
    Opened& opened = *found->second;
    if (mapped_through != 0 &&
        (opened.mapping == nullptr || opened.mapping->bytes().size() < mapped_through)) {
        auto size = opened.file->size();
        if (!size) return size.error();
        if (*size < mapped_through) return too_short(name, *size, mapped_through);
        auto mapping = opened.file->map(*size);
        if (!mapping) return mapping.error();
        opened.mapping = std::move(*mapping);
    }
    return opened;
}

void StoredFiles::forget(const std::string& name) {
    {
        const std::scoped_lock lock(mutex_);
        const auto found = by_name_.find(name);
        if (found != by_name_.end()) {
            recent_.erase(found->second);
            by_name_.erase(found);
        }
    }
    const std::scoped_lock lock(copied_mutex_);
    if (copied_name_ != name) return;
    copied_name_.clear();
    copied_ = {};
}

Result<StoredBytes> StoredFiles::view(const std::string& name, std::uint64_t offset,
                                      std::uint64_t length) {
    if (options_.read_mode == ReadMode::copied) return view_copied(name, offset, length);
    auto file = opened(name, offset + length);
    if (!file) return file.error();
    return StoredBytes{file->mapping->bytes().subspan(offset, length), file->mapping};
}

Result<StoredBytes> StoredFiles::view_copied(const std::string& name, std::uint64_t offset,
                                             std::uint64_t length) {
    const std::scoped_lock lock(copied_mutex_);
    if (copied_name_ != name || copied_.bytes.size() < offset + length) {
        auto whole = copy(name, 0, offset + length);
        if (!whole) return whole;
        copied_name_ = name;
        copied_ = std::move(*whole);
    }
    return StoredBytes{copied_.bytes.subspan(offset, length), copied_.pin};
}

Result<StoredBytes> StoredFiles::copy(const std::string& name, std::uint64_t offset,
                                      std::uint64_t length) {
    auto file = opened(name, 0);
    if (!file) return file.error();
    // Before memory is taken for a length that nobody has checked.
    auto size = file->file->size();
    if (!size) return size.error();
    if (*size < offset + length) return too_short(name, *size, offset + length);
    auto memory = std::make_shared<std::vector<std::byte>>(length);
    auto read = file->file->read(*memory, offset);
    if (!read) return read.error();
    if (*read != length) return too_short(name, offset + *read, offset + length);
    return StoredBytes{Bytes(*memory), memory};
}

const PackState* Storage::pack_at(Position position) const noexcept {
    const auto found = std::lower_bound(
        packs_.begin(), packs_.end(), position,
        [](const PackState& pack, Position wanted) { return pack.info.last_position < wanted; });
    return found == packs_.end() ? nullptr : &*found;
}

const PackState* Storage::pack_number(std::uint32_t number) const noexcept {
    const auto found = std::lower_bound(
        packs_.begin(), packs_.end(), number,
        [](const PackState& pack, std::uint32_t wanted) { return pack.info.number < wanted; });
    return found == packs_.end() || found->info.number != number ? nullptr : &*found;
}

namespace {

/// The packs that a catalog record brings, with what it says of them.
std::vector<PackState> packs_of(const index::CatalogRecord& record) {
    std::vector<PackState> packs;
    packs.reserve(record.packs.size());
    auto piece = record.pieces.begin();
    for (const index::PackInfo& info : record.packs) {
        packs.push_back({info, {}, {piece, piece + info.pieces}, 0});
        piece += info.pieces;
    }
    for (const index::OrderSection& section : record.sections) {
        const auto pack = std::lower_bound(packs.begin(), packs.end(), section.pack,
                                           [](const PackState& state, std::uint32_t number) {
                                               return state.info.number < number;
                                           });
        if (pack != packs.end()) pack->sections.push_back(section);
    }
    return packs;
}

}  // namespace

void Storage::add(const index::CatalogRecord& record) {
    std::vector<PackState> packs = packs_of(record);
    if (packs_.capacity() < packs_.size() + packs.size())
        packs_.reserve(std::max(2 * packs_.size(), packs_.size() + packs.size()));
    // From here on nothing needs memory.
    std::move(packs.begin(), packs.end(), std::back_inserter(packs_));
    drained_ = record.cut;
    transaction_ = record.transaction;
    timestamp_ = record.timestamp;
    next_pack_ = record.next_pack;
    for (const index::PackTrim& trim : record.pack_trims) {
        const auto pack = std::lower_bound(packs_.begin(), packs_.end(), trim.pack,
                                           [](const PackState& state, std::uint32_t number) {
                                               return state.info.number < number;
                                           });
        if (pack == packs_.end() || pack->info.number != trim.pack) continue;
        pack->trimmed_records = trim.records;
        if (trim.records >= pack->info.records()) packs_.erase(pack);
    }
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

Result<const RecentFiles::Recent*> RecentFiles::get(SegmentId segment, std::uint32_t number,
                                                    std::uint64_t end) {
    constexpr std::size_t recent_max = 128;
    const std::pair key(segment.value, number);
    const auto found = recent_.find(key);
    if (found != recent_.end() && found->second.stored.bytes.size() >= end) return &found->second;
    std::string name =
        segment == 0 ? segment::pack_name(number) : segment::segment_file_name(segment, number);
    auto stored = files_.view(name, 0, end);
    if (!stored) return stored.error();
    if (recent_.size() >= recent_max) recent_.clear();
    Recent& recent = recent_[key];
    recent = {std::move(name), std::move(*stored)};
    return &recent;
}

Result<std::shared_ptr<const index::SparseIndex>> Storage::sparse_index(
    const segment::Piece& piece) {
    constexpr std::size_t indexes_max = 1024;  // some 8 KiB each
    const PieceKey key(piece.segment.value, piece.file, piece.offset);
    {
        const std::scoped_lock lock(indexes_mutex_);
        const auto found = indexes_.find(key);
        if (found != indexes_.end()) return found->second;
    }
    auto loaded = load_sparse_index(piece);
    if (!loaded) return loaded.error();
    auto index = std::make_shared<const index::SparseIndex>(std::move(*loaded));
    const std::scoped_lock lock(indexes_mutex_);
    if (indexes_.size() >= indexes_max) indexes_.clear();
    indexes_[key] = index;
    return index;
}

Result<index::SparseIndex> Storage::load_sparse_index(const segment::Piece& piece) {
    const std::string name = segment::segment_file_name(piece.segment, piece.file);
    auto encoded = files.view(name, piece.index_offset, piece.index_bytes);
    if (encoded) {
        auto decoded = index::SparseIndex::decode(encoded->bytes, piece, store_seed_, name);
        if (decoded) return decoded;
    }
    auto frames = files.view(name, piece.offset, piece.frames_bytes);
    if (!frames) return frames.error();
    return index::SparseIndex::build(piece, frames->bytes, name);
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
            return earlier.last_checksum;
        }
    }
    return std::nullopt;
}

Result<std::vector<index::OrderEntry>> Storage::order(
    const PackState& pack, const index::OrderSection& section,
    const std::function<bool(SegmentId)>& is_of_space) {
    const std::string name = segment::pack_name(pack.info.number);
    auto encoded = files.view(name, section.offset, section.bytes);
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

Result<std::vector<index::OrderEntry>> Storage::rebuild_order(
    const PackState& pack, const std::function<bool(SegmentId)>& is_of_space) {
    std::vector<index::OrderEntry> entries;
    const auto add = [&](segment::FrameView frame, std::uint32_t source, std::uint64_t offset) {
        if (is_of_space(frame.segment()))
            entries.push_back({frame.first_position(), frame.count(), source, offset});
    };
    const std::string name = segment::pack_name(pack.info.number);
    auto extents = files.view(name, 0, pack.info.extents_end);
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
        const std::string file = segment::segment_file_name(piece.segment, piece.file);
        auto frames = files.view(file, piece.offset, piece.frames_bytes);
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
