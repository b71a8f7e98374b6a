#include "segment/frame_joiner.h"

#include <cstring>
#include <limits>

#include "segment/pack.h"

namespace braid::segment {
namespace {

constexpr std::uint64_t distance_max = std::numeric_limits<std::uint32_t>::max();

std::size_t record_bytes(FrameView frame) noexcept {
    return frame.body().size() - frame.index_bytes();
}

std::size_t joined_body_bytes(std::uint64_t count, std::uint64_t record_bytes) noexcept {
    return count * (sizeof(std::uint16_t) + sizeof(JoinedNumbers)) + record_bytes;
}

// A frame's records' numbers and ends, as they stand in a joined one.
class Index {
public:
    Index(FrameView first, std::byte* body, std::uint32_t count) noexcept
        : first_(first), ends_(body), numbers_(body + sizeof(End) * count) {}

    // `begin`: of the frame's first record, from the joined frame's first.
    void add(FrameView frame, std::size_t begin) noexcept {
        for (std::uint32_t i = 0; i < frame.count(); ++i) {
            const std::size_t end = frame.count() == 1 ? record_bytes(frame) : frame.end_offset(i);
            put(ends_, End(static_cast<std::uint16_t>(begin + end)));
            put(numbers_, numbers_of(frame, i));
        }
    }

private:
    using End = boost::endian::little_uint16_buf_t;

    [[nodiscard]] JoinedNumbers numbers_of(FrameView frame, std::uint32_t index) const noexcept {
        const std::uint64_t transaction = frame.transaction(index) - first_.transaction();
        JoinedNumbers numbers;
        numbers.checksum = frame.is_joined() ? frame.own_checksum(index) : frame.checksum();
        numbers.position = static_cast<std::uint32_t>(frame.position(index) - first_.position(0));
        numbers.transaction =
            static_cast<std::uint32_t>(transaction * 2 + frame.ends_transaction(index));
        numbers.timestamp = frame.timestamp(index) - first_.timestamp();
        return numbers;
    }
    template <class T>
    static void put(std::byte*& at, const T& value) noexcept {
        std::memcpy(at, &value, sizeof value);
        at += sizeof value;
    }

    FrameView first_;
    std::byte* ends_;
    std::byte* numbers_;
};

}  // namespace

bool FrameJoiner::takes(FrameView frame) const noexcept {
    if (is_empty() || !is_small(frame)) return false;
    const FrameView last(frames_bytes_.data() + last_);
    const std::uint32_t index = frame.count() - 1;
    return frame.segment() == segment() && frame.has_metadata() == last.has_metadata() &&
           frame.first_sequence() == last.last_sequence() + 1 &&
           frame.first_position() > last.last_position() &&
           frame.timestamp() >= last.last_timestamp() &&
           frame.transaction() >= last.transaction(last.count() - 1) &&
           frame.last_position() - first().first_position() <= distance_max &&
           frame.transaction(index) - first().transaction() <= distance_max / 2 &&
           joined_body_bytes(count_ + frame.count(), record_bytes_ + record_bytes(frame)) <=
               body_bytes_max;
}

void FrameJoiner::add(FrameView frame) {
    const Bytes padded(frame.data(), frame.padded_length());
    last_ = frames_bytes_.size();
    frames_bytes_.insert(frames_bytes_.end(), padded.begin(), padded.end());
    ++frames_;
    count_ += frame.count();
    record_bytes_ += record_bytes(frame);
}

void FrameJoiner::finish(std::vector<std::byte>& out, std::uint64_t store_seed) {
    if (frames_ == 1)
        append_padded(out, first());
    else if (frames_ > 1)
        join(out, store_seed);
    clear();
}

void FrameJoiner::clear() noexcept {
    frames_bytes_.clear();
    frames_ = count_ = 0;
    record_bytes_ = 0;
}

void FrameJoiner::join(std::vector<std::byte>& out, std::uint64_t store_seed) const {
    const std::size_t length = frame_header_bytes + joined_body_bytes(count_, record_bytes_);
    const std::size_t begin = out.size();
    out.resize(begin + padded(length));
    std::byte* const at = out.data() + begin;
    std::byte* const body = at + frame_header_bytes;
    Index index(first(), body, count_);
    std::byte* const records = body + joined_body_bytes(count_, 0);
    std::size_t done = 0;
    for (std::size_t offset = 0; offset < frames_bytes_.size();) {
        const FrameView frame(frames_bytes_.data() + offset);
        index.add(frame, done);
        const std::size_t bytes = record_bytes(frame);
        if (bytes != 0)
            std::memcpy(records + done, frame.body().data() + frame.index_bytes(), bytes);
        done += bytes;
        offset += frame.padded_length();
    }
    FrameHeader header;
    std::memcpy(&header, frames_bytes_.data(), sizeof header);
    header.prefix.length = static_cast<std::uint32_t>(length);
    header.prefix.count = static_cast<std::uint16_t>(count_);
    header.prefix.type = static_cast<std::uint8_t>(ItemType::records_joined);
    header.prefix.flags = header.prefix.flags.value() & item_flags::has_metadata;
    std::memcpy(at, &header, sizeof header);
    const std::uint64_t body_hash = checksum({body, length - frame_header_bytes}, 0);
    header.prefix.checksum = frame_checksum(at, body_hash, frame_seed(store_seed, segment()));
    std::memcpy(at, &header, sizeof header.prefix);
}

}  // namespace braid::segment
