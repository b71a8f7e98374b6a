#include "engine/extent_hints.h"

#include <algorithm>

namespace braid {

ExtentHints::Nearest ExtentHints::nearest(SegmentId segment, Sequence wanted) const {
    const std::scoped_lock lock(mutex_);
    const auto known = known_.find(segment.value);
    if (known == known_.end()) return {};
    const auto& hints = known->second;
    const auto found =
        std::lower_bound(hints.begin(), hints.end(), wanted,
                         [](const Hint& hint, Sequence sequence) { return hint.first < sequence; });
    if (found == hints.end()) return {};
    return {found->link, found != hints.begin()};
}

void ExtentHints::add(SegmentId segment, std::span<const Hint> hints) {
    const std::scoped_lock lock(mutex_);
    if (size_ + hints.size() > hints_max) {
        known_.clear();
        size_ = 0;
    }
    auto& known = known_[segment.value];
    std::vector<Hint> all(known);
    all.insert(all.end(), hints.begin(), hints.end());
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    size_ += all.size() - known.size();
    known.swap(all);
}

std::size_t ExtentHints::size() const {
    const std::scoped_lock lock(mutex_);
    return size_;
}

}  // namespace braid
