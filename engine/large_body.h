#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "io/aligned_buffer.h"
#include "segment/body_reference.h"

namespace braid {

/// A record of a transaction that goes to a body file: the only copy of it that is made.
struct LargeBody {
    std::size_t frame = 0;  ///< of the transaction's, that refers to it
    std::uint64_t length = 0;
    std::uint64_t hash = 0;
    io::AlignedBuffer memory;          ///< up to a block zeros follow; none once it is written
    std::shared_ptr<const void> file;  ///< once it is written: that file may get a reference

    [[nodiscard]] Bytes blocks() noexcept { return memory.first(io::whole_blocks(length)); }
};

/// Memory for large bodies, kept for the next ones: memory that is new to a process costs as much
/// as writing it to a disk. Bounded. Any thread.
class BodyBuffers {
public:
    BodyBuffers() { free_.reserve(buffers_max); }

    /// At least so many bytes, whatever they hold.
    [[nodiscard]] io::AlignedBuffer take(std::uint64_t bytes);
    void give_back(io::AlignedBuffer memory) noexcept;

private:
    static constexpr std::size_t buffers_max = 32;
    static constexpr std::uint64_t bytes_max = std::uint64_t{16} << 20;

    std::mutex mutex_;  // of what follows
    std::vector<io::AlignedBuffer> free_;
    std::uint64_t bytes_ = 0;
};

}  // namespace braid
