#pragma once

#include <braid/options.hpp>

#include "io/disk.h"

namespace braid {

/// The public options, which name nothing of `io/`, in its words.
[[nodiscard]] constexpr io::Backend backend_of(Io io) noexcept {
    switch (io) {
        case Io::automatic:
            break;
        case Io::uring:
            return io::Backend::uring;
        case Io::posix:
            return io::Backend::posix;
    }
    return io::Backend::automatic;
}

[[nodiscard]] constexpr io::LogSync log_sync_of(LogSync log_sync) noexcept {
    switch (log_sync) {
        case LogSync::synchronous_writes:
            return io::LogSync::synchronous_writes;
        case LogSync::fdatasync:
            return io::LogSync::fdatasync;
        case LogSync::automatic:
            break;
    }
    return io::LogSync::automatic;
}

}  // namespace braid
