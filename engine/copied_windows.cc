#include "engine/copied_windows.h"

#include <iterator>

namespace braid {

std::shared_ptr<const CopiedWindows::Window> CopiedWindows::find(FileId id, std::uint64_t offset,
                                                                 std::uint64_t length) {
    const std::scoped_lock lock(mutex_);
    const auto beyond = by_begin_.upper_bound(key_of(id, offset));
    if (beyond == by_begin_.begin()) return nullptr;
    const auto found = std::prev(beyond)->second;
    const Window& window = **found;
    if (window.id != id || offset + length > window.begin + window.bytes.size()) return nullptr;
    kept_.splice(kept_.begin(), kept_, found);
    return kept_.front();
}

void CopiedWindows::keep(const std::shared_ptr<Window>& window) {
    const std::scoped_lock lock(mutex_);
    const Key key = key_of(window->id, window->begin);
    if (const auto same = by_begin_.find(key); same != by_begin_.end()) let_go(same->second);
    List fresh{window};
    by_begin_.emplace(key, fresh.begin());
    kept_.splice(kept_.begin(), fresh);
    bytes_ += window->bytes.size();
    while (bytes_ > bytes_max_ && kept_.size() > 1) let_go(std::prev(kept_.end()));
}

void CopiedWindows::forget(FileId id) noexcept {
    const std::scoped_lock lock(mutex_);
    for (auto window = kept_.begin(); window != kept_.end();) {
        const auto next = std::next(window);
        if ((*window)->id == id) let_go(window);
        window = next;
    }
}

void CopiedWindows::let_go(List::iterator window) noexcept {
    const std::uint64_t bytes = (*window)->bytes.size();
    bytes_ -= bytes;
    (*window)->pinned_share.begin(pinned_, bytes);
    by_begin_.erase(key_of((*window)->id, (*window)->begin));
    kept_.erase(window);
}

}  // namespace braid
