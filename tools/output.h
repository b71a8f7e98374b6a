#pragma once

#include <fmt/format.h>

#include <cstddef>

#include "tools/exit_code.h"

namespace braid::tools {

using Buffer = fmt::memory_buffer;

/// Standard output behind a large buffer. After the first failed write everything is dropped and
/// `good` is false; a reader that has gone away (`braid read | head`) is no error.
class Output {
public:
    explicit Output(int fd) : fd_(fd) {}

    [[nodiscard]] Buffer& buffer() noexcept { return buffer_; }
    [[nodiscard]] bool good() const noexcept { return errno_ == 0; }

    /// Writes the buffer out once it is large. False when nothing can be written any more.
    bool flush_if_large();
    bool flush();
    /// Whether somebody still reads, as far as the system tells without writing.
    [[nodiscard]] bool has_reader() const;
    /// Flushes; the exit code of a command that is otherwise done.
    [[nodiscard]] ExitCode finish();

private:
    int fd_;
    int errno_ = 0;
    Buffer buffer_;
};

}  // namespace braid::tools
