#include "tests/io/temporary_directory.h"

#include <braid/check.hpp>
#include <cstdlib>
#include <filesystem>

#include "tests/main.h"

namespace braid::test {

TemporaryDirectory::TemporaryDirectory() {
    std::string path = (std::filesystem::temp_directory_path() / "braid-XXXXXX").string();
    BRAID_CHECK(mkdtemp(path.data()) != nullptr, "no temporary directory like {}", path);
    path_ = path;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

io::Backend backend() {
    switch (io()) {
        case Io::uring:
            return io::Backend::uring;
        case Io::posix:
            return io::Backend::posix;
        default:
            return io::Backend::automatic;
    }
}

}  // namespace braid::test
