#include "tools/import_record.h"

#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>

#include "tools/import_line.h"

namespace braid::tools {

namespace {

namespace json = boost::json;
using json::error_code;

/// Of a field and its base64 form exactly one must be there.
std::string check_either(const ImportLine& line, ImportField text, ImportField base64) {
    const std::string_view name = import_field_names[static_cast<std::size_t>(text)];
    if (line.has(text) && line.has(base64)) {
        return fmt::format("\"{0}\" and \"{0}_base64\" exclude each other", name);
    }
    if (line.has(text) || line.has(base64)) return {};
    return fmt::format("\"{}\" is missing", name);
}

std::string check_name(std::string_view field, std::string_view name) {
    if (name.empty()) return fmt::format("the name of the {} is empty", field);
    if (name.size() <= name_bytes_max) return {};
    return fmt::format("the name of the {} has {} bytes; the limit is {}", field, name.size(),
                       name_bytes_max);
}

/// What is wrong with a line that is an object of known fields; empty if nothing is.
std::string check_record(const ImportLine& line) {
    for (const auto& [text, base64] :
         {std::pair(ImportField::space, ImportField::space_base64),
          std::pair(ImportField::segment, ImportField::segment_base64),
          std::pair(ImportField::payload, ImportField::payload_base64)}) {
        if (auto problem = check_either(line, text, base64); !problem.empty()) return problem;
    }
    if (line.has(ImportField::metadata) && line.has(ImportField::metadata_list)) {
        return "\"metadata\" and \"metadata_list\" exclude each other";
    }
    if (line.has(ImportField::consumer) != line.has(ImportField::consumer_position))
        return "\"consumer\" and \"consumer_position\" go together";
    if (auto problem = check_name("space", line.record.space); !problem.empty()) return problem;
    return check_name("segment", line.record.segment);
}

}  // namespace

std::uint64_t ImportRecord::bytes() const noexcept {
    std::uint64_t sum = payload.size();
    for (const auto& [key, value] : metadata) sum += key.size() + value.size();
    return sum;
}

Result<ImportRecord> parse_import_record(std::string_view text) {
    json::basic_parser<ImportLine> parser{json::parse_options()};
    error_code ec;
    const std::size_t walked = parser.write_some(false, text.data(), text.size(), ec);
    ImportLine& line = parser.handler();
    if (!line.problem.empty()) return Error(Errc::invalid_argument, line.problem);
    if (ec) {
        return Error(Errc::invalid_argument,
                     fmt::format("not JSON: {} at byte {}", ec.message(), walked));
    }
    if (text.find_first_not_of(" \t\r", walked) != std::string_view::npos) {
        return Error(Errc::invalid_argument,
                     fmt::format("not JSON: more behind the object, at byte {}", walked));
    }
    if (auto problem = check_record(line); !problem.empty()) {
        return Error(Errc::invalid_argument, std::move(problem));
    }
    return std::move(line.record);
}

}  // namespace braid::tools
