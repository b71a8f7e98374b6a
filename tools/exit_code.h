#pragma once

#include <braid/error.hpp>
#include <string_view>

namespace braid::tools {

/// What the process returns to the shell; scripts depend on these numbers.
enum ExitCode : int {
    exit_done = 0,
    exit_failed = 1,     ///< I/O, locked, a condition not met, bad input
    exit_usage = 2,      ///< the command line is wrong
    exit_damage = 3,     ///< stored bytes are not what they must be
    exit_not_found = 4,  ///< no such store; a peek that finds nothing
};

/// The one place where errors of the library become exit codes.
[[nodiscard]] ExitCode exit_code(Errc code) noexcept;

/// Writes "braid: <sentence>" to stderr. Never fails: nobody could be told.
void say(std::string_view sentence);

/// Says the error's sentence and returns its exit code.
ExitCode report(const Error& error);

}  // namespace braid::tools
