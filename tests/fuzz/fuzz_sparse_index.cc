// Input: a byte (bit 0: sealed), a u16 length, so many bytes of frames, an encoded sparse index.
// Claims: an index that is built of frames is decoded as it was; one that is decoded encodes to the
// same bytes; both find the entry that a walk through all of them finds.
#include <algorithm>

#include "index/sparse_index.h"
#include "segment/encoding.h"
#include "tests/fuzz/seal.h"
#include "tests/fuzz/target.h"

namespace braid::fuzz {
namespace {

using index::SparseEntry;
using index::SparseIndex;
using segment::FrameView;
using segment::Piece;

template <class Below>
std::uint64_t walk(const SparseIndex& index, Below below) {
    std::uint64_t offset = 0;
    for (const SparseEntry& entry : index.entries())
        if (below(entry)) offset = entry.offset;
    return offset;
}

void check_seeks(const SparseIndex& index, const Piece& piece) {
    for (const SparseEntry& at : index.entries()) {
        BRAID_CHECK(at.offset < piece.frames_bytes, "an entry at {} of {} bytes", at.offset,
                    piece.frames_bytes);
        for (const std::uint64_t step : {~std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{1}}) {
            const Sequence sequence = at.sequence + step;
            BRAID_CHECK(index.seek(sequence) ==
                            walk(index, [&](const auto& e) { return e.sequence <= sequence; }),
                        "sequence {} is sought in another place", sequence.value);
            const Position position = at.position + step;
            BRAID_CHECK(index.seek(position) ==
                            walk(index, [&](const auto& e) { return e.position <= position; }),
                        "position {} is sought in another place", position.value);
            const Timestamp time = at.timestamp + step;
            BRAID_CHECK(
                index.seek(time) == walk(index, [&](const auto& e) { return e.timestamp < time; }),
                "time {} is sought in another place", time.value);
        }
    }
}

/// The piece that the frames say they are, by their headers alone.
Piece piece_of(Bytes frames) {
    Piece piece;
    piece.offset = 4096;
    while (piece.frames_bytes < frames.size()) {
        const Bytes left = frames.subspan(piece.frames_bytes);
        const segment::Look found = segment::look(left);
        if (found.found != segment::Found::item || !segment::is_frame(found.type)) break;
        if (segment::padded(found.length) > left.size()) break;
        const FrameView frame(left.data());
        if (piece.frames_bytes == 0) {
            piece.segment = frame.segment();
            piece.first_sequence = frame.first_sequence();
            piece.first_position = frame.first_position();
            piece.first_timestamp = frame.timestamp();
        }
        piece.last_sequence = frame.last_sequence();
        piece.last_position = frame.last_position();
        piece.last_timestamp = frame.timestamp();
        piece.frames_bytes += segment::padded(found.length);
    }
    return piece;
}

void check_built(Bytes frames) {
    const Piece piece = piece_of(frames);
    const auto built = SparseIndex::build(piece, frames.first(piece.frames_bytes), "segment");
    if (!built) return;
    check_seeks(*built, piece);
    const auto again =
        SparseIndex::decode(built->encode(piece, store_seed), piece, store_seed, "segment");
    BRAID_CHECK(again.has_value(), "an index that was built can't be decoded: {}",
                again.error().message());
    BRAID_CHECK(again->entries() == built->entries(), "an index changes when it is stored");
}

/// The piece that the index says it belongs to.
Piece piece_of_index(Bytes encoded) {
    index::SparseIndexHeader header;
    Piece piece;
    if (encoded.size() < sizeof header + index::sparse_entry_bytes) return piece;
    std::memcpy(&header, encoded.data(), sizeof header);
    piece.segment = header.segment.value();
    piece.offset = header.frames_offset.value();
    piece.frames_bytes = header.frames_bytes.value();
    piece.first_sequence = header.first_sequence.value();
    piece.last_sequence = header.last_sequence.value();
    piece.last_position = ~std::uint64_t{0};
    piece.last_timestamp = ~std::uint64_t{0};
    segment::ByteReader reader(encoded.subspan(sizeof header + sizeof(std::uint64_t)));
    piece.first_position = reader.fixed64();
    piece.first_timestamp = reader.fixed64();
    return piece;
}

void check_decoded(Bytes encoded) {
    const Piece piece = piece_of_index(encoded);
    const auto index = SparseIndex::decode(encoded, piece, store_seed, "segment");
    if (!index) return;
    check_seeks(*index, piece);
    BRAID_CHECK(as_text(index->encode(piece, store_seed)) == as_text(encoded),
                "an index changes when it is stored");
}

}  // namespace
}  // namespace braid::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace braid;
    Bytes input = fuzz::input_bytes(data, size);
    const bool sealed = fuzz::take_byte(input) & 1;
    const std::size_t low = fuzz::take_byte(input);
    const std::size_t length = low | std::size_t{fuzz::take_byte(input)} << 8;
    const std::size_t split = std::min(length, input.size());
    std::vector<std::byte> frames(input.begin(), input.begin() + split);
    std::vector<std::byte> encoded(input.begin() + split, input.end());
    if (sealed) {
        fuzz::seal_items(frames, fuzz::store_seed);
        fuzz::seal_sparse_index(encoded, fuzz::store_seed);
    }
    fuzz::check_built(frames);
    fuzz::check_decoded(encoded);
    return 0;
}
