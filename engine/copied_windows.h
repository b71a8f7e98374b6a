#pragma once

#include <braid/entry.hpp>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

#include "engine/file_id.h"
#include "segment/pinned.h"

namespace braid {

/// Stretches of files in memory of their own. Those that were used last are kept, so that what lies
/// together is read once: so many bytes of them, or one that is larger. What is let go of stays as
/// long as it is pinned. Any thread.
class CopiedWindows {
public:
    /// Of a file from `begin` on.
    struct Window {
        FileId id;
        std::uint64_t begin = 0;
        std::vector<std::byte> bytes;
        segment::Pinned::Share pinned_share;
    };
    CopiedWindows(std::uint64_t bytes_max, std::shared_ptr<segment::Pinned> pinned)
        : bytes_max_(bytes_max), pinned_(std::move(pinned)) {}

    /// One that holds [offset, offset + length), or nullptr.
    [[nodiscard]] std::shared_ptr<const Window> find(FileId id, std::uint64_t offset,
                                                     std::uint64_t length);
    void keep(const std::shared_ptr<Window>& window);
    /// Lets go of a file's.
    void forget(FileId id) noexcept;

private:
    using Key = std::tuple<SegmentId, std::uint32_t, std::uint64_t>;  // of the file, begin
    using List = std::list<std::shared_ptr<Window>>;
    [[nodiscard]] static Key key_of(FileId id, std::uint64_t begin) noexcept {
        return {id.segment, id.number, begin};
    }
    /// Under the mutex.
    void let_go(List::iterator window) noexcept;

    const std::uint64_t bytes_max_;
    const std::shared_ptr<segment::Pinned> pinned_;
    std::mutex mutex_;  // of what follows
    List kept_;         // newest use first
    std::map<Key, List::iterator> by_begin_;
    std::uint64_t bytes_ = 0;
};

}  // namespace braid
