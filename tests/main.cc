#define DOCTEST_CONFIG_IMPLEMENT
#include "tests/main.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

namespace braid::test {

namespace {
Io backend = Io::automatic;
}

Io io() {
    return backend;
}

}  // namespace braid::test

/// The doctest runner, with `--io auto|uring|posix` for the suites that use real files.
int main(int argc, char** argv) {
    std::vector<char*> rest;
    for (int i = 0; i < argc; ++i) {
        if (std::strcmp(argv[i], "--io") == 0 && i + 1 < argc) {
            const char* name = argv[++i];
            braid::test::backend = std::strcmp(name, "uring") == 0   ? braid::Io::uring
                                   : std::strcmp(name, "posix") == 0 ? braid::Io::posix
                                                                     : braid::Io::automatic;
        } else {
            rest.push_back(argv[i]);
        }
    }
    doctest::Context context(static_cast<int>(rest.size()), rest.data());
    return context.run();
}
