#include "tools/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <string>

namespace braid::tools {

namespace {

constexpr auto interval = std::chrono::milliseconds(200);

void write_terminal(std::string_view text) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

Progress::Progress(std::string_view what)
    : what_(what), terminal_(::isatty(STDERR_FILENO) == 1), next_(Clock::now() + 2 * interval) {}

Progress::~Progress() {
    if (shown_) write_terminal("\r\x1b[K");
}

void Progress::show(std::uint64_t count) {
    if (!terminal_ || Clock::now() < next_) return;
    write_terminal(fmt::format("\r{} {}\x1b[K", count, what_));
    shown_ = true;
    next_ = Clock::now() + interval;
}

}  // namespace braid::tools
