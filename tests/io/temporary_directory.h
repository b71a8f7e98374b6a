#pragma once

#include <string>

#include "io/disk.h"

namespace braid::test {

/// A new directory, removed with its contents at the end.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

/// What `--io` asks for.
io::Backend backend();

}  // namespace braid::test
