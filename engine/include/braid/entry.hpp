#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include <braid/types.hpp>

namespace braid {

/// The metadata of an entry, decoded as it is walked. A view: it lives as long as its entry.
class Metadata {
public:
    class Iterator {
    public:
        using value_type = KeyValue;
        using difference_type = std::ptrdiff_t;

        Iterator() = default;
        Iterator(const std::byte* at, std::size_t left);
        const KeyValue& operator*() const noexcept { return pair_; }
        const KeyValue* operator->() const noexcept { return &pair_; }
        Iterator& operator++();
        Iterator operator++(int) {
            Iterator before = *this;
            ++*this;
            return before;
        }
        bool operator==(const Iterator& other) const noexcept { return left_ == other.left_; }

    private:
        void decode();

        const std::byte* at_ = nullptr;
        std::size_t left_ = 0;
        KeyValue pair_;
    };

    Metadata() = default;
    /// `encoded`: pairs as docs/format.md tells, already checked.
    Metadata(const std::byte* encoded, std::size_t pairs) : encoded_(encoded), pairs_(pairs) {}

    [[nodiscard]] std::size_t size() const noexcept { return pairs_; }
    [[nodiscard]] bool empty() const noexcept { return pairs_ == 0; }
    [[nodiscard]] const std::byte* encoded() const noexcept { return encoded_; }
    [[nodiscard]] Iterator begin() const { return {encoded_, pairs_}; }
    [[nodiscard]] Iterator end() const { return {}; }

private:
    const std::byte* encoded_ = nullptr;
    std::size_t pairs_ = 0;
};

class KeptEntry;
namespace segment {
class Pinned;
}

/// One record as a reader sees it. All views in it live until the reader's next step or end;
/// `keep` and `copy` make them live longer.
struct Entry {
    std::string_view space;
    std::string_view segment;
    Sequence sequence;
    Position position;
    Timestamp timestamp;
    TransactionNumber transaction;
    Bytes payload;
    Metadata metadata;

    /// The payload as text, whatever bytes it holds.
    [[nodiscard]] std::string_view text() const noexcept { return as_text(payload); }

    /// The same entry, holding the memory that it lies in (a mapped file or up to an arena chunk);
    /// where so much is held already that the store has let go of (`StoreStat::pinned_bytes`, from
    /// `tail_bytes_max` on), a copy. Outlives the reader and the store's close. May cross threads.
    [[nodiscard]] KeptEntry keep() const;
    /// The same entry in memory of its own. May cross threads.
    [[nodiscard]] KeptEntry copy() const;

    /// What keeps the views alive; owned by the reader. Not for users.
    const std::shared_ptr<const void>* pin = nullptr;
    const segment::Pinned* pinned = nullptr;  ///< what is pinned already. Not for users.
};

/// An entry that holds its own memory.
class KeptEntry {
public:
    KeptEntry(const Entry& entry, std::shared_ptr<const void> memory);

    const Entry& operator*() const noexcept { return entry_; }
    const Entry* operator->() const noexcept { return &entry_; }

private:
    std::shared_ptr<const void> memory_;
    std::shared_ptr<const std::string> names_;
    Entry entry_;
};

}  // namespace braid
