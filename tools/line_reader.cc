#include "tools/line_reader.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace braid::tools {

namespace {
constexpr std::size_t buffer_bytes = std::size_t{256} << 10;
}

LineReader::LineReader(int fd, std::string name, std::size_t line_bytes_max)
    : fd_(fd), name_(std::move(name)), line_bytes_max_(line_bytes_max), buffer_(buffer_bytes) {}

Result<std::optional<std::string_view>> LineReader::next() {
    std::size_t searched = begin_;
    for (;;) {
        const char* from = buffer_.data() + searched;
        const void* newline = std::memchr(from, '\n', end_ - searched);
        const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
        if (newline != nullptr) {
            const auto length =
                static_cast<std::size_t>(static_cast<const char*>(newline) - rest.data());
            begin_ += length + 1;
            ++line_;
            return std::optional(rest.substr(0, length));
        }
        if (rest.size() > line_bytes_max_) {
            return Error(Errc::too_large, fmt::format("{}:{}: a line of more than {} bytes", name_,
                                                      line_ + 1, line_bytes_max_));
        }
        const std::size_t already = rest.size();
        auto filled = fill();
        if (!filled) return filled.error();
        searched = begin_ + already;
        if (*filled) continue;
        if (begin_ == end_) return std::optional<std::string_view>();
        ++line_;
        const std::string_view last(buffer_.data() + begin_, end_ - begin_);
        begin_ = end_;
        return std::optional(last);
    }
}

/// Reads more behind what is held; false at the end of the input.
Result<bool> LineReader::fill() {
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (end_ == buffer_.size()) buffer_.resize(buffer_.size() * 2);
    for (;;) {
        const ssize_t count = ::read(fd_, buffer_.data() + end_, buffer_.size() - end_);
        if (count >= 0) {
            end_ += static_cast<std::size_t>(count);
            return count > 0;
        }
        if (errno == EINTR) continue;
        return Error(Errc::io, fmt::format("read {}: {}", name_, std::strerror(errno)), errno);
    }
}

}  // namespace braid::tools
