#include "engine/gather_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "segment/pack.h"

namespace braid {

using segment::FrameView;

namespace {

constexpr std::size_t window_bytes_min = 512;
constexpr std::size_t window_bytes_max = 256 << 10;
/// So much is looked through at a time.
constexpr std::uint64_t scan_bytes = 4 << 20;

}  // namespace

Result<Bytes> ReadWindow::at(std::uint64_t offset, std::size_t length) {
    const auto serves = [&] {
        return offset >= offset_ && offset + length <= offset_ + bytes_.size();
    };
    if (!serves()) {
        const std::uint64_t end = offset_ + bytes_.size();
        const bool in_order = step_ != 0 && offset >= offset_ && offset <= end + step_;
        step_ = in_order ? std::min(2 * step_, window_bytes_max) : window_bytes_min;
        bytes_.resize(std::max(step_, length));
        offset_ = offset;
        const auto read = file_->read(bytes_, offset);
        bytes_.resize(read ? *read : 0);
        if (!read) return read.error();
        if (!serves())
            return Error(Errc::corrupt,
                         fmt::format("{}: the file ends at {}, {} are expected", file_->name(),
                                     offset + *read, offset + length));
    }
    return Bytes(bytes_).subspan(offset - offset_, length);
}

GatherSource::GatherSource(const PackState& pack, std::unique_ptr<io::File> file,
                           std::uint64_t store_seed)
    : pack_(pack),
      name_(segment::pack_name(pack.info.number)),
      store_seed_(store_seed),
      cached_bytes_(file->cached_bytes().value_or(pack.info.bytes)),
      window_(std::move(file)),
      scanned_(segment::file_header_bytes) {}

Error GatherSource::damaged(std::uint64_t offset, const char* what) const {
    return Error(Errc::corrupt, fmt::format("{} at offset {}: {}", name_, offset, what));
}

/// Of the extent at this offset, with bounds that lie within the extents.
Result<FrameView> GatherSource::frame_at(std::uint64_t offset) {
    constexpr std::size_t least = segment::extent_header_bytes + segment::frame_header_bytes;
    const std::uint64_t left = pack_.info.extents_end - offset;
    if (left < least) return damaged(offset, "no extent can lie here");
    const auto begin = window_.at(offset, least);
    if (!begin) return begin.error();
    const std::uint64_t bytes =
        segment::extent_header_bytes +
        FrameView(begin->data() + segment::extent_header_bytes).padded_length();
    if (bytes < least || bytes > left || bytes > segment::item_bytes_max + least)
        return damaged(offset, "the frame goes beyond the last extent");
    const auto whole = window_.at(offset, bytes);
    if (!whole) return whole.error();
    const Bytes frame = whole->subspan(segment::extent_header_bytes);
    if (!segment::is_frame(segment::look(frame).type)) return damaged(offset, "no frame is here");
    return FrameView(frame.data());
}

Result<bool> GatherSource::scan(const SegmentTable& table) {
    const std::uint64_t end = std::min(scanned_ + scan_bytes, pack_.info.extents_end);
    while (scanned_ < end) {
        const auto frame = frame_at(scanned_);
        if (!frame) return frame.error();
        const SegmentState* segment = table.find(frame->segment());
        if (segment == nullptr) return damaged(scanned_, "a frame of a segment never named");
        if (frame->last_sequence() <= segment->trimmed) {
            // What is left out isn't looked at again: it must be what it says.
            if (const char* reason = segment::verify_frame(*frame, store_seed_))
                return damaged(scanned_, reason);
            leaves_out_ = true;
        } else {
            if (!pack_.gathered)
                found_.push_back({frame->segment().value, frame->first_sequence().value,
                                  static_cast<std::uint32_t>(places_.size())});
            places_.push_back(static_cast<std::uint32_t>(scanned_ / 8));
        }
        scanned_ += segment::extent_header_bytes + frame->padded_length();
    }
    if (scanned_ < pack_.info.extents_end) return false;
    sort_found();
    moved_.resize(places_.size());
    return true;
}

void GatherSource::sort_found() {
    std::sort(found_.begin(), found_.end(), [](const Found& left, const Found& right) {
        return std::pair(left.segment, left.sequence) < std::pair(right.segment, right.sequence);
    });
    sorted_.reserve(found_.size());
    for (const Found& found : found_) sorted_.push_back(found.ordinal);
    found_ = {};
}

Result<void> GatherSource::next() {
    current_.reset();
    if (at_ == places_.size()) return {};
    ++at_;
    const auto frame = frame_at(std::uint64_t{places_[ordinal()]} * 8);
    if (!frame) return frame.error();
    current_.emplace(frame->segment().value, frame->first_sequence().value);
    return {};
}

Result<Bytes> GatherSource::extent() {
    const std::uint64_t offset = std::uint64_t{places_[ordinal()]} * 8;
    const auto frame = frame_at(offset);
    if (!frame) return frame.error();
    if (const char* reason = segment::verify_frame(*frame, store_seed_))
        return damaged(offset, reason);
    if (Key(frame->segment().value, frame->first_sequence().value) != *current_)
        return damaged(offset, "another frame is here now");
    if (frame->first_position() < pack_.info.first_position ||
        frame->last_position() > pack_.info.last_position)
        return damaged(offset, "a frame of another pack");
    return Bytes(frame->data() - segment::extent_header_bytes,
                 segment::extent_header_bytes + frame->padded_length());
}

std::optional<std::uint64_t> GatherSource::moved_from(std::uint64_t offset) const noexcept {
    const auto found = std::lower_bound(places_.begin(), places_.end(), offset / 8);
    if (found == places_.end() || *found != offset / 8) return std::nullopt;
    return std::uint64_t{moved_[static_cast<std::size_t>(found - places_.begin())]} * 8;
}

Result<std::vector<index::OrderEntry>> GatherSource::order(const index::OrderSection& section,
                                                           std::optional<std::uint64_t> previous) {
    const auto bytes = window_.at(section.offset, section.bytes);
    if (!bytes) return bytes.error();
    return index::decode_order_section(*bytes, section, previous, store_seed_, name_);
}

}  // namespace braid
