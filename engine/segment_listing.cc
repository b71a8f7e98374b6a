#include "engine/segment_listing.h"

#include <algorithm>

namespace braid {
namespace {

bool by_name(const SegmentState* left, const SegmentState* right) noexcept {
    return left->name() < right->name();
}

}  // namespace

void SegmentListing::take_new(const IdTable<SegmentState>& segments, SegmentId last) {
    for (; taken_ < last; ++taken_) {
        const SegmentState* segment = segments.find(taken_.value + 1);
        spaces_[segment->space].segments.push_back(segment);
    }
}

void SegmentListing::ByName::sort() {
    if (sorted == segments.size()) return;
    const auto middle = segments.begin() + static_cast<std::ptrdiff_t>(sorted);
    std::sort(middle, segments.end(), by_name);
    std::inplace_merge(segments.begin(), middle, segments.end(), by_name);
    sorted = segments.size();
}

std::vector<std::string> SegmentListing::names(const IdTable<SegmentState>& segments,
                                               SegmentId last, const SpaceState& space,
                                               Position visible, std::string_view after,
                                               std::uint64_t limit) {
    const std::scoped_lock lock(mutex_);
    take_new(segments, last);
    ByName& listed = spaces_[&space];
    listed.sort();
    std::vector<std::string> names;
    auto at = std::upper_bound(
        listed.segments.begin(), listed.segments.end(), after,
        [](std::string_view name, const SegmentState* segment) { return name < segment->name(); });
    for (; at != listed.segments.end() && (limit == 0 || names.size() < limit); ++at)
        if ((*at)->first_position <= visible) names.emplace_back((*at)->name());
    return names;
}

std::size_t SegmentListing::bytes() const {
    const std::scoped_lock lock(mutex_);
    std::size_t bytes = 0;
    for (const auto& [space, listed] : spaces_)
        bytes += listed.segments.capacity() * sizeof(const SegmentState*);
    return bytes;
}

}  // namespace braid
