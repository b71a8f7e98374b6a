#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <vector>

#include "io/file.h"

namespace braid::test {

/// A file in memory whose raw calls give the next of a list of answers: an error, or at most so
/// many bytes. With the list used up, they do all.
class ScriptedFile : public io::File {
public:
    ScriptedFile() : io::File("scripted") {}

    std::deque<std::int64_t> answers;
    std::vector<std::byte> content;
    std::size_t unit = 1;
    std::size_t calls = 0;

    std::int64_t raw_read(std::span<std::byte> into, std::uint64_t offset) override {
        const std::size_t left = offset < content.size() ? content.size() - offset : 0;
        const std::int64_t count = answer(std::min(into.size(), left));
        if (count > 0) std::memcpy(into.data(), content.data() + offset, count);
        return count;
    }
    std::int64_t raw_write(Bytes bytes, std::uint64_t offset, io::WriteMode) override {
        CHECK(offset % unit == 0);
        const std::int64_t count = answer(bytes.size());
        if (count > 0) {
            if (content.size() < offset + count) content.resize(offset + count);
            std::memcpy(content.data() + offset, bytes.data(), count);
        }
        return count;
    }
    std::int64_t raw_sync() override { return answer(0); }
    std::int64_t raw_size() override { return static_cast<std::int64_t>(content.size()); }
    std::int64_t raw_map(std::uint64_t, std::unique_ptr<io::Mapping>&) override { return -ENODEV; }
    std::int64_t raw_allocate(std::uint64_t) override { return -EOPNOTSUPP; }
    std::int64_t raw_cut(std::uint64_t) override { return -EINVAL; }
    std::int64_t raw_cached() override { return -ENOSYS; }
    [[nodiscard]] std::size_t transfer_unit() const noexcept override { return unit; }

private:
    std::int64_t answer(std::size_t whole) {
        ++calls;
        const auto all = static_cast<std::int64_t>(whole);
        if (answers.empty()) return all;
        const std::int64_t next = answers.front();
        answers.pop_front();
        return std::min(next, all);
    }
};

/// Bytes that differ from place to place.
inline std::vector<std::byte> pattern(std::size_t bytes, unsigned seed = 1) {
    std::vector<std::byte> made(bytes);
    unsigned state = seed;
    for (std::byte& one : made) {
        state = state * 1103515245 + 12345;
        one = static_cast<std::byte>(state >> 16);
    }
    return made;
}

}  // namespace braid::test
