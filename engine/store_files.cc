#include "engine/store_files.h"

#include <algorithm>
#include <charconv>

#include "engine/metrics_file.h"

namespace braid {
namespace {

bool is_number(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Whether the name is the prefix and a number.
bool is_numbered(std::string_view name, std::string_view prefix) {
    return name.starts_with(prefix) && is_number(name.substr(prefix.size()));
}

}  // namespace

StoreFile store_file_kind(std::string_view name) {
    constexpr std::string_view unfinished = ".new";
    if (name == "LOCK") return StoreFile::lock;
    if (name == metrics_file_name || name == unfinished_metrics_file_name)
        return StoreFile::metrics;
    if (name == "log.new") return StoreFile::unfinished_log;
    if (is_numbered(name, "log-")) return StoreFile::log;
    if (is_numbered(name, "pack-")) return StoreFile::pack;
    if (is_numbered(name, "body-")) return StoreFile::body;
    if (is_numbered(name, "catalog-")) return StoreFile::catalog;
    if (name.ends_with(unfinished) &&
        is_numbered(name.substr(0, name.size() - unfinished.size()), "catalog-"))
        return StoreFile::unfinished_catalog;
    const std::size_t dash = name.rfind('-');
    if (dash != std::string_view::npos && is_numbered(name.substr(0, dash), "segment-") &&
        is_number(name.substr(dash + 1)))
        return StoreFile::segment;
    return StoreFile::unknown;
}

StoreFileNumbers store_file_numbers(std::string_view name) {
    StoreFileNumbers numbers;
    const auto read = [&](std::string_view text) {
        std::uint64_t number = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
        return parsed.ec == std::errc() ? number : 0;
    };
    const std::size_t last = name.rfind('-');
    numbers.number = read(name.substr(last + 1));
    if (store_file_kind(name) == StoreFile::segment)
        numbers.segment = read(name.substr(std::string_view("segment-").size(),
                                           last - std::string_view("segment-").size()));
    return numbers;
}

std::vector<std::string> unknown_files(const std::vector<io::DirectoryEntry>& files) {
    std::vector<std::string> names;
    for (const io::DirectoryEntry& file : files)
        if (store_file_kind(file.name) == StoreFile::unknown) names.push_back(file.name);
    return names;
}

}  // namespace braid
