#include "engine/large_body.h"

namespace braid {

io::AlignedBuffer BodyBuffers::take(std::uint64_t bytes) {
    constexpr std::uint64_t waste_max = 4;  // times what is asked for
    {
        const std::scoped_lock lock(mutex_);
        for (auto buffer = free_.rbegin(); buffer != free_.rend(); ++buffer) {
            if (buffer->capacity() < bytes || buffer->capacity() / waste_max > bytes) continue;
            io::AlignedBuffer taken = std::move(*buffer);
            bytes_ -= taken.capacity();
            *buffer = std::move(free_.back());
            free_.pop_back();
            return taken;
        }
    }
    return io::AlignedBuffer(bytes);
}

void BodyBuffers::give_back(io::AlignedBuffer memory) noexcept {
    const std::scoped_lock lock(mutex_);
    if (free_.size() == buffers_max || bytes_ + memory.capacity() > bytes_max) return;
    bytes_ += memory.capacity();
    free_.push_back(std::move(memory));
}

}  // namespace braid
