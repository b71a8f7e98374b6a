#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "index/pack_directory.h"
#include "io/file.h"
#include "segment/pack.h"
#include "tools/dump_items.h"

namespace braid::tools {

namespace {

/// Walks one pack: extents, in a gathered one the directory, then the space order.
class PackDump {
public:
    PackDump(DumpContext& context, const DumpFile& file, std::uint32_t pack)
        : context_(context), file_(file), pack_(pack), size_(file.content.size()) {
        const auto known = context.packs.find(pack);
        if (known != context.packs.end()) known_ = &known->second;
    }

    void run(std::uint64_t begin) {
        if (context_.has_catalog && known_ == nullptr) {
            context_.printer.note(file_.name, 0, "of a drain that the catalog doesn't have (yet)");
        }
        if (known_ != nullptr && known_->bytes > size_) {
            problem(size_, fmt::format("the file has {} bytes, the catalog says {}", size_,
                                       known_->bytes));
        }
        const std::uint64_t end = dump_extents(begin);
        const std::uint64_t directory_end = dump_directory(io::whole_blocks(end));
        dump_order(known_ == nullptr ? directory_end : known_->order_offset);
    }

private:
    /// Without a catalog the extents end where there are zeros, or where an order block begins.
    [[nodiscard]] bool ends_at(std::uint64_t offset) const {
        if (known_ != nullptr) return offset >= std::min(known_->extents_end, size_);
        if (offset >= size_) return true;
        if (offset % io::block_bytes == 0 && (order_at(offset) || directory_at(offset, 0)))
            return true;
        const std::uint64_t block_end = std::min(io::whole_blocks(offset + 1), size_);
        return is_zero(file_.bytes().subspan(offset, block_end - offset));
    }

    [[nodiscard]] Result<index::OrderBlock> order_at(std::uint64_t offset) const {
        return index::decode_order_block(file_.from(offset), pack_, context_.store_seed, file_.name,
                                         offset);
    }

    [[nodiscard]] bool directory_at(std::uint64_t offset, std::uint64_t number) const {
        return index::directory_block_is_sound(file_.from(offset), number, pack_,
                                               context_.store_seed);
    }

    /// Returns its end.
    std::uint64_t dump_directory(std::uint64_t begin) {
        const auto known = context_.gathered.find(pack_);
        std::uint64_t end = size_;
        if (context_.has_catalog && known_ != nullptr)
            end = known == context_.gathered.end()
                      ? begin
                      : begin + index::directory_bytes(known->second.directory_entries);
        std::uint64_t offset = begin;
        for (std::uint64_t number = 0; offset < std::min(end, size_) && context_.printer.good();
             ++number, offset += index::directory_block_bytes) {
            if (directory_at(offset, number))
                dump_directory_block(offset);
            else if (known != context_.gathered.end())
                problem(offset, "a block of the directory is damaged");
            else
                return offset;  // nothing tells that there is one
        }
        return offset;
    }

    void dump_directory_block(std::uint64_t offset) {
        index::DirectoryBlockHeader header;
        const Bytes block = file_.from(offset);
        std::memcpy(&header, block.data(), sizeof header);
        context_.printer.line(file_.name, offset, "directory")
            .number("block", header.block.value())
            .number("entries", header.entries.value())
            .checksum("checksum", header.checksum.value())
            .end();
        for (std::size_t i = 0; i < header.entries.value(); ++i) {
            index::DirectoryEntry entry;
            std::memcpy(&entry, block.data() + sizeof header + i * sizeof entry, sizeof entry);
            context_.printer.line(file_.name, offset, "begins")
                .number("segment", entry.segment.value())
                .number("sequence", entry.sequence.value())
                .number("at", std::uint64_t{entry.offset.value()} * 8)
                .number("records", entry.records.value())
                .end();
        }
    }

