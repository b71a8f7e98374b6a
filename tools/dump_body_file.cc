#include <fmt/format.h>

#include "io/aligned_buffer.h"
#include "segment/body_file.h"
#include "segment/body_reference.h"
#include "tools/dump_items.h"

namespace braid::tools {

namespace {

/// Why the body isn't what it must be, or nothing. Past the cache: what lies beside it may be being
/// written.
std::optional<std::string> body_problem(io::Disk& disk, const std::string& name,
                                        const segment::BodyReference& reference,
                                        bool has_metadata) {
    auto file = disk.open(name, {.direct = true});
    if (!file) return file.error().message();
    const auto size = (*file)->size();
    if (!size) return size.error().message();
    // Before memory is taken for a length that nobody has checked.
    if (*size < reference.offset + reference.length)
        return fmt::format("the file ends at {}", *size);
    io::AlignedBuffer memory(reference.length);
    const auto read =
        (*file)->read(memory.first(io::whole_blocks(reference.length)), reference.offset);
    if (!read) return read.error().message();
    if (*read < reference.length) return fmt::format("the file ends at {}", *size);
    const char* reason =
        segment::verify_body(reference, memory.first(reference.length), has_metadata);
    return reason == nullptr ? std::nullopt : std::optional<std::string>(reason);
}

}  // namespace

void dump_body(DumpContext& context, const DumpFile& file, std::uint64_t offset,
               segment::FrameView frame) {
    const segment::BodyReference reference = segment::body_reference(frame);
    const std::string name = segment::body_file_name(static_cast<std::uint32_t>(reference.file));
    const auto problem = context.disk == nullptr
                             ? std::optional<std::string>("its file isn't here")
                             : body_problem(*context.disk, name, reference, frame.has_metadata());
    context.printer.line(file.name, offset, "body")
        .words("file", name)
        .number("offset", reference.offset)
        .number("bytes", reference.length)
        .checksum("hash", reference.hash)
        .flag("sound", !problem)
        .end();
    if (!problem) return;
    const auto trim = context.trims.find(frame.segment());
    const bool is_trimmed = trim != context.trims.end() && frame.last_sequence() <= trim->second;
    if (is_trimmed || context.disk == nullptr)
        context.printer.note(file.name, offset, fmt::format("the body: {}", *problem));
    else
        context.printer.problem(name, reference.offset, *problem);
}

/// What lies where, only the frames know.
void dump_body_file(DumpContext& context, const DumpFile& file) {
    if (!dump_header(context, file)) return;
    const std::size_t padding_end = std::min<std::size_t>(io::block_bytes, file.content.size());
    if (!is_zero(file.bytes().first(padding_end).subspan(segment::file_header_bytes)))
        context.printer.problem(file.name, segment::file_header_bytes, "padding that isn't zero");
}

}  // namespace braid::tools
