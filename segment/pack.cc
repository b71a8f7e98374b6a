#include "segment/pack.h"

#include <fmt/format.h>

#include <cstring>

#include "segment/encoding.h"

namespace braid::segment {

namespace {

Error corrupt(const std::string& file, std::uint64_t offset, const char* what) {
    return {Errc::corrupt, fmt::format("{} at offset {}: {}", file, offset, what)};
}

}  // namespace

std::string pack_name(std::uint32_t pack) {
    return fmt::format("pack-{:06}", pack);
}

FileHeader make_pack_header(const Uuid& store, std::uint32_t pack) noexcept {
    FileIdentity identity;
    identity.kind = FileKind::pack;
    identity.store = store;
    identity.number = pack;
    return make_file_header(identity);
}

void append_extent_header(std::vector<std::byte>& out, Link previous, Link anchor) {
    ExtentHeader header;
    header.previous = previous.stored();
    header.anchor = anchor.stored();
    ByteWriter(out).bytes(std::as_bytes(std::span(&header, 1)));
}

void append_padded(std::vector<std::byte>& out, FrameView frame) {
    ByteWriter(out).bytes(frame.bytes());
    out.resize(out.size() + (frame.padded_length() - frame.length()));
}

void append_extent(std::vector<std::byte>& out, Link previous, Link anchor, FrameView frame) {
    append_extent_header(out, previous, anchor);
    append_padded(out, frame);
}

Result<ExtentView> extent_at(Bytes pack, std::uint64_t extents_end, std::uint64_t offset,
                             const std::string& file) {
    if (extents_end > pack.size())
        return corrupt(file, pack.size(), "the file ends before its extents do");
    if (offset % 8 != 0 || offset < file_header_bytes || offset > extents_end ||
        extents_end - offset < extent_header_bytes + frame_header_bytes)
        return corrupt(file, offset, "no extent can lie here");
    const std::uint64_t frame_offset = offset + extent_header_bytes;
    const Bytes left = pack.subspan(frame_offset, extents_end - frame_offset);
    const Look found = look(left);
    if (found.found == Found::damaged) return corrupt(file, frame_offset, found.reason);
    if (found.found == Found::nothing) return corrupt(file, frame_offset, "no frame is here");
    if (!is_frame(found.type)) return corrupt(file, frame_offset, "not a frame");
    if (padded(found.length) > left.size())
        return corrupt(file, frame_offset, "the frame goes beyond the last extent");

    ExtentView view;
    view.offset = offset;
    view.frame = FrameView(left.data());
    const ExtentLinks links = extent_links(view.frame);
    view.previous = links.previous;
    view.anchor = links.anchor;
    view.links_sound = links.sound;
    return view;
}

FrameView extent_frame(Bytes pack, std::uint64_t extents_end, std::uint64_t offset) noexcept {
    if (offset % 8 != 0 || offset < file_header_bytes || offset > extents_end ||
        extents_end - offset < extent_header_bytes + frame_header_bytes)
        return {};
    const std::uint64_t frame_offset = offset + extent_header_bytes;
    const Bytes left = pack.subspan(frame_offset, extents_end - frame_offset);
    return is_frame(look(left).type) ? FrameView(left.data()) : FrameView();
}

ExtentLinks extent_links(FrameView in_pack) noexcept {
    ExtentHeader header;
    std::memcpy(&header, in_pack.data() - extent_header_bytes, sizeof header);
    ExtentLinks links;
    const bool previous_sound = Link::load(header.previous.value(), links.previous);
    const bool anchor_sound = Link::load(header.anchor.value(), links.anchor);
    links.sound = previous_sound && anchor_sound;
    return links;
}

}  // namespace braid::segment