    std::uint64_t dump_extents(std::uint64_t begin) {
        const std::uint64_t end = known_ == nullptr ? size_ : std::min(known_->extents_end, size_);
        std::uint64_t offset = begin;
        while (!ends_at(offset) && context_.printer.good()) {
            const auto extent = segment::extent_at(file_.bytes(), end, offset, file_.name);
            if (extent) {
                dump_extent(*extent);
                offset += segment::extent_header_bytes + extent->frame.padded_length();
                continue;
            }
            problem(offset, extent.error().message());
            const auto next =
                find_frame(context_, file_, offset + 8, end, segment::extent_header_bytes);
            if (!next) return known_ == nullptr ? find_order(offset) : end;
            offset = *next;
        }
        return offset;
    }

    /// The first order block behind extents that can't be followed to their end.
    [[nodiscard]] std::uint64_t find_order(std::uint64_t offset) const {
        offset = io::whole_blocks(offset);
        while (offset < size_ && !order_at(offset) && !directory_at(offset, 0))
            offset += io::block_bytes;
        return offset;
    }

    void dump_extent(const segment::ExtentView& extent) {
        context_.printer.line(file_.name, extent.offset, "extent")
            .number("previous_pack", extent.previous.pack())
            .number("previous_offset", extent.previous.offset())
            .number("anchor_pack", extent.anchor.pack())
            .number("anchor_offset", extent.anchor.offset())
            .end();
        if (!extent.links_sound) problem(extent.offset, "the check of a link doesn't match");
        dump_frame(context_, file_, extent.offset + segment::extent_header_bytes, extent.frame);
    }

    void dump_order(std::uint64_t offset) {
        const std::uint64_t end = known_ == nullptr ? size_ : std::min(known_->bytes, size_);
        while (offset < end && context_.printer.good()) {
            const auto block = order_at(offset);
            if (block) {
                dump_order_block(offset, *block);
                offset += block->bytes;
                continue;
            }
            // Zeros behind the last block only fill the file.
            if (is_zero(file_.bytes().subspan(offset, end - offset))) return;
            problem(offset, block.error().message());
            do {
                offset += 8;
            } while (offset < end && !looks_like_order(offset));
        }
    }

    [[nodiscard]] bool looks_like_order(std::uint64_t offset) const {
        const Bytes bytes = file_.from(offset);
        index::OrderBlockHeader header;
        if (bytes.size() < sizeof header) return false;
        std::memcpy(&header, bytes.data(), sizeof header);
        return header.magic.value() == index::order_block_magic && order_at(offset).has_value();
    }

    void dump_order_block(std::uint64_t offset, const index::OrderBlock& block) {
        DumpLine line = context_.printer.line(file_.name, offset, "order");
        line.number("space", block.space.value);
        const auto name = context_.spaces.find(block.space);
        if (name != context_.spaces.end()) line.bytes("name", name->second);
        line.number("first_position", block.first_position.value)
            .number("records", block.records)
            .number("records_before", block.records_before)
            .number("entries", block.entries.size())
            .checksum("checksum", block.checksum)
            .checksum("previous", block.previous)
            .end();
        for (const index::OrderEntry& entry : block.entries) {
            context_.printer.line(file_.name, offset, "entry")
                .number("first_position", entry.first_position.value)
                .number("records", entry.records)
                .number("source", entry.source)
                .number("at", entry.offset)
                .end();
        }
    }

    void problem(std::uint64_t offset, std::string_view what) {
        if (context_.has_catalog && known_ == nullptr) {
            context_.printer.note(file_.name, offset, what);
        } else {
            context_.printer.problem(file_.name, offset, what);
        }
    }

    DumpContext& context_;
    const DumpFile& file_;
    const std::uint32_t pack_;
    const std::uint64_t size_;
    const index::PackInfo* known_ = nullptr;  // as the catalog has it
};

}  // namespace

void dump_pack(DumpContext& context, const DumpFile& file) {
    const auto identity = dump_header(context, file);
    if (!identity) return;
    PackDump(context, file, static_cast<std::uint32_t>(identity->number))
        .run(identity->header_bytes);
}

}  // namespace braid::tools
