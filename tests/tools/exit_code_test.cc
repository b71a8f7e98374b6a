#include "tools/exit_code.h"

#include <doctest/doctest.h>

namespace braid::tools {

TEST_CASE("every error has the exit code that scripts rely on") {
    for (int code = static_cast<int>(Errc::invalid_argument);
         code <= static_cast<int>(Errc::closed); ++code) {
        const auto errc = static_cast<Errc>(code);
        CAPTURE(to_string(errc));
        const int expected = errc == Errc::corrupt ? 3 : errc == Errc::not_found ? 4 : 1;
        CHECK(exit_code(errc) == expected);
    }
}

}  // namespace braid::tools
