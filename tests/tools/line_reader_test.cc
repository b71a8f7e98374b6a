#include "tools/line_reader.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

namespace braid::tools {

namespace {

/// A pipe that a thread fills with `text` in parts of `part` bytes, as a slow program would.
class Source {
public:
    Source(std::string text, std::size_t part) {
        REQUIRE(::pipe(ends_) == 0);
        writer_ = std::thread([this, text = std::move(text), part] {
            for (std::size_t at = 0; at < text.size(); at += part) {
                const std::string piece = text.substr(at, part);
                if (::write(ends_[1], piece.data(), piece.size()) < 0) break;
            }
            ::close(ends_[1]);
        });
    }
    ~Source() {
        // Takes what nobody has read, so that the writer ends.
        char rest[4096];
        while (::read(ends_[0], rest, sizeof rest) > 0) {
        }
        writer_.join();
        ::close(ends_[0]);
    }
    [[nodiscard]] int fd() const { return ends_[0]; }

private:
    int ends_[2] = {-1, -1};
    std::thread writer_;
};

std::vector<std::string> lines_of(const std::string& text, std::size_t part) {
    Source source(text, part);
    LineReader reader(source.fd(), "pipe", 1 << 20);
    std::vector<std::string> lines;
    for (;;) {
        const auto line = reader.next();
        REQUIRE(line.has_value());
        if (!*line) return lines;
        lines.emplace_back(**line);
        CHECK(reader.line() == lines.size());
    }
}

}  // namespace

TEST_CASE("lines come without their newline, in whatever parts they arrive") {
    for (const std::size_t part : {1u, 2u, 3u, 1000u}) {
        CHECK(lines_of("", part).empty());
        CHECK(lines_of("\n", part) == std::vector<std::string>{""});
        CHECK(lines_of("a\nbc\n\nd\n", part) == std::vector<std::string>{"a", "bc", "", "d"});
    }
}

TEST_CASE("a last line without a newline counts") {
    CHECK(lines_of("a\nb", 1) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a line longer than the buffer is whole") {
    const std::string large(700 << 10, 'x');
    CHECK(lines_of("a\n" + large + "\nb\n", 4096) == std::vector<std::string>{"a", large, "b"});
}

TEST_CASE("a line beyond the limit is an error that names it") {
    Source source("short\n" + std::string(300 << 10, 'x'), 4096);
    LineReader reader(source.fd(), "pipe", 1000);
    REQUIRE(reader.next().has_value());
    const auto line = reader.next();
    REQUIRE_FALSE(line.has_value());
    CHECK(line.error().code() == Errc::too_large);
    CHECK(line.error().message() == "pipe:2: a line of more than 1000 bytes");
}

TEST_CASE("a failing read is an io error that names the input") {
    LineReader reader(-1, "nowhere", 1000);
    const auto line = reader.next();
    REQUIRE_FALSE(line.has_value());
    CHECK(line.error().code() == Errc::io);
    CHECK(line.error().message() == "read nowhere: Bad file descriptor");
}

}  // namespace braid::tools
