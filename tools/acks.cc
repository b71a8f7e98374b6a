#include "tools/acks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace braid::tools {

Acks::~Acks() {
    if (fd_ >= 0) ::close(fd_);
}

Result<void> Acks::open(const std::string& path) {
    path_ = path;
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd_ >= 0) return {};
    return Error(Errc::io, fmt::format("open {}: {}", path, std::strerror(errno)), errno);
}

Result<void> Acks::write(std::string_view trx_word, const Receipt& receipt) {
    if (fd_ < 0) return {};
    const std::string line = fmt::format("{} {} {}\n", trx_word, receipt.first_position.value,
                                         receipt.last_position.value);
    const ssize_t count = ::write(fd_, line.data(), line.size());
    if (count == static_cast<ssize_t>(line.size())) return {};
    const int reason = count < 0 ? errno : ENOSPC;
    return Error(Errc::io, fmt::format("write {}: {}", path_, std::strerror(reason)), reason);
}

}  // namespace braid::tools
