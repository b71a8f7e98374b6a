#include "index/sparse_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "segment/checksum.h"
#include "segment/encoding.h"

namespace braid::index {

namespace {

using segment::ByteReader;
using segment::ByteWriter;
using segment::FrameView;
using segment::Piece;

constexpr std::size_t checksum_bytes = sizeof(std::uint64_t);

Error corrupt(const std::string& file, std::uint64_t offset, const std::string& what) {
    return {Errc::corrupt, fmt::format("{} at offset {}: {}", file, offset, what)};
}

// Walks the frames of a piece and checks that each follows the one before.
class PieceWalk {
public:
    explicit PieceWalk(const Piece& piece)
        : segment_(piece.segment),
          sequence_(piece.first_sequence),
          position_(piece.first_position),
          timestamp_(piece.first_timestamp) {}

    // What is wrong with the frame's place, or nullptr.
    const char* step(FrameView frame) {
        if (frame.segment() != segment_) return "a frame of another segment";
        if (ends_beyond(frame.first_sequence().value, frame.last_sequence().value) ||
            ends_beyond(frame.first_position().value, frame.last_position().value))
            return "a frame whose numbers can't be";
        if (frame.first_sequence() != sequence_) return "a frame out of sequence";
        if (frame.first_position() < position_) return "a frame out of position";
        if (frame.timestamp() < timestamp_) return "a frame out of time";
        sequence_ = frame.last_sequence() + 1;
        position_ = frame.last_position() + 1;
        timestamp_ = frame.last_timestamp();
        return nullptr;
    }
    [[nodiscard]] bool ends_as(const Piece& piece) const {
        return sequence_ == piece.last_sequence + 1 && position_ == piece.last_position + 1 &&
               timestamp_ == piece.last_timestamp;
    }

private:
    // Whether no number is left behind the last one.
    static bool ends_beyond(std::uint64_t first, std::uint64_t last) {
        return last < first || last + 1 == 0;
    }

