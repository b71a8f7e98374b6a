#include "bench/place.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include <algorithm>
#include <braid/store.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "bench/records.h"

namespace bench {
namespace {

std::string environment(const char* name, const char* otherwise) {
    const char* value = ::getenv(name);
    return value != nullptr && *value != '\0' ? value : otherwise;
}

std::string made_in(const std::string& parent) {
    std::string path = parent + "/braid-bench-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr)
        give_up(fmt::format("can't make a directory in {}: {}", parent, std::strerror(errno)));
    return path;
}

struct Place {
    std::string path;
    ~Place() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
};

struct Mount {
    std::string point;
    std::string type;
    std::string device;
};

/// The mount that the path lies in: the longest mount point that is a beginning of it.
Mount mount_of(const std::string& path) {
    std::ifstream lines("/proc/self/mountinfo");
    Mount found;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        Mount mount;
        std::string word;
        for (int column = 1; column <= 5 && words >> word; ++column) mount.point = word;
        while (words >> word && word != "-") {
        }
        words >> mount.type >> mount.device;
        const bool whole =
            mount.point == "/" || path == mount.point || path.starts_with(mount.point + "/");
        if (whole && mount.point.size() >= found.point.size()) found = mount;
    }
    return found;
}

std::string processor() {
    std::ifstream lines("/proc/cpuinfo");
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    return "unknown";
}

/// What the store says that it writes with.
std::string io_used() {
    const Scratch scratch;
    auto store = must(braid::Store::open(scratch.path(), {.create = true, .io = io_asked()}));
    return store.stat().io;
}

void warn(const Mount& mount) {
#ifndef __OPTIMIZE__
    fmt::print(stderr, "*** built without optimisation ***\n");
#endif
    if (mount.type == "tmpfs" || mount.type == "ramfs")
        fmt::print(
            stderr,
            "*** {} is memory ({}): a flush does nothing there; set BRAID_BENCH_DIR to a disk "
            "***\n",
            place(), mount.type);
}

}  // namespace

void give_up(const std::string& what) {
    fmt::print(stderr, "braid-bench: {}\n", what);
    std::exit(1);
}

const std::string& place() {
    static const Place made{
        made_in(std::filesystem::absolute(environment("BRAID_BENCH_DIR", ".")).lexically_normal())};
    return made.path;
}

braid::Io io_asked() {
    const std::string asked = environment("BRAID_BENCH_IO", "auto");
    if (asked == "uring") return braid::Io::uring;
    if (asked == "posix") return braid::Io::posix;
    if (asked != "auto") give_up("BRAID_BENCH_IO is auto, uring or posix, not " + asked);
    return braid::Io::automatic;
}

std::vector<std::pair<std::string, std::string>> place_facts() {
    const Mount mount = mount_of(std::filesystem::canonical(place()));
    utsname system{};
    ::uname(&system);
    warn(mount);
    return {{"directory", place()},
            {"file system", mount.type},
            {"device", mount.device},
            {"kernel", fmt::format("{} {}", system.release, system.machine)},
            {"processor", processor()},
            {"threads", fmt::format("{}", std::thread::hardware_concurrency())},
            {"payload", fmt::format("{} bytes", payload_bytes)},
            {"io", io_used()}};
}

Scratch::Scratch() : path_(made_in(place())) {}

Scratch::~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace bench
