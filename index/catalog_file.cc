#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "index/catalog.h"

namespace braid::index {

namespace {

constexpr std::string_view name_prefix = "catalog-";

}  // namespace

std::string catalog_name(std::uint64_t number) {
    return fmt::format("{}{:06}", name_prefix, number);
}

std::vector<std::uint64_t> catalog_numbers(const std::vector<io::DirectoryEntry>& files) {
    std::vector<std::uint64_t> numbers;
    for (const io::DirectoryEntry& file : files) {
        if (!file.name.starts_with(name_prefix)) continue;
        std::uint64_t number = 0;
        const char* end = file.name.data() + file.name.size();
        std::from_chars(file.name.data() + name_prefix.size(), end, number);
        if (number != 0 && catalog_name(number) == file.name) numbers.push_back(number);
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

}  // namespace braid::index
