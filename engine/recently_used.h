#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace braid {

/// Values that were used lately, as many as fit into a number of bytes; those used longest ago go
/// first. What somebody still has stays his. Any thread.
template <class Key, class Value>
class RecentlyUsed {
public:
    explicit RecentlyUsed(std::size_t bytes_max) : bytes_max_(bytes_max) {}

    /// nullptr if it isn't there (any more).
    [[nodiscard]] std::shared_ptr<const Value> find(const Key& key) {
        const std::scoped_lock lock(mutex_);
        const auto found = places_.find(key);
        if (found == places_.end()) return nullptr;
        items_.splice(items_.begin(), items_, found->second);
        return found->second->value;
    }
    /// In place of one of the same key. One that is larger than all may be is there alone.
    void add(const Key& key, std::shared_ptr<const Value> value, std::size_t bytes) {
        const std::scoped_lock lock(mutex_);
        const auto old = places_.find(key);
        if (old != places_.end()) remove(old->second);
        while (!items_.empty() && bytes_ + bytes > bytes_max_) remove(std::prev(items_.end()));
        items_.push_front({key, std::move(value), bytes});
        bytes_ += bytes;
        try {
            places_.emplace(key, items_.begin());
        } catch (...) {
            bytes_ -= bytes;
            items_.pop_front();
            throw;
        }
    }
    [[nodiscard]] std::size_t bytes() const {
        const std::scoped_lock lock(mutex_);
        return bytes_;
    }

private:
    struct Item {
        Key key;
        std::shared_ptr<const Value> value;
        std::size_t bytes;
    };
    using Place = typename std::list<Item>::iterator;

    void remove(Place item) {
        bytes_ -= item->bytes;
        places_.erase(item->key);
        items_.erase(item);
    }

    const std::size_t bytes_max_;
    mutable std::mutex mutex_;  // of all below
    std::list<Item> items_;     // the one used last first
    std::map<Key, Place> places_;
    std::size_t bytes_ = 0;
};

}  // namespace braid
