// Input: an image (image.h), written into a directory in memory; mode bit 1: as text, not JSON.
// Claims: the dump ends with a code of its own, changes no file, and each line of JSON is an object
// that names a file and an offset in it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>

#include "tests/fuzz/image.h"
#include "tests/fuzz/target.h"
#include "tools/dump.h"
#include "tools/exit_code.h"

namespace braid::fuzz {
namespace {

namespace fs = std::filesystem;

void write_file(const fs::path& path, Bytes bytes) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    BRAID_CHECK(
        fd >= 0 && ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
        "{} can't be written", path.string());
    ::close(fd);
}

/// A directory of this process alone, gone when it ends well.
class Directory {
public:
    Directory() {
        const char* base = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        std::string pattern = std::string(base) + "/braid-fuzz-XXXXXX";
        BRAID_CHECK(::mkdtemp(pattern.data()) != nullptr, "no directory {}", pattern);
        path_ = pattern;
    }
    ~Directory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    void hold(const Image& image) {
        for (const auto& entry : fs::directory_iterator(path_)) fs::remove(entry.path());
        for (const auto& [name, bytes] : image.files) write_file(path_ / name, bytes);
    }
    [[nodiscard]] const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

std::string take_output(int fd) {
    const auto size = static_cast<std::size_t>(::lseek(fd, 0, SEEK_END));
    std::string text(size, '\0');
    BRAID_CHECK(::pread(fd, text.data(), size, 0) == static_cast<ssize_t>(size), "no output");
    ::close(fd);
    return text;
}

void check_lines(std::string_view text, const Image& image) {
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        BRAID_CHECK(end != std::string_view::npos, "a line without an end");
        boost::system::error_code error;
        const auto line = boost::json::parse(text.substr(0, end), error);
        BRAID_CHECK(!error && line.is_object(), "not JSON: {}", text.substr(0, end));
        const auto& object = line.get_object();
        const auto file = image.files.find(std::string(object.at("file").as_string()));
        BRAID_CHECK(file != image.files.end(), "another file: {}", text.substr(0, end));
        BRAID_CHECK(object.at("offset").to_number<std::uint64_t>() <= file->second.size(),
                    "an offset beyond {} bytes: {}", file->second.size(), text.substr(0, end));
        text.remove_prefix(end + 1);
    }
}

}  // namespace
}  // namespace braid::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace braid;
    static fuzz::Directory directory;
    const fuzz::Image image = fuzz::read_image(fuzz::input_bytes(data, size));
    const bool json = (image.modes & 2) == 0;
    directory.hold(image);
    const int fd = ::memfd_create("dump", 0);
    tools::Output output(fd);
    const int code = tools::dump_to({directory.path().string(), json}, output);
    BRAID_CHECK(code == tools::exit_done || code == tools::exit_damage, "exit code {}", code);
    const std::string text = fuzz::take_output(fd);
    if (json) fuzz::check_lines(text, image);
    for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
        BRAID_CHECK(image.files.contains(entry.path().filename().string()), "the dump made {}",
                    entry.path().filename().string());
    return 0;
}
