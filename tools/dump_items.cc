#include "tools/dump_items.h"

#include <fmt/format.h>

#include <algorithm>

namespace braid::tools {

using segment::Found;
using segment::FrameView;

namespace {

void dump_record(DumpContext& context, const DumpFile& file, FrameView frame, std::uint32_t index) {
    const Bytes record = frame.record(index);
    const auto offset = static_cast<std::uint64_t>(record.data() - file.content.data());
    const segment::RecordView view = segment::split_record(record, frame.has_metadata());
    DumpLine line = context.printer.line(file.name, offset, "record");
    line.number("sequence", (frame.first_sequence() + index).value)
        .number("position", frame.position(index).value);
    if (frame.is_joined())
        line.number("timestamp", frame.timestamp(index).value)
            .number("transaction", frame.transaction(index).value)
            .flag("ends_transaction", frame.ends_transaction(index));
    if (view.pairs > 0) {
        line.number("metadata_pairs", view.pairs)
            .number("metadata_bytes",
                    static_cast<std::uint64_t>(view.payload.data() - view.metadata));
    }
    line.bytes("payload", as_text(view.payload)).end();
}

/// The names of a segment, where they are known.
void add_names(const DumpContext& context, SegmentId segment, DumpLine& line) {
    const auto found = context.segments.find(segment);
    if (found == context.segments.end()) return;
    const auto& [space, name] = found->second;
    const auto space_name = context.spaces.find(space);
    if (space_name != context.spaces.end()) line.bytes("space", space_name->second);
    line.bytes("name", name);
}

struct PrintChange {
    DumpLine& line;

    void operator()(const segment::SpaceNamed& named) const {
        line.words("change", "space_named")
            .number("space", named.space.value)
            .bytes("name", named.name);
    }
    void operator()(const segment::SegmentNamed& named) const {
        line.words("change", "segment_named")
            .number("segment", named.segment.value)
            .number("space", named.space.value)
            .bytes("name", named.name);
    }
    void operator()(const segment::ConsumerMoved& moved) const {
        line.words("change", "consumer_moved").bytes("consumer", moved.consumer);
        if (!moved.space.empty()) line.bytes("space", moved.space);
        if (!moved.segment.empty()) line.bytes("segment", moved.segment);
        line.number("position", moved.position.value);
    }
    void operator()(const segment::ConsumerTaken& taken) const {
        line.words("change", "consumer_taken").bytes("consumer", taken.consumer);
    }
    void operator()(const segment::ConsumerDeleted& deleted) const {
        line.words("change", "consumer_deleted").bytes("consumer", deleted.consumer);
    }
    void operator()(const segment::TransactionNoted& noted) const {
        line.words("change", "transaction_noted")
            .words("id", id_in_hex(noted.id))
            .checksum("fingerprint", noted.fingerprint);
    }
    void operator()(const segment::LeaseGranted& granted) const {
        line.words("change", "lease_granted")
            .bytes("key", granted.key)
            .bytes("holder", granted.holder)
            .number("ttl_ns", granted.ttl_ns);
    }
    void operator()(const segment::LeaseReleased& released) const {
        line.words("change", "lease_released").bytes("key", released.key);
    }
};

void dump_change(DumpContext& context, const DumpFile& file, std::uint64_t offset, Bytes item) {
    const auto change = segment::read_change_item(item, context.store_seed);
    if (!change) return context.printer.problem(file.name, offset, change.error().message());
    const FrameView prefix(item.data());
    DumpLine line = context.printer.line(file.name, offset, "change");
    line.number("transaction", segment::change_transaction(item.data()).value)
        .flag("ends_transaction", prefix.ends_transaction());
    std::visit(PrintChange{line}, *change);
    line.end();
    context.learn(*change);
}

}  // namespace

std::string id_in_hex(const TransactionId& id) {
    return fmt::format("{:02x}", fmt::join(id, ""));
}

bool is_zero(Bytes bytes) noexcept {
    return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

bool dump_frame(DumpContext& context, const DumpFile& file, std::uint64_t offset, FrameView frame) {
    const char* problem = segment::verify_frame(frame, context.store_seed);
    DumpLine line = context.printer.line(file.name, offset, "frame");
    line.number("segment", frame.segment().value);
    if (problem == nullptr) add_names(context, frame.segment(), line);
    line.number("records", frame.count())
        .number("first_sequence", frame.first_sequence().value)
        .number("first_position", frame.first_position().value)
        .number("timestamp", frame.timestamp().value)
        .number("transaction", frame.transaction().value)
        .number("bytes", frame.length())
        .checksum("checksum", frame.checksum())
        .flag("has_metadata", frame.has_metadata())
        .flag("ends_transaction", frame.ends_transaction())
        .flag("joined", frame.is_joined())
        .end();
    if (problem != nullptr) {
        context.printer.problem(file.name, offset, problem);
        return false;
    }
    if (frame.is_elsewhere()) {
        dump_body(context, file, offset, frame);
        return true;
    }
    for (std::uint32_t i = 0; i < frame.count() && context.printer.good(); ++i) {
        dump_record(context, file, frame, i);
    }
    return true;
}

void dump_items(DumpContext& context, const DumpFile& file, std::uint64_t begin,
                std::uint64_t end) {
    bool ends_transaction = true;
    for (std::uint64_t offset = begin; offset < end && context.printer.good();) {
        const Bytes left = file.bytes().subspan(offset, end - offset);
        const segment::Look found = segment::look(left);
        if (found.found != Found::item) {
            context.printer.problem(
                file.name, offset,
                found.found == Found::damaged ? found.reason : "an item is missing");
            return;
        }
        const FrameView item(left.data());
        if (segment::is_change(found.type)) {
            dump_change(context, file, offset, left.first(found.length));
        } else {
            dump_frame(context, file, offset, item);
        }
        ends_transaction = item.ends_transaction();
        offset += segment::padded(found.length);
    }
    if (!ends_transaction)
        context.printer.problem(file.name, end, "the last transaction is incomplete");
}

std::optional<std::uint64_t> find_frame(const DumpContext& context, const DumpFile& file,
                                        std::uint64_t begin, std::uint64_t end,
                                        std::size_t head_bytes) {
    const std::size_t least = head_bytes + segment::frame_header_bytes;
    for (std::uint64_t offset = segment::padded(begin); offset + least <= end; offset += 8) {
        const Bytes left = file.bytes().subspan(offset + head_bytes, end - offset - head_bytes);
        const segment::Look found = segment::look(left);
        if (found.found != Found::item || !segment::is_frame(found.type)) continue;
        if (segment::verify_frame(FrameView(left.data()), context.store_seed) == nullptr)
            return offset;
    }
    return std::nullopt;
}

}  // namespace braid::tools
