#pragma once

#include <braid/result.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace braid::tools {

/// Reads lines from a file or pipe, holding one at a time.
class LineReader {
public:
    /// `name` is for messages; the descriptor is borrowed. A line beyond `line_bytes_max` is an
    /// error: memory stays bounded whatever the input is.
    LineReader(int fd, std::string name, std::size_t line_bytes_max);

    /// The next line without its newline, nothing at the end. The view lives until the next call.
    /// A last line without a newline counts.
    Result<std::optional<std::string_view>> next();
    /// Number of the line that `next` gave last, from 1.
    [[nodiscard]] std::uint64_t line() const noexcept { return line_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }

private:
    Result<bool> fill();

    int fd_;
    std::string name_;
    std::size_t line_bytes_max_;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;  // buffer_[begin_, end_) is read and not yet given
    std::size_t end_ = 0;
    std::uint64_t line_ = 0;
};

}  // namespace braid::tools
