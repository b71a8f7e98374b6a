#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/engine.h"
#include "engine/rewrite.h"
#include "engine/store_files.h"
#include "io/aligned_buffer.h"
#include "segment/body_file.h"
#include "segment/body_reference.h"
#include "segment/pack.h"
#include "wal/log_check.h"

namespace braid {
namespace {

using segment::FrameView;

/// Checks packs and pieces with copied reads, byte by byte, and counts what it covers.
class Verifier {
public:
    /// Through which sequence segments are trimmed, where they are.
    using Trims = std::map<SegmentId, Sequence>;

    Verifier(io::Disk& disk, const Uuid& store, std::uint64_t store_seed, const Trims& trims,
             VerifyReport& report)
        : disk_(disk), store_(store), store_seed_(store_seed), trims_(trims), report_(report) {}

    Result<void> check_pack(const PackState& pack);
    Result<void> check_segment_file(const std::vector<segment::Piece>& pieces);
    /// Notes a body for `check_bodies`.
    void add_body(const segment::BodyReference& reference, bool has_metadata) {
        bodies_.push_back({reference, has_metadata});
    }
    /// All that sound frames refer to and that aren't trimmed.
    Result<void> check_bodies();

private:
    struct Body {
        segment::BodyReference reference;
        bool has_metadata = false;
    };
    Result<void> check_body_file(std::span<const Body> bodies);
    Result<void> check_body(io::File& file, const Body& body, std::uint64_t& covered);
    void note_body(FrameView frame);
    Result<std::vector<std::byte>> read(const std::string& name);
    void damage(const std::string& file, std::uint64_t offset, std::string what) {
        report_.damages.push_back({file, offset, std::move(what)});
    }
    void check_header(Bytes bytes, const std::string& name, segment::FileKind kind,
                      std::uint64_t number);
    void check_zeros(Bytes bytes, const std::string& name, std::uint64_t from, std::uint64_t to);
    [[nodiscard]] const char* problem_with(FrameView frame) const;
    bool check_frame(Bytes bytes, const std::string& name, std::uint64_t offset);
    void check_order(Bytes bytes, const std::string& name, const PackState& pack);
    void check_directory(Bytes bytes, const std::string& name, const PackState& pack);
    void check_piece(Bytes bytes, const std::string& name, const segment::Piece& piece);

