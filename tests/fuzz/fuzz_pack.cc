// Input: a byte (bit 0: sealed), the extents of a pack. Claims: what an extent, a frame and a
// record give out lies in the input; a sound frame that is built anew from its records is sound,
// holds the same, and doesn't change when it is built once more.
#include <vector>

#include "segment/frame_builder.h"
#include "segment/pack.h"
#include "tests/fuzz/seal.h"
#include "tests/fuzz/target.h"

namespace braid::fuzz {
namespace {

using segment::FrameView;

std::vector<KeyValue> metadata_of(const segment::RecordView& record) {
    std::vector<KeyValue> pairs;
    if (record.pairs == 0) return pairs;
    segment::ByteReader reader(
        {record.metadata, static_cast<std::size_t>(record.payload.data() - record.metadata)});
    for (std::size_t i = 0; i < record.pairs; ++i) {
        const std::string_view key = reader.text();
        pairs.push_back({key, reader.text()});
    }
    BRAID_CHECK(reader.finished(), "{} bytes behind the metadata", reader.left().size());
    return pairs;
}

/// The frame's records built into frames of their own; nothing if they take several.
std::vector<std::byte> rebuilt(FrameView frame) {
    segment::FrameBuilder builder;
    if (frame.is_elsewhere()) {
        const segment::BodyReference reference = segment::body_reference(frame);
        BRAID_CHECK(segment::reference_problem(reference) == nullptr, "a reference to nowhere");
        builder.add_elsewhere(0, frame.has_metadata());
        builder.refer(0, reference);
    }
    for (std::uint32_t i = 0; i < frame.count() && !frame.is_elsewhere(); ++i) {
        const Bytes record = frame.record(i);
        BRAID_CHECK(lies_in(record, frame.body()), "record {} goes beyond its frame", i);
        const segment::RecordView view = segment::split_record(record, frame.has_metadata());
        BRAID_CHECK(lies_in(view.payload, record), "payload {} goes beyond its record", i);
        builder.add(0, view.payload, metadata_of(view));
    }
    builder.finish();
    if (builder.frames().size() != 1) return {};
    std::vector<std::byte> bytes(builder.bytes().begin(), builder.bytes().end());
    segment::number_frame(bytes.data(),
                          {.segment = frame.segment(),
                           .first_sequence = frame.first_sequence(),
                           .first_position = frame.first_position(),
                           .timestamp = frame.timestamp(),
                           .transaction = frame.transaction(),
                           .ends_transaction = frame.ends_transaction()},
                          builder.frames().front().body_hash, store_seed);
    return bytes;
}

void check_frame(FrameView frame) {
    if (segment::verify_frame(frame, store_seed) != nullptr) return;
    const std::vector<std::byte> once = rebuilt(frame);
    if (once.empty()) return;
    const FrameView view(once.data());
    const segment::Look look = segment::look(once);
    BRAID_CHECK(look.found == segment::Found::item && look.length <= once.size(),
                "a frame that was built isn't one: {}", look.reason);
    const char* reason = segment::verify_frame(view, store_seed);
    BRAID_CHECK(reason == nullptr, "a frame that was built is not sound: {}", reason);
    BRAID_CHECK(view.count() == frame.count() && view.last_sequence() == frame.last_sequence() &&
                    view.last_position() == frame.last_position(),
                "another frame was built");
    for (std::uint32_t i = 0; i < frame.count() && !frame.is_elsewhere(); ++i) {
        const auto was = segment::split_record(frame.record(i), frame.has_metadata());
        const auto is = segment::split_record(view.record(i), view.has_metadata());
        BRAID_CHECK(as_text(was.payload) == as_text(is.payload) && was.pairs == is.pairs,
                    "record {} is another one", i);
    }
    BRAID_CHECK(rebuilt(view) == once, "a frame is built in another way each time");
}

/// An extent that is written as it was read is the same, but for links that weren't sound.
std::uint64_t check_extent(Bytes pack, const segment::ExtentView& extent) {
    const FrameView frame = extent.frame;
    BRAID_CHECK(lies_in({frame.data(), frame.padded_length()}, pack),
                "an extent goes beyond its pack");
    check_frame(frame);
    std::vector<std::byte> again;
    segment::append_extent(again, extent.previous, extent.anchor, frame);
    const Bytes was = pack.subspan(extent.offset, again.size());
    if (extent.links_sound)
        BRAID_CHECK(as_text(again) == as_text(was), "the extent at {} changes when it is written",
                    extent.offset);
    return extent.offset + again.size();
}

}  // namespace
}  // namespace braid::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace braid;
    Bytes input = fuzz::input_bytes(data, size);
    const bool sealed = fuzz::take_byte(input) & 1;
    const auto header = segment::make_pack_header(fuzz::store, 1);
    const Bytes header_bytes = std::as_bytes(std::span(&header, 1));
    std::vector<std::byte> pack(header_bytes.begin(), header_bytes.end());
    pack.insert(pack.end(), input.begin(), input.end());
    if (sealed) fuzz::seal_extents(std::span(pack).subspan(header_bytes.size()), fuzz::store_seed);
    for (std::uint64_t at = header_bytes.size();;) {
        const auto extent = segment::extent_at(pack, pack.size(), at, "pack");
        if (!extent) return 0;
        at = fuzz::check_extent(pack, *extent);
    }
}
