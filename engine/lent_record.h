#pragma once

#include <algorithm>
#include <braid/types.hpp>
#include <memory>

namespace braid {

/// Whether readers lend out copies of records (debug builds) instead of views into what is stored.
#ifdef BRAID_POISON_VIEWS
inline constexpr bool poisons_views = true;
#else
inline constexpr bool poisons_views = false;
#endif

/// A copy of a record that is overwritten and freed at its reader's next step: so AddressSanitizer
/// tells who touches a view that is over or reads beyond its end, and without it what is found
/// there is wrong at once, not only when a file is trimmed months later.
class LentRecord {
public:
    LentRecord(Bytes stored, std::shared_ptr<const void> memory)
        : stored_(stored),
          memory_(std::move(memory)),
          copy_(std::make_unique<std::byte[]>(stored.size())) {
        std::copy(stored.begin(), stored.end(), copy_.get());
    }
    ~LentRecord() { std::fill_n(copy_.get(), stored_.size(), std::byte{0xdb}); }
    LentRecord(const LentRecord&) = delete;
    LentRecord& operator=(const LentRecord&) = delete;

    [[nodiscard]] Bytes copy() const noexcept { return {copy_.get(), stored_.size()}; }
    /// What it was copied from, and what keeps that alive.
    [[nodiscard]] Bytes stored() const noexcept { return stored_; }
    [[nodiscard]] const std::shared_ptr<const void>& memory() const noexcept { return memory_; }

private:
    Bytes stored_;
    std::shared_ptr<const void> memory_;
    std::unique_ptr<std::byte[]> copy_;
};

}  // namespace braid
