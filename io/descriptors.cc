#include "io/descriptors.h"

#include <sys/resource.h>

#include <limits>

namespace braid::io {

std::size_t descriptors_max() noexcept {
    rlimit limit{};
    const bool known = ::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    return known ? limit.rlim_cur : std::numeric_limits<std::size_t>::max();
}

}  // namespace braid::io
