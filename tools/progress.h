#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace braid::tools {

/// A line on stderr that counts up while long work runs, if stderr is a terminal. One thread.
class Progress {
public:
    explicit Progress(std::string_view what);
    /// Wipes the line.
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// Shows the count, a few times a second at most.
    void show(std::uint64_t count);

private:
    using Clock = std::chrono::steady_clock;

    std::string_view what_;
    bool terminal_;
    bool shown_ = false;
    Clock::time_point next_;
};

}  // namespace braid::tools
