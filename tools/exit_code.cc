#include "tools/exit_code.h"

#include <fmt/format.h>
#include <unistd.h>

#include <string>

namespace braid::tools {

ExitCode exit_code(Errc code) noexcept {
    switch (code) {
        case Errc::corrupt:
            return exit_damage;
        case Errc::not_found:
            return exit_not_found;
        default:
            return exit_failed;
    }
}

void say(std::string_view sentence) {
    const std::string line = fmt::format("braid: {}\n", sentence);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

ExitCode report(const Error& error) {
    say(error.message());
    return exit_code(error.code());
}

}  // namespace braid::tools