    io::Disk& disk_;
    const Uuid& store_;
    std::uint64_t store_seed_;
    const Trims& trims_;
    VerifyReport& report_;
    std::vector<Body> bodies_;
};

Result<std::vector<std::byte>> Verifier::read(const std::string& name) {
    auto file = disk_.open(name, {});
    if (!file) return file.error();
    return io::read_whole(**file);
}

void Verifier::check_header(Bytes bytes, const std::string& name, segment::FileKind kind,
                            std::uint64_t number) {
    const auto identity = segment::read_file_header(bytes, name);
    if (!identity)
        damage(name, 0, identity.error().message());
    else if (identity->kind != kind || identity->store != store_ || identity->number != number)
        damage(name, 0, fmt::format("the header is of another file (number {})", identity->number));
}

void Verifier::check_zeros(Bytes bytes, const std::string& name, std::uint64_t from,
                           std::uint64_t to) {
    for (std::uint64_t at = from; at < std::min<std::uint64_t>(to, bytes.size()); ++at)
        if (bytes[at] != std::byte{}) return damage(name, at, "padding that isn't zero");
}

/// Of a joined frame, too, whether each record is what was committed.
const char* Verifier::problem_with(FrameView frame) const {
    const char* reason = segment::verify_frame(frame, store_seed_);
    if (reason == nullptr && frame.is_joined() &&
        segment::sound_records(frame, 0, false, store_seed_) != frame.count())
        reason = "a record isn't what its own checksum was made for";
    return reason;
}

bool Verifier::check_frame(Bytes bytes, const std::string& name, std::uint64_t offset) {
    const segment::Look look = segment::look(bytes);
    const char* reason = look.reason;
    if (look.found == segment::Found::nothing) reason = "a frame is missing";
    if (look.found == segment::Found::item) reason = problem_with(FrameView(bytes.data()));
    if (reason != nullptr) {
        damage(name, offset, reason);
    } else {
        report_.records += FrameView(bytes.data()).count();
        note_body(FrameView(bytes.data()));
    }
    return look.found == segment::Found::item;
}

void Verifier::check_order(Bytes bytes, const std::string& name, const PackState& pack) {
    for (std::uint64_t at = pack.info.order_offset; at < pack.info.bytes;) {
        const auto block =
            index::decode_order_block(bytes.subspan(at), pack.info.number, store_seed_, name, at);
        if (!block) return damage(name, at, block.error().message());
        at += block->bytes;
    }
}

/// Its blocks, and where all extents are sound, that it is theirs.
void Verifier::check_directory(Bytes bytes, const std::string& name, const PackState& pack) {
    const std::uint64_t begin = pack.directory_offset();
    const Bytes directory = bytes.subspan(begin, pack.found_end() - begin);
    for (std::uint64_t at = 0; at < directory.size(); at += index::directory_block_bytes)
        if (!index::directory_block_is_sound(directory.subspan(at),
                                             at / index::directory_block_bytes, pack.info.number,
                                             store_seed_))
            return damage(name, begin + at, "a block of the directory is damaged");
    const auto right = build_directory(pack, bytes, store_seed_);
    if (right && !std::ranges::equal(*right, directory))
        damage(name, begin, "the directory isn't that of the extents");
}

Result<void> Verifier::check_pack(const PackState& pack) {
    const std::string name = segment::pack_name(pack.info.number);
    auto read_bytes = read(name);
    if (!read_bytes && read_bytes.error().code() != Errc::not_found) return read_bytes.error();
    if (!read_bytes || read_bytes->size() < pack.info.bytes) {
        damage(name, 0,
               fmt::format("the file has {} bytes, the catalog speaks of {}",
                           read_bytes ? read_bytes->size() : 0, pack.info.bytes));
        return {};
    }
    const Bytes bytes = Bytes(*read_bytes).first(pack.info.bytes);
    check_header(bytes, name, segment::FileKind::pack, pack.info.number);
    for (std::uint64_t at = segment::file_header_bytes; at < pack.info.extents_end;) {
        const auto extent = segment::extent_at(bytes, pack.info.extents_end, at, name);
        if (!extent) {
            damage(name, at, extent.error().message());
            break;
        }
        if (!extent->links_sound) damage(name, at, "a link whose check fails");
        const std::uint64_t frame = at + segment::extent_header_bytes;
        check_frame(bytes.subspan(frame, pack.info.extents_end - frame), name, frame);
        at = frame + extent->frame.padded_length();
    }
    check_zeros(bytes, name, pack.info.extents_end,
                pack.gathered ? pack.directory_offset() : pack.info.order_offset);
    if (pack.gathered) check_directory(bytes, name, pack);
    check_order(bytes, name, pack);
    report_.files.push_back({name, bytes.size()});
    return {};
}

void Verifier::check_piece(Bytes bytes, const std::string& name, const segment::Piece& piece) {
    const std::uint64_t end = piece.offset + piece.frames_bytes;
    for (std::uint64_t at = piece.offset; at < end;) {
        if (!check_frame(bytes.subspan(at, end - at), name, at)) break;
        at += FrameView(bytes.data() + at).padded_length();
    }
    check_zeros(bytes, name, end, piece.index_offset);
    const auto index = index::SparseIndex::decode(
        bytes.subspan(piece.index_offset, piece.index_bytes), piece, store_seed_, name);
    if (!index) damage(name, piece.index_offset, index.error().message());
}

Result<void> Verifier::check_segment_file(const std::vector<segment::Piece>& pieces) {
    const segment::Piece& last = pieces.back();
    const std::string name = segment::segment_file_name(last.segment, last.file);
    const std::uint64_t expected = last.index_offset + last.index_bytes;
    auto bytes = read(name);
    if (!bytes && bytes.error().code() != Errc::not_found) return bytes.error();
    if (!bytes || bytes->size() < expected) {
        damage(name, 0,
               fmt::format("the file has {} bytes, the catalog speaks of {}",
                           bytes ? bytes->size() : 0, expected));
        return {};
    }
    check_header(*bytes, name, segment::FileKind::segment, last.file);
    check_zeros(*bytes, name, segment::file_header_bytes, io::block_bytes);
    for (const segment::Piece& piece : pieces) {
        check_piece(*bytes, name, piece);
        if (&piece != &last)
            check_zeros(*bytes, name, piece.index_offset + piece.index_bytes, piece.end());
    }
    report_.files.push_back({name, expected});
    return {};
}

void Verifier::note_body(FrameView frame) {
    if (!frame.is_elsewhere()) return;
    const auto trim = trims_.find(frame.segment());
    if (trim == trims_.end() || trim->second < frame.first_sequence())
        add_body(segment::body_reference(frame), frame.has_metadata());
}

Result<void> Verifier::check_bodies() {
    const auto place = [](const Body& body) {
        return std::pair(body.reference.file, body.reference.offset);
    };
    std::ranges::sort(bodies_, {}, place);
    for (auto first = bodies_.begin(); first != bodies_.end();) {
        const auto end = std::find_if(first, bodies_.end(), [&](const Body& body) {
            return body.reference.file != first->reference.file;
        });
        if (auto checked = check_body_file({first, end}); !checked) return checked;
        first = end;
    }
    return {};
}

/// The header, and the bodies with what lies between each and the next block. Whatever else is in
/// the file nothing refers to.
Result<void> Verifier::check_body_file(std::span<const Body> bodies) {
    const auto number = static_cast<std::uint32_t>(bodies.front().reference.file);
    const std::string name = segment::body_file_name(number);
    // Past the cache: what isn't read must not get there while it may be written (0010).
    auto file = disk_.open(name, {.direct = true});
    if (!file && file.error().code() != Errc::not_found) return file.error();
    if (!file) {
        damage(name, 0, "the file is missing");
        return {};
    }
    io::AlignedBuffer memory(io::block_bytes);
    const auto header = memory.first(io::block_bytes);
    const auto read = (*file)->read(header, 0);
    if (!read) return read.error();
    check_header(header.first(*read), name, segment::FileKind::body, number);
    check_zeros(header, name, segment::file_header_bytes, *read);
    std::uint64_t covered = io::block_bytes;
    for (const Body& body : bodies)
        if (auto checked = check_body(**file, body, covered); !checked) return checked;
    report_.files.push_back({name, covered});
    return {};
}

Result<void> Verifier::check_body(io::File& file, const Body& body, std::uint64_t& covered) {
    const auto [number, offset, length, hash] = body.reference;
    const std::uint64_t blocks = io::whole_blocks(length);
    io::AlignedBuffer memory(blocks);
    const auto bytes = memory.first(blocks);
    const auto read = file.read(bytes, offset);
    if (!read) return read.error();
    if (*read < blocks) {
        damage(file.name(), offset,
               fmt::format("a body of {} bytes expected, {} found", length, *read));
        return {};
    }
    if (const char* reason =
            segment::verify_body(body.reference, bytes.first(length), body.has_metadata))
        damage(file.name(), offset, reason);
    for (std::uint64_t at = length; at < blocks; ++at)
        if (bytes[at] != std::byte{}) {
            damage(file.name(), offset + at, "padding that isn't zero");
            break;
        }
    covered += blocks;
    return {};
}

}  // namespace

Result<VerifyReport> Engine::verify() const {
    constexpr int tries_max = 5;
    for (int tries = 1;; ++tries) {
        auto report = verify_now();
        const bool may_be_gone = report && !report->damages.empty() && tries < tries_max;
        if (!may_be_gone || !look_again()) return report;
    }
}

Result<VerifyReport> Engine::verify_now() const {
    VerifyReport report;
    Verifier::Trims trims;
    std::vector<PackState> packs;
    std::vector<std::vector<segment::Piece>> segment_files;
    Verifier verifier(*disk_, uuid_, store_seed_, trims, report);
    // What is gathered meanwhile stays until the list of packs is gone through.
    const RemovalsHeld held(*storage_);
    {
        const std::shared_lock lock(storage_->publish);
        packs = storage_->packs();
        report.transactions = storage_->transaction().value;
        for (const auto& chunk : arena_->chunks()) {
            const std::size_t count = chunk->nodes();
            for (std::size_t i = chunk->find(storage_->drained() + 1, count); i < count; ++i) {
                const FrameView frame = chunk->node(i).view();
                if (frame.is_elsewhere())
                    verifier.add_body(segment::body_reference(frame), frame.has_metadata());
            }
        }
        const SegmentId end = table_->next_segment();
        for (SegmentId id = 1; id < end; ++id) {
            const SegmentState* segment = table_->find(id);
            if (segment->trimmed != 0) trims[segment->id] = segment->trimmed;
            for (const segment::Piece& piece : segment->pieces()) {
                if (segment_files.empty() || segment_files.back().back().segment != piece.segment ||
                    segment_files.back().back().file != piece.file)
                    segment_files.emplace_back();
                segment_files.back().push_back(piece);
            }
        }
    }
    for (const PackState& pack : packs)
        if (auto checked = verifier.check_pack(pack); !checked) return checked.error();
    for (const auto& pieces : segment_files)
        if (auto checked = verifier.check_segment_file(pieces); !checked) return checked.error();
    if (auto checked = verifier.check_bodies(); !checked) return checked.error();
    const auto catalog =
        index::load_catalog(*disk_, [](const index::CatalogRecord&) { return Result<void>(); });
    if (catalog)
        report.files.push_back({index::catalog_name(catalog->end.file), catalog->end.offset});
    else if (catalog.error().code() == Errc::corrupt)
        report.damages.push_back({"catalog", 0, catalog.error().message()});
    else
        return catalog.error();
    const auto log = wal::check_log(*disk_, uuid_, report.transactions);
    if (!log) return log.error();
    for (const wal::LogFileCheck& check : *log) {
        report.files.push_back({check.name, check.bytes});
        if (check.problem)
            report.damages.push_back({check.name, check.problem->offset, check.problem->what});
    }
    if (auto files = disk_->list()) report.unknown_files = unknown_files(*files);
    return report;
}

}  // namespace braid
