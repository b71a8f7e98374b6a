#pragma once

#include <braid/options.hpp>
#include <braid/result.hpp>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// The directory that everything measured lies in: a new one in `BRAID_BENCH_DIR`, or in the
/// current directory. Made at the first call, removed with all that is in it when the program ends.
const std::string& place();

/// What `BRAID_BENCH_IO` asks the stores to write with: auto (unset too), uring or posix.
braid::Io io_asked();

/// What figures depend on, names and values: file system, device, kernel, processor, I/O. Warns on
/// stderr when the place is memory, where no durable figure means anything.
std::vector<std::pair<std::string, std::string>> place_facts();

/// A directory of its own in `place`, removed with all that is in it.
class Scratch {
public:
    Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch();

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

/// Ends the program with what failed: a benchmark that goes on would report nonsense.
[[noreturn]] void give_up(const std::string& what);

/// The value, or the end of the program.
template <class T>
T must(braid::Result<T> result) {
    if (!result) give_up(result.error().message());
    return *std::move(result);
}
inline void must(const braid::Result<void>& result) {
    if (!result) give_up(result.error().message());
}

}  // namespace bench
