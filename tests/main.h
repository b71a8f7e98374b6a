#pragma once

#include <braid/options.hpp>

namespace braid::test {

/// How the suites that use real files are to write: `--io` on the command line.
Io io();

}  // namespace braid::test
