#pragma once

#include <doctest/doctest.h>

#include <braid/types.hpp>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace braid::test {

/// An example of docs/format.md: a block ```hex NAME whose lines are an offset, bytes in hex, and
/// behind a | words with values as `name = 12`, `name = 0x1f` or `name = 'text'`.
struct DocumentExample {
    std::vector<std::byte> bytes;
    std::map<std::string, std::string> values;

    [[nodiscard]] const std::string& value(const std::string& name) const {
        const auto found = values.find(name);
        REQUIRE_MESSAGE(found != values.end(), "docs/format.md gives no value for " << name);
        return found->second;
    }
    [[nodiscard]] std::uint64_t number(const std::string& name) const {
        const std::string& text = value(name);
        const bool is_hex = text.starts_with("0x");
        std::uint64_t number = 0;
        const char* end = text.data() + text.size();
        const auto parsed =
            std::from_chars(text.data() + (is_hex ? 2 : 0), end, number, is_hex ? 16 : 10);
        REQUIRE_MESSAGE(parsed.ptr == end, name << " = " << text);
        return number;
    }
    [[nodiscard]] std::string text(const std::string& name) const {
        const std::string& quoted = value(name);
        REQUIRE(quoted.size() >= 2);
        return quoted.substr(1, quoted.size() - 2);
    }
};

/// The page, found from the program upwards: it was built somewhere in the tree.
inline std::ifstream open_format_document() {
    for (auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();;
         folder = folder.parent_path()) {
        std::ifstream page(folder / "docs" / "format.md");
        if (page) return page;
        REQUIRE_MESSAGE(folder != folder.root_path(), "docs/format.md isn't above the program");
    }
}

inline void read_values(const std::string& words, DocumentExample& example) {
    std::istringstream in(words);
    std::string before;
    for (std::string word; in >> word; before = word) {
        if (word != "=" || !(in >> word)) continue;
        if (word.ends_with(',')) word.pop_back();
        CHECK_MESSAGE(example.values.emplace(before, word).second, before << " is there twice");
    }
}

inline void read_line(const std::string& line, DocumentExample& example) {
    const std::size_t bar = line.find('|');
    std::istringstream in(line.substr(0, bar));
    std::size_t offset = 0;
    in >> std::hex >> offset;
    CHECK_MESSAGE(offset == example.bytes.size(), line);
    for (unsigned byte = 0; in >> byte;) example.bytes.push_back(static_cast<std::byte>(byte));
    CHECK_MESSAGE(in.eof(), line);
    if (bar != std::string::npos) read_values(line.substr(bar + 1), example);
}

inline DocumentExample document_example(const std::string& name) {
    std::ifstream page = open_format_document();
    std::string line;
    while (std::getline(page, line) && line != "```hex " + name) {
    }
    REQUIRE_MESSAGE(page, "docs/format.md has no example called " << name);
    DocumentExample example;
    while (std::getline(page, line) && line != "```") read_line(line, example);
    return example;
}

}  // namespace braid::test
