#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "index/sparse_index.h"
#include "io/file.h"
#include "tools/dump_items.h"

namespace braid::tools {

using segment::Found;
using segment::FrameView;

namespace {

/// Walks a segment's own file: pieces, each with its sparse index behind it.
class SegmentFileDump {
public:
    SegmentFileDump(DumpContext& context, const DumpFile& file,
                    const segment::FileIdentity& identity)
        : context_(context),
          file_(file),
          segment_(identity.extra[0]),
          number_(static_cast<std::uint32_t>(identity.number)),
          size_(file.content.size()),
          known_end_(size_) {
        if (!context.has_catalog) return;
        const auto known = context.pieces.find({segment_, identity.number});
        if (known != context.pieces.end()) known_ = known->second;
        known_end_ = known_.empty() ? 0 : known_.rbegin()->second.end();
    }

    void run(std::uint64_t begin) {
        if (context_.has_catalog && known_end_ > io::whole_blocks(size_)) {
            problem(size_, fmt::format("the file ends here, the catalog says at {}", known_end_));
        }
        std::uint64_t offset = io::whole_blocks(begin);
        while (offset < size_ && context_.printer.good()) {
            const std::uint64_t block_end = std::min(offset + io::block_bytes, size_);
            if (is_zero(file_.bytes().subspan(offset, block_end - offset))) {
                if (offset < known_end_) problem(offset, "zeros where a piece must be");
                offset = io::whole_blocks(block_end);
                continue;
            }
            if (offset >= known_end_ && !told_) {
                told_ = true;
                context_.printer.note(
                    file_.name, offset,
                    "from here on of a drain that the catalog doesn't have (yet)");
            }
            offset = dump_piece(offset);
        }
    }

private:
    /// Prints the piece at an offset and returns where the next one may begin.
    std::uint64_t dump_piece(std::uint64_t offset) {
        piece_ = {};
        piece_.segment = segment_;
        piece_.file = number_;
        piece_.offset = offset;
        const std::uint64_t end = dump_frames(offset);
        piece_.frames_bytes = end - offset;
        piece_.index_offset = io::whole_blocks(end);
        // Where frames are damaged, the catalog still knows what the index must cover.
        if (const auto known = known_.find(offset); known != known_.end()) piece_ = known->second;
        return dump_index();
    }

    std::uint64_t dump_frames(std::uint64_t offset) {
        while (offset < size_ && context_.printer.good()) {
            const segment::Look found = segment::look(file_.from(offset));
            const bool is_frame = found.found == Found::item && segment::is_frame(found.type);
            if (is_frame) {
                const FrameView frame(file_.from(offset).data());
                dump_frame(context_, file_, offset, frame);
                take_bounds(frame);
                offset += frame.padded_length();
                continue;
            }
            if (found.found == Found::nothing || index_at(offset)) break;
            problem(offset,
                    is_frame || found.found == Found::damaged ? found.reason : "not a frame");
            const auto next = find_frame(context_, file_, offset + 8, end_of_search(offset), 0);
            if (!next) return end_of_search(offset);
            offset = *next;
        }
        return std::min(offset, size_);
    }

    void take_bounds(FrameView frame) {
        if (piece_.first_sequence.value == 0) {
            piece_.first_sequence = frame.first_sequence();
            piece_.first_position = frame.first_position();
            piece_.first_timestamp = frame.timestamp();
        }
        piece_.last_sequence = frame.last_sequence();
        piece_.last_position = frame.last_position();
        piece_.last_timestamp = frame.last_timestamp();
    }

    /// The header of a sparse index that may stand at an offset.
    [[nodiscard]] std::optional<index::SparseIndexHeader> index_at(std::uint64_t offset) const {
        index::SparseIndexHeader header;
        if (offset % io::block_bytes != 0 || file_.from(offset).size() < sizeof header) {
            return std::nullopt;
        }
        std::memcpy(&header, file_.from(offset).data(), sizeof header);
        if (header.magic.value() != index::sparse_index_magic) return std::nullopt;
        return header;
    }

    /// A search for the next frame stops at the piece's index.
    [[nodiscard]] std::uint64_t end_of_search(std::uint64_t offset) const {
        offset = io::whole_blocks(offset + 1);
        while (offset < size_ && !index_at(offset)) offset += io::block_bytes;
        return std::min(offset, size_);
    }

    std::uint64_t dump_index() {
        const std::uint64_t offset = piece_.index_offset;
        const auto header = index_at(offset);
        if (!header) {
            problem(std::min(offset, size_), "the sparse index of a piece is missing");
            return offset;
        }
        piece_.index_bytes = sizeof *header + header->count.value() * index::sparse_entry_bytes;
        const Bytes encoded =
            file_.from(offset).first(std::min<std::uint64_t>(piece_.index_bytes, size_ - offset));
        const auto decoded =
            index::SparseIndex::decode(encoded, piece_, context_.store_seed, file_.name);
        if (!decoded) {
            problem(offset, decoded.error().message());
            return encoded.size() == piece_.index_bytes ? piece_.end() : offset + io::block_bytes;
        }
        print_index(*header, *decoded);
        return piece_.end();
    }

    void print_index(const index::SparseIndexHeader& header, const index::SparseIndex& sparse) {
        const std::uint64_t offset = piece_.index_offset;
        context_.printer.line(file_.name, offset, "index")
            .number("segment", header.segment.value())
            .number("frames_offset", header.frames_offset.value())
            .number("frames_bytes", header.frames_bytes.value())
            .number("first_sequence", header.first_sequence.value())
            .number("last_sequence", header.last_sequence.value())
            .number("entries", header.count.value())
            .checksum("checksum", header.checksum.value())
            .end();
        std::uint64_t at = offset + sizeof header;
        for (const index::SparseEntry& entry : sparse.entries()) {
            context_.printer.line(file_.name, at, "entry")
                .number("sequence", entry.sequence.value)
                .number("position", entry.position.value)
                .number("timestamp", entry.timestamp.value)
                .number("at", piece_.offset + entry.offset)
                .end();
            at += index::sparse_entry_bytes;
        }
    }

    void problem(std::uint64_t offset, std::string_view what) {
        if (offset < known_end_ || !context_.has_catalog) {
            context_.printer.problem(file_.name, offset, what);
        } else {
            context_.printer.note(file_.name, offset, what);
        }
    }

    DumpContext& context_;
    const DumpFile& file_;
    const SegmentId segment_;
    const std::uint32_t number_;
    const std::uint64_t size_;
    std::map<std::uint64_t, segment::Piece> known_;  // as the catalog has them, by offset
    std::uint64_t known_end_;                        // of the last of them
    segment::Piece piece_;                           // the one being walked
    bool told_ = false;
};

}  // namespace

void dump_segment_file(DumpContext& context, const DumpFile& file) {
    const auto identity = dump_header(context, file);
    if (identity) SegmentFileDump(context, file, *identity).run(identity->header_bytes);
}

}  // namespace braid::tools
