#pragma once

#include "io/disk.h"

namespace braid::io {

/// Which way the engine's own threads write, and why.
struct BackendChoice {
    bool uring = false;
    bool may_fall_back = false;  ///< plain calls will do if a ring can't be made later on
    std::string description;     ///< as `Disk::backend` gives it
};

/// Why io_uring is denied, for people: the error and its likely cause.
[[nodiscard]] std::string uring_denial(int error);

/// Chooses from what the caller asks for and what a trial ring said (0, or an errno; ignored for
/// `posix`). `io` if io_uring is insisted on and denied.
[[nodiscard]] Result<BackendChoice> choose_backend(Backend asked, int probe_error);

/// What is left of a choice once a ring was denied with `error`.
[[nodiscard]] BackendChoice fall_back(int error);

}  // namespace braid::io