    SegmentId segment_;
    Sequence sequence_;
    Position position_;
    Timestamp timestamp_;
};

bool starts_as(const SparseEntry& entry, const Piece& piece) {
    return entry.offset == 0 && entry.sequence == piece.first_sequence &&
           entry.position == piece.first_position && entry.timestamp == piece.first_timestamp;
}

bool follows(const SparseEntry& entry, const SparseEntry& before) {
    return entry.offset > before.offset && entry.sequence > before.sequence &&
           entry.position > before.position && entry.timestamp >= before.timestamp;
}

// Whether entries lie in the piece and rise.
bool entries_fit(const std::vector<SparseEntry>& entries, const Piece& piece) {
    if (entries.empty() || !starts_as(entries.front(), piece)) return false;
    for (std::size_t i = 1; i < entries.size(); ++i)
        if (!follows(entries[i], entries[i - 1]) || entries[i].offset % 8 != 0) return false;
    const SparseEntry& last = entries.back();
    return last.offset < piece.frames_bytes && last.sequence <= piece.last_sequence &&
           last.position <= piece.last_position && last.timestamp <= piece.last_timestamp;
}

// What an encoded index says of itself other than the piece does, or nullptr.
const char* header_problem(const SparseIndexHeader& header, Bytes encoded, const Piece& piece,
                           std::uint64_t store_seed) {
    if (header.magic.value() != sparse_index_magic) return "no sparse index begins here";
    const std::uint64_t bytes =
        sizeof header + std::uint64_t{header.count.value()} * sparse_entry_bytes;
    if (bytes != encoded.size()) return "the sparse index has another length";
    if (header.checksum.value() != segment::checksum(encoded.subspan(checksum_bytes), store_seed))
        return "the checksum of the sparse index does not match";
    if (header.segment.value() != piece.segment.value ||
        header.frames_offset.value() != piece.offset ||
        header.frames_bytes.value() != piece.frames_bytes ||
        header.first_sequence.value() != piece.first_sequence.value ||
        header.last_sequence.value() != piece.last_sequence.value)
        return "the sparse index is of another piece";
    if (header.reserved.value() != 0) return "the sparse index has unknown fields";
    return nullptr;
}

// Where in (low, high) `target` may be expected, from the numbers at both ends.
std::size_t interpolate(std::size_t low, std::size_t high, std::uint64_t at_low,
                        std::uint64_t at_high, std::uint64_t target) {
    const double share =
        static_cast<double>(target - at_low) / static_cast<double>(at_high - at_low);
    const auto guess = low + static_cast<std::size_t>(share * static_cast<double>(high - low));
    return std::clamp(guess, low + 1, high - 1);
}

// Index of the last entry whose number is at or below `target`, 0 if there is none. Every other
// probe halves what is left if the interpolation before it didn't, so that uneven numbers cost 2
// log n.
template <class NumberOf>
std::size_t last_at_or_below(const std::vector<SparseEntry>& entries, std::uint64_t target,
                             NumberOf number_of) {
    if (entries.empty() || target <= number_of(entries.front())) return 0;
    if (target >= number_of(entries.back())) return entries.size() - 1;
    std::size_t low = 0;
    std::size_t high = entries.size() - 1;
    bool halve = false;
    while (high - low > 1) {
        const std::size_t before = high - low;
        const std::size_t probe = halve ? low + before / 2
                                        : interpolate(low, high, number_of(entries[low]),
                                                      number_of(entries[high]), target);
        (number_of(entries[probe]) <= target ? low : high) = probe;
        halve = !halve && high - low > before / 2;
    }
    return low;
}

}  // namespace

Result<SparseIndex> SparseIndex::build(const Piece& piece, Bytes frames, const std::string& file) {
    if (frames.size() != piece.frames_bytes)
        return corrupt(file, piece.offset,
                       fmt::format("a piece of {} bytes expected, {} found", piece.frames_bytes,
                                   frames.size()));
    SparseIndex index;
    PieceWalk walk(piece);
    for (std::uint64_t at = 0; at < frames.size();) {
        const Bytes left = frames.subspan(at);
        const segment::Look found = segment::look(left);
        const char* problem = found.found == segment::Found::damaged ? found.reason : nullptr;
        if (!problem && !segment::is_frame(found.type)) problem = "no frame is here";
        const FrameView frame(left.data());
        if (!problem) problem = walk.step(frame);
        if (problem) return corrupt(file, piece.offset + at, problem);
        if (index.entries_.empty() || at - index.entries_.back().offset >= sparse_interval_bytes)
            index.entries_.push_back(
                {frame.first_sequence(), frame.first_position(), frame.timestamp(), at});
        at += std::min<std::uint64_t>(frame.padded_length(), left.size());
    }
    if (!walk.ends_as(piece))
        return corrupt(file, piece.offset + piece.frames_bytes,
                       "the frames end elsewhere than the catalog says of the piece");
    index.look_for_evenness();
    return index;
}

Result<SparseIndex> SparseIndex::decode(Bytes encoded, const Piece& piece, std::uint64_t store_seed,
                                        const std::string& file) {
    if (encoded.size() < sizeof(SparseIndexHeader))
        return corrupt(file, piece.index_offset, "the sparse index is cut short");
    SparseIndexHeader header;
    std::memcpy(&header, encoded.data(), sizeof header);
    if (const char* problem = header_problem(header, encoded, piece, store_seed))
        return corrupt(file, piece.index_offset, problem);
    SparseIndex index;
    index.entries_.reserve(header.count.value());
    ByteReader reader(encoded.subspan(sizeof header));
    while (!reader.left().empty()) {
        SparseEntry entry;
        entry.sequence = reader.fixed64();
        entry.position = reader.fixed64();
        entry.timestamp = reader.fixed64();
        entry.offset = reader.fixed64();
        index.entries_.push_back(entry);
    }
    if (!entries_fit(index.entries_, piece))
        return corrupt(file, piece.index_offset, "the entries of the sparse index don't fit");
    index.look_for_evenness();
    return index;
}

std::vector<std::byte> SparseIndex::encode(const Piece& piece, std::uint64_t store_seed) const {
    std::vector<std::byte> out(sizeof(SparseIndexHeader));
    out.reserve(out.size() + entries_.size() * sparse_entry_bytes);
    ByteWriter writer(out);
    for (const SparseEntry& entry : entries_) {
        writer.fixed64(entry.sequence.value);
        writer.fixed64(entry.position.value);
        writer.fixed64(entry.timestamp.value);
        writer.fixed64(entry.offset);
    }
    SparseIndexHeader header{};
    header.magic = sparse_index_magic;
    header.count = static_cast<std::uint32_t>(entries_.size());
    header.segment = piece.segment.value;
    header.frames_offset = piece.offset;
    header.frames_bytes = piece.frames_bytes;
    header.first_sequence = piece.first_sequence.value;
    header.last_sequence = piece.last_sequence.value;
    std::memcpy(out.data(), &header, sizeof header);
    header.checksum = segment::checksum(Bytes(out).subspan(checksum_bytes), store_seed);
    std::memcpy(out.data(), &header, sizeof header);
    return out;
}

std::uint64_t SparseIndex::seek(Sequence sequence) const noexcept {
    if (entries_.empty()) return 0;
    return entries_[last_at_or_below(entries_, sequence.value,
                                     [](const SparseEntry& e) { return e.sequence.value; })]
        .offset;
}

void SparseIndex::look_for_evenness() noexcept {
    if (entries_.size() < 2) return;
    const std::uint64_t records = entries_[1].sequence - entries_[0].sequence;
    const std::uint64_t bytes = entries_[1].offset - entries_[0].offset;
    for (std::size_t i = 2; i < entries_.size(); ++i)
        if (entries_[i].sequence - entries_[i - 1].sequence != records ||
            entries_[i].offset - entries_[i - 1].offset != bytes)
            return;
    even_records_ = records;
    even_bytes_ = bytes;
}

SparseIndex::Interval SparseIndex::interval(Sequence sequence) const noexcept {
    constexpr std::uint64_t no_end = std::numeric_limits<std::uint64_t>::max();
    if (entries_.empty()) return {1, 0, 0, no_end};
    if (even_records_ != 0 && sequence >= entries_.front().sequence) {
        const SparseEntry& first = entries_.front();
        const std::uint64_t at = (sequence - first.sequence) / even_records_;
        if (at + 1 < entries_.size())
            return {first.sequence + at * even_records_, first.sequence + (at + 1) * even_records_,
                    first.offset + at * even_bytes_, first.offset + (at + 1) * even_bytes_};
    }
    const std::size_t at = last_at_or_below(entries_, sequence.value,
                                            [](const SparseEntry& e) { return e.sequence.value; });
    const SparseEntry& begin = entries_[at];
    if (at + 1 == entries_.size()) return {begin.sequence, 0, begin.offset, no_end};
    return {begin.sequence, entries_[at + 1].sequence, begin.offset, entries_[at + 1].offset};
}

std::uint64_t SparseIndex::seek(Position position) const noexcept {
    if (entries_.empty()) return 0;
    return entries_[last_at_or_below(entries_, position.value,
                                     [](const SparseEntry& e) { return e.position.value; })]
        .offset;
}

std::uint64_t SparseIndex::seek(Timestamp timestamp) const noexcept {
    // Frames with the same timestamp may begin anywhere behind the last entry that is below it.
    const auto at = std::partition_point(
        entries_.begin(), entries_.end(),
        [timestamp](const SparseEntry& entry) { return entry.timestamp < timestamp; });
    return at == entries_.begin() ? 0 : std::prev(at)->offset;
}

}  // namespace braid::index
