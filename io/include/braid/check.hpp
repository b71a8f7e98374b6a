#pragma once

#include <fmt/format.h>

#include <string_view>

namespace braid {

/// Called when an invariant of Braid's own is found broken: a bug in Braid, never bad input or a
/// bad disk. It must not return. The default prints the sentence to stderr and aborts.
using CheckHandler = void (*)(std::string_view sentence);

/// Replaces the handler for the whole process and returns the previous one. Any thread.
CheckHandler set_check_handler(CheckHandler handler) noexcept;

/// Reports a broken invariant to the handler.
[[noreturn]] void check_failed(const char* file, int line, std::string_view sentence);

}  // namespace braid

/// Checks an invariant in release builds too; the further arguments are an {fmt} sentence with the
/// values that a reader of the report needs.
#define BRAID_CHECK(condition, ...)                                                \
    do {                                                                           \
        if (!(condition)) [[unlikely]]                                             \
            ::braid::check_failed(__FILE__, __LINE__, ::fmt::format(__VA_ARGS__)); \
    } while (false)
