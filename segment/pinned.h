#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace braid::segment {

/// How much memory is there only for pins: the store has let go of it, and readers or kept entries
/// still hold it. Lives as long as any of it. Any thread.
class Pinned {
public:
    explicit Pinned(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

    [[nodiscard]] std::uint64_t bytes() const noexcept {
        return bytes_.load(std::memory_order_relaxed);
    }
    /// Whether what is to be kept from now on is better copied.
    [[nodiscard]] bool is_full() const noexcept { return bytes() >= bytes_max_; }

    /// What one stretch of memory counts for, of which it is a member.
    class Share {
    public:
        Share() = default;
        ~Share() {
            if (all_ != nullptr) all_->bytes_.fetch_sub(bytes_, std::memory_order_relaxed);
        }
        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;

        /// From now on only pins hold the memory. Called once, by its owner, who lets go of it
        /// then.
        void begin(std::shared_ptr<Pinned> all, std::uint64_t bytes) noexcept {
            all_ = std::move(all);
            bytes_ = bytes;
            all_->bytes_.fetch_add(bytes, std::memory_order_relaxed);
        }

    private:
        std::shared_ptr<Pinned> all_;
        std::uint64_t bytes_ = 0;
    };

private:
    const std::uint64_t bytes_max_;
    std::atomic<std::uint64_t> bytes_{0};  // a figure; nothing is ordered by it
};

}  // namespace braid::segment
