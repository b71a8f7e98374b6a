#pragma once

#include <memory>

#include "io/queue.h"

namespace braid::io {

/// Makes a ring and drops it: 0, or the errno with which the kernel or a sandbox denies io_uring.
[[nodiscard]] int probe_uring();

/// A queue over io_uring for files of a `PosixDisk`. Made on any thread; belongs to the one that
/// first submits, which must also destroy it unless nothing is in flight. `lock_fd` (or -1) becomes
/// a fixed file of the ring, so that the kernel keeps that open file, and its flock, until the last
/// write of a killed process is done. None, and `error` set, where the kernel refuses.
[[nodiscard]] std::unique_ptr<Queue> make_uring_queue(std::size_t depth, int lock_fd, int& error);

}  // namespace braid::io
