#include "tools/output.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace braid::tools {

namespace {
constexpr std::size_t large_bytes = std::size_t{256} << 10;
}

bool Output::flush_if_large() {
    return buffer_.size() < large_bytes ? good() : flush();
}

bool Output::flush() {
    std::size_t done = 0;
    while (good() && done < buffer_.size()) {
        const ssize_t count = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
        if (count >= 0) {
            done += static_cast<std::size_t>(count);
        } else if (errno != EINTR) {
            errno_ = errno;
        }
    }
    buffer_.clear();
    return good();
}

bool Output::has_reader() const {
    pollfd poll{.fd = fd_, .events = 0, .revents = 0};
    return good() && (::poll(&poll, 1, 0) <= 0 || (poll.revents & (POLLERR | POLLNVAL)) == 0);
}

ExitCode Output::finish() {
    if (flush() || errno_ == EPIPE) return exit_done;
    say(fmt::format("standard output: {}", std::strerror(errno_)));
    return exit_failed;
}

}  // namespace braid::tools
