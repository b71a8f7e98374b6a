#include "engine/rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "segment/pack.h"

namespace braid {
namespace {

class Planner {
public:
    Planner(io::Disk& disk, const Uuid& store, Storage& storage, const SegmentTable& table)
        : disk_(disk),
          store_(store),
          store_seed_(segment::store_seed(store)),
          storage_(storage),
          table_(table) {}

    Result<void> plan_pack(const PackState& pack);
    Result<void> plan_piece(const segment::Piece& piece);

    std::vector<Rewrite> rewrites;

private:
    Result<std::vector<std::byte>> read(const std::string& name);
    void plan(const std::string& file, Bytes found, std::uint64_t offset, Bytes right,
              const char* what);
    [[nodiscard]] bool is_sound(Bytes frames, const segment::Piece& piece) const;
    [[nodiscard]] std::optional<std::vector<std::byte>> encode_order(
        const PackState& pack, const index::OrderSection& section);

    io::Disk& disk_;
    const Uuid& store_;
    const std::uint64_t store_seed_;
    Storage& storage_;
    const SegmentTable& table_;
};

/// Nothing where the file is missing: that is no business of a rewrite.
Result<std::vector<std::byte>> Planner::read(const std::string& name) {
    auto file = disk_.open(name, {});
    if (!file && file.error().code() == Errc::not_found) return std::vector<std::byte>();
    if (!file) return file.error();
    return io::read_whole(**file);
}

void Planner::plan(const std::string& file, Bytes found, std::uint64_t offset, Bytes right,
                   const char* what) {
    const Bytes there = offset < found.size()
                            ? found.subspan(offset, std::min(right.size(), found.size() - offset))
                            : Bytes();
    if (std::equal(there.begin(), there.end(), right.begin(), right.end())) return;
    rewrites.push_back({file, offset, {right.begin(), right.end()}, what});
}

/// A section as its drain wrote it, if the frames still say all that it needs: then its last
/// checksum is the one in the catalog.
std::optional<std::vector<std::byte>> Planner::encode_order(const PackState& pack,
                                                            const index::OrderSection& section) {
    const auto previous = storage_.previous_checksum(pack, section);
    if (!previous) return std::nullopt;
    const auto entries = storage_.rebuild_order(pack, [&](SegmentId id) {
        const SegmentState* segment = table_.find(id);
        return segment != nullptr && segment->space->id == section.space;
    });
    if (!entries || !index::matches(*entries, section)) return std::nullopt;
    index::SpaceOrderBuilder builder;
    for (const index::OrderEntry& entry : *entries) builder.add(section.space, entry);
    std::vector<std::byte> bytes;
    const auto sections =
        builder.finish(bytes, section.offset, section.pack, store_seed_, [&](SpaceId) {
            return index::OrderTotals{section.records_before, *previous};
        });
    if (sections.size() != 1 || sections.front().bytes != section.bytes ||
        sections.front().last_checksum != section.last_checksum)
        return std::nullopt;
    return bytes;
}

Result<void> Planner::plan_pack(const PackState& pack) {
    const std::string name = segment::pack_name(pack.info.number);
    const auto found = read(name);
    if (!found) return found.error();
    if (pack.gathered)
        if (const auto right = build_directory(pack, *found, store_seed_))
            plan(name, *found, pack.directory_offset(), *right, "the directory");
    bool all = !pack.sections.empty();
    for (const index::OrderSection& section : pack.sections) {
        const auto right = encode_order(pack, section);
        if (right) plan(name, *found, section.offset, *right, "the space order");
        all = all && right;
    }
    // Only where the frames show that it is this pack, and not another file under its name.
    const segment::FileHeader header = segment::make_pack_header(store_, pack.info.number);
    if (all) plan(name, *found, 0, std::as_bytes(std::span(&header, 1)), "the file header");
    return {};
}

bool Planner::is_sound(Bytes frames, const segment::Piece& piece) const {
    Sequence next = piece.first_sequence;
    for (std::uint64_t at = 0; at < frames.size();) {
        const Bytes left = frames.subspan(at);
        if (segment::look(left).found != segment::Found::item) return false;
        const segment::FrameView frame(left.data());
        if (!segment::is_frame(frame.type()) || frame.segment() != piece.segment ||
            frame.first_sequence() != next || segment::verify_frame(frame, store_seed_) != nullptr)
            return false;
        next = frame.last_sequence() + 1;
        at += frame.padded_length();
    }
    return next == piece.last_sequence + 1;
}

Result<void> Planner::plan_piece(const segment::Piece& piece) {
    if (piece.frames_bytes == 0) return {};  // trimmed
    const std::string name = segment::segment_file_name(piece.segment, piece.file);
    const auto found = read(name);
    if (!found) return found.error();
    if (found->size() < piece.offset + piece.frames_bytes) return {};
    const Bytes frames = Bytes(*found).subspan(piece.offset, piece.frames_bytes);
    if (!is_sound(frames, piece)) return {};
    const auto index = index::SparseIndex::build(piece, frames, name);
    if (!index) return {};
    const std::vector<std::byte> right = index->encode(piece, store_seed_);
    if (right.size() != piece.index_bytes) return {};
    plan(name, *found, piece.index_offset, right, "the sparse index");
    const segment::FileHeader header =
        segment::make_segment_file_header(store_, piece.segment, piece.file);
    const bool planned = std::any_of(rewrites.begin(), rewrites.end(), [&](const Rewrite& other) {
        return other.file == name && other.offset == 0;
    });
    if (!planned) plan(name, *found, 0, std::as_bytes(std::span(&header, 1)), "the file header");
    return {};
}

}  // namespace

std::optional<std::vector<std::byte>> build_directory(const PackState& pack, Bytes bytes,
                                                      std::uint64_t store_seed) {
    if (bytes.size() < pack.info.extents_end) return std::nullopt;
    index::DirectoryBuilder builder;
    std::pair<std::uint64_t, std::uint64_t> before;
    for (std::uint64_t at = segment::file_header_bytes; at < pack.info.extents_end;) {
        const auto frame = segment::extent_frame(bytes, pack.info.extents_end, at);
        if (frame.data() == nullptr || segment::verify_frame(frame, store_seed) != nullptr)
            return std::nullopt;
        const std::pair key(frame.segment().value, frame.first_sequence().value);
        if (key <= before) return std::nullopt;
        before = key;
        builder.add(frame.segment(), frame.first_sequence(), frame.count(), at);
        at += segment::extent_header_bytes + frame.padded_length();
    }
    if (builder.entries() != pack.directory_entries()) return std::nullopt;
    return builder.finish(pack.info.number, store_seed);
}

Result<std::vector<Rewrite>> plan_rewrites(io::Disk& disk, const Uuid& store, Storage& storage,
                                           const SegmentTable& table) {
    Planner planner(disk, store, storage, table);
    for (const PackState& pack : storage.packs()) {
        if (auto planned = planner.plan_pack(pack); !planned) return planned.error();
        for (const segment::Piece& piece : pack.pieces)
            if (auto planned = planner.plan_piece(piece); !planned) return planned.error();
    }
    return std::move(planner.rewrites);
}

}  // namespace braid
