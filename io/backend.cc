#include "io/backend.h"

#include <fmt/format.h>
#include <cerrno>
#include <system_error>

namespace braid::io {
namespace {

std::string_view likely_cause(int error) {
    switch (error) {
        case EPERM:
        case EACCES:
            return "denied by the sysctl kernel.io_uring_disabled or by a container's seccomp "
                   "profile";
        case ENOSYS:
            return "the kernel has no io_uring, or a sandbox hides it";
        case ENOMEM:
            return "the limit of locked memory (ulimit -l) is too low";
        case EMFILE:
        case ENFILE:
            return "the limit of open files (ulimit -n) is reached";
        default:
            return "the kernel refused a ring";
    }
}

}  // namespace

std::string uring_denial(int error) {
    return fmt::format("{}: {}", std::generic_category().message(error), likely_cause(error));
}

Result<BackendChoice> choose_backend(Backend asked, int probe_error) {
    if (asked == Backend::posix) return BackendChoice{false, false, "posix"};
    if (probe_error == 0) return BackendChoice{true, asked == Backend::automatic, "uring"};
    if (asked == Backend::automatic) return fall_back(probe_error);
    return Error(
        Errc::io,
        fmt::format("io_uring: {}; plain calls work without it", uring_denial(probe_error)),
        probe_error);
}

BackendChoice fall_back(int error) {
    return {false, false, fmt::format("posix (io_uring: {})", uring_denial(error))};
}

}  // namespace braid::io
