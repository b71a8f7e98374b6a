#pragma once

#include <braid/braid.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace example {

/// A directory for a new store: the first argument, or a fresh one under /tmp.
inline std::string directory(int argc, char** argv) {
    if (argc > 1) return argv[1];
    std::string name = (std::filesystem::temp_directory_path() / "braid-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
        std::perror("mkdtemp");
        std::exit(1);
    }
    return name;
}

/// Ends the program unless what the example claims is so.
inline void expect(bool claim, std::string_view words) {
    std::printf("%s %.*s\n", claim ? "ok" : "NOT SO:", static_cast<int>(words.size()),
                words.data());
    if (!claim) std::exit(1);
}

/// The value of a result; its error ends the program.
template <class T>
T value(braid::Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "%s\n", result.error().message().c_str());
        std::exit(1);
    }
    return *std::move(result);
}

/// A store that didn't exist before.
inline braid::Store open(const std::string& directory) {
    return value(braid::Store::open(directory, {.create = true}));
}

}  // namespace example
