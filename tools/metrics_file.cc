#include "tools/metrics_file.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>

namespace braid::tools {

namespace {

constexpr std::size_t file_bytes_max = 64 << 10;

std::optional<std::string> read_file(const std::filesystem::path& path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) return std::nullopt;
    std::ifstream stream(path, std::ios::binary);
    std::string text(file_bytes_max, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(stream.gcount()));
    return text;
}

/// 0 for what was written in the future: the wall clock may have been set back.
std::uint64_t age_ms(std::uint64_t written_ns) {
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    const auto now_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count());
    return (now_ns - std::min(now_ns, written_ns)) / 1'000'000;
}

}  // namespace

std::optional<FoundMetrics> find_metrics(const std::string& directory) {
    const auto text = read_file(std::filesystem::path(directory) / "metrics.json");
    if (!text) return std::nullopt;
    boost::system::error_code error;
    boost::json::value json = boost::json::parse(*text, error);
    if (error || !json.is_object()) return std::nullopt;
    FoundMetrics found{std::move(json.as_object())};
    const boost::json::value* written = found.fields.if_contains("written");
    if (written == nullptr) return std::nullopt;
    const auto written_ns = written->to_number<std::uint64_t>(error);
    if (error) return std::nullopt;
    found.age_ms = age_ms(written_ns);
    return found;
}

}  // namespace braid::tools
