#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "io/file.h"
#include "segment/frame.h"

namespace braid {

/// Which frames of a mapped file were verified already, so that no frame need be hashed again: 16
/// bits for each 4 KiB. They know the place of one frame that begins there, which is what finds a
/// large frame again, and whether all were verified, which is what a walk over small ones needs.
/// Any thread; nothing but the marks themselves is ordered, since the bytes never change.
class VerifiedFrames {
public:
    static constexpr std::uint64_t block_bytes = 4096;

    explicit VerifiedFrames(std::uint64_t file_bytes)
        : marks_(std::make_unique<std::atomic<std::uint16_t>[]>(file_bytes / block_bytes + 1)) {}

    /// Whether the frame that begins exactly there was verified.
    [[nodiscard]] bool has(std::uint64_t offset) const noexcept {
        return (mark(offset).load(std::memory_order_relaxed) & ~all) == place(offset);
    }
    void add(std::uint64_t offset) noexcept {
        auto& changed = mark(offset);
        const unsigned kept = changed.load(std::memory_order_relaxed) & all;
        changed.store(static_cast<std::uint16_t>(kept | place(offset)), std::memory_order_relaxed);
    }
    /// Whether all frames were verified that begin in the block of this offset.
    [[nodiscard]] bool has_all(std::uint64_t offset) const noexcept {
        return (mark(offset).load(std::memory_order_relaxed) & all) != 0;
    }
    void add_all(std::uint64_t offset) noexcept {
        mark(offset).fetch_or(all, std::memory_order_relaxed);
    }

private:
    static constexpr std::uint16_t all = 0x8000;
    static unsigned place(std::uint64_t offset) noexcept {
        return static_cast<unsigned>(offset % block_bytes / 8 + 1);
    }
    [[nodiscard]] std::atomic<std::uint16_t>& mark(std::uint64_t offset) const noexcept {
        return marks_[offset / block_bytes];
    }

    std::unique_ptr<std::atomic<std::uint16_t>[]> marks_;
};

/// Verifies the frames of one file that one reader comes by, each once in the process as far as
/// `VerifiedFrames` remembers. That all frames of a block were verified is believed only where the
/// walk came from a verified frame to the next: a place that an index or a link names need not be
/// a frame's at all.
class FrameWalk {
public:
    FrameWalk() = default;
    /// `gap`: bytes between a frame's end with its padding and the next frame's first byte.
    /// `verified`: nullptr where nothing is remembered. `random`: nullptr unless nothing is read
    /// ahead in it, so that a large frame would be fetched a page at a time. Both outlive the walk.
    FrameWalk(VerifiedFrames* verified, std::uint64_t gap, io::Mapping* random = nullptr)
        : verified_(verified), gap_(gap), random_(random) {}

    /// Whether the walk has come from the frame before to this offset, and knows that the frames
    /// here were all verified.
    [[nodiscard]] bool knows(std::uint64_t offset) const noexcept {
        return all_known_ && offset == next_ && offset / VerifiedFrames::block_bytes == block_;
    }
    /// Goes past the frame at an offset that it knows.
    void pass(segment::FrameView frame, std::uint64_t offset) noexcept {
        next_ = offset + frame.padded_length() + gap_;
    }
    [[nodiscard]] std::uint64_t gap() const noexcept { return gap_; }
    /// Whether the frame at this offset was verified, wherever the walk comes from.
    [[nodiscard]] bool remembers(std::uint64_t offset) const noexcept {
        return verified_ != nullptr && verified_->has(offset);
    }

    /// Checks the frame at this offset of the file, whose bounds were looked at. nullptr if it is
    /// sound, else the reason in words.
    [[nodiscard]] const char* verify(segment::FrameView frame, std::uint64_t offset,
                                     std::uint64_t store_seed) noexcept {
        if (verified_ == nullptr) return segment::verify_frame(frame, store_seed);
        const bool follows = offset == next_;
        if (offset / VerifiedFrames::block_bytes != block_) enter_block(offset, follows);
        whole_ &= follows || begins_block(offset);
        if (!(follows && all_known_) && !verified_->has(offset)) {
            if (random_ != nullptr && frame.length() > page_bytes)
                random_->expect_reads(frame.bytes());
            if (const char* reason = segment::verify_frame(frame, store_seed)) {
                next_ = 0;
                return reason;
            }
            verified_->add(offset);
        }
        next_ = offset + frame.padded_length() + gap_;
        return nullptr;
    }

private:
    [[nodiscard]] bool begins_block(std::uint64_t offset) const noexcept {
        return (offset - gap_) % VerifiedFrames::block_bytes == 0;
    }
    void enter_block(std::uint64_t offset, bool follows) noexcept {
        if (whole_ && follows) verified_->add_all(block_ * VerifiedFrames::block_bytes);
        block_ = offset / VerifiedFrames::block_bytes;
        all_known_ = verified_->has_all(offset);
        whole_ = true;
    }

    static constexpr std::uint32_t page_bytes = 4096;

    VerifiedFrames* verified_ = nullptr;
    std::uint64_t gap_ = 0;
    io::Mapping* random_ = nullptr;
    std::uint64_t next_ = 0;   // where the frame behind the last one begins
    std::uint64_t block_ = 0;  // of the last frame; 0 is the file's header
    bool all_known_ = false;   // of that block
    bool whole_ = false;       // everything that begins in it was walked so far
};

}  // namespace braid
