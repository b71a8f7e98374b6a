#include "tools/import_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>

#include "tools/base64.h"

namespace braid::tools {

namespace {

namespace json = boost::json;
using json::error_code;

enum class Field : std::size_t {
    space,
    space_base64,
    segment,
    segment_base64,
    payload,
    payload_base64,
    consumer,
    consumer_space,
    consumer_segment,
    metadata,
    metadata_list,
    sequence,
    consumer_position,
    trx,
    position,
    timestamp,
    transaction,
};

constexpr std::array<std::string_view, 17> field_names = {"space",
                                                          "space_base64",
                                                          "segment",
                                                          "segment_base64",
                                                          "payload",
                                                          "payload_base64",
                                                          "consumer",
                                                          "consumer_space",
                                                          "consumer_segment",
                                                          "metadata",
                                                          "metadata_list",
                                                          "sequence",
                                                          "consumer_position",
                                                          "trx",
                                                          "position",
                                                          "timestamp",
                                                          "transaction"};

constexpr std::string_view pair_key = "key";
constexpr std::string_view pair_value = "value";

/// What `basic_parser` calls while it walks a line: fills a record, and stops at the first thing
/// that doesn't belong. No document tree, so that a repeated key is seen and large payloads are
/// copied once.
class RecordHandler {
public:
    static constexpr std::size_t max_object_size = std::size_t(-1);
    static constexpr std::size_t max_array_size = std::size_t(-1);
    static constexpr std::size_t max_key_size = std::size_t(-1);
    static constexpr std::size_t max_string_size = std::size_t(-1);

    ImportRecord record;
    std::string problem;  ///< why the walk was stopped

    [[nodiscard]] bool has(Field field) const { return seen_[static_cast<std::size_t>(field)]; }

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }

    bool on_object_begin(error_code& ec) {
        if (place_ == Place::line) return enter(Place::record);
        if (place_ == Place::record && field_ == Field::metadata) return enter(Place::metadata);
        if (place_ == Place::list) {
            pair_object_ = {};
            return enter(Place::pair_object);
        }
        return wrong_type(ec);
    }

    bool on_object_end(std::size_t, error_code& ec) {
        if (place_ == Place::pair_object) {
            if (!pair_object_.key || !pair_object_.value) return bad_pair(ec);
            record.metadata.emplace_back(*pair_object_.key, *pair_object_.value);
            return enter(Place::list);
        }
        return enter(place_ == Place::record ? Place::line : Place::record);
    }

    bool on_array_begin(error_code& ec) {
        if (place_ == Place::record && field_ == Field::metadata_list) return enter(Place::list);
        if (place_ == Place::list) {
            pair_.clear();
            return enter(Place::pair);
        }
        return wrong_type(ec);
    }

    bool on_array_end(std::size_t, error_code& ec) {
        if (place_ == Place::list) return enter(Place::record);
        if (pair_.size() != 2) return bad_pair(ec);
        record.metadata.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
        return enter(Place::list);
    }

    bool on_key_part(json::string_view part, std::size_t, error_code&) {
        text_.append(part.data(), part.size());
        return true;
    }

    bool on_key(json::string_view part, std::size_t, error_code& ec) {
        text_.append(part.data(), part.size());
        key_ = std::move(text_);
        text_.clear();
        return place_ == Place::record ? take_field(ec) : true;
    }

    bool on_string_part(json::string_view part, std::size_t, error_code&) {
        text_.append(part.data(), part.size());
        return true;
    }

    bool on_string(json::string_view part, std::size_t, error_code& ec) {
        text_.append(part.data(), part.size());
        std::string text = std::move(text_);
        text_.clear();
        switch (place_) {
            case Place::record:
                return take_text(std::move(text), ec);
            case Place::metadata:
                record.metadata.emplace_back(std::move(key_), std::move(text));
                return true;
            case Place::pair:
                pair_.push_back(std::move(text));
                return true;
            case Place::pair_object:
                return take_pair_member(std::move(text), ec);
            default:
                return wrong_type(ec);
        }
    }

    bool on_number_part(json::string_view part, error_code&) {
        text_.append(part.data(), part.size());
        return true;
    }
    bool on_int64(std::int64_t number, json::string_view part, error_code& ec) {
        const bool natural = number >= 0;
        return take_number(natural ? std::optional<std::uint64_t>(number) : std::nullopt, part, ec);
    }
    bool on_uint64(std::uint64_t number, json::string_view part, error_code& ec) {
        return take_number(number, part, ec);
    }
    bool on_double(double, json::string_view part, error_code& ec) {
        return take_number(std::nullopt, part, ec);
    }
    bool on_bool(bool, error_code& ec) { return wrong_type(ec); }
    bool on_null(error_code& ec) { return wrong_type(ec); }
    bool on_comment_part(json::string_view, error_code&) { return true; }
    bool on_comment(json::string_view, error_code&) { return true; }

private:
    enum class Place { line, record, metadata, list, pair, pair_object };

    struct PairObject {
        std::optional<std::string> key;
        std::optional<std::string> value;
    };

    bool enter(Place place) {
        place_ = place;
        return true;
    }

    bool stop(std::string why, error_code& ec) {
        problem = std::move(why);
        ec = json::error::exception;  // any error ends the walk; `problem` is what is told
        return false;
    }

    bool take_field(error_code& ec) {
        const auto found = std::ranges::find(field_names, key_);
        if (found == field_names.end()) return stop(fmt::format("unknown field \"{}\"", key_), ec);
        const auto index = static_cast<std::size_t>(found - field_names.begin());
        if (seen_[index]) return stop(fmt::format("field \"{}\" stands twice", key_), ec);
        seen_[index] = true;
        field_ = static_cast<Field>(index);
        return true;
    }

    bool take_text(std::string text, error_code& ec) {
        switch (field_) {
            case Field::space:
            case Field::space_base64:
                return take_bytes(record.space, std::move(text), Field::space_base64, ec);
            case Field::segment:
            case Field::segment_base64:
                return take_bytes(record.segment, std::move(text), Field::segment_base64, ec);
            case Field::payload:
            case Field::payload_base64:
                return take_bytes(record.payload, std::move(text), Field::payload_base64, ec);
            case Field::consumer:
            case Field::consumer_space:
            case Field::consumer_segment:
                (field_ == Field::consumer         ? record.consumer
                 : field_ == Field::consumer_space ? record.consumer_space
                                                   : record.consumer_segment) = std::move(text);
                return true;
            case Field::trx:
                record.trx = std::move(text);
                return true;
            default:
                return wrong_type(ec);
        }
    }

    /// Sets `to`, decoded if the field is the base64 one of the two.
    bool take_bytes(std::string& to, std::string text, Field base64, error_code& ec) {
        if (field_ != base64) {
            to = std::move(text);
            return true;
        }
        auto bytes = decode_base64(text);
        if (!bytes) return stop(fmt::format("\"{}\" is not base64", key_), ec);
        to = std::move(*bytes);
        return true;
    }

    bool take_pair_member(std::string text, error_code& ec) {
        std::string_view name = key_;
        if (name.ends_with("_base64")) {
            name.remove_suffix(std::string_view("_base64").size());
            auto bytes = decode_base64(text);
            if (!bytes) return stop(fmt::format("\"{}\" is not base64", key_), ec);
            text = std::move(*bytes);
        }
        if (name != pair_key && name != pair_value) return bad_pair(ec);
        auto& member = name == pair_key ? pair_object_.key : pair_object_.value;
        if (member) return bad_pair(ec);
        member = std::move(text);
        return true;
    }

    bool take_number(std::optional<std::uint64_t> natural, json::string_view part, error_code& ec) {
        text_.append(part.data(), part.size());
        std::string written = std::move(text_);
        text_.clear();
        if (place_ != Place::record || field_ < Field::sequence) return wrong_type(ec);
        if (field_ == Field::trx) {
            record.trx = std::move(written);
            return true;
        }
        if (!natural) return wrong_type(ec);
        if (field_ == Field::sequence) record.sequence = Sequence(*natural);
        if (field_ == Field::consumer_position) record.consumer_position = *natural;
        return true;
    }

    bool bad_pair(error_code& ec) {
        return stop(
            "an element of \"metadata_list\" must be [key, value] or {\"key\" or "
            "\"key_base64\", \"value\" or \"value_base64\"}, all strings",
            ec);
    }

    bool wrong_type(error_code& ec) {
        switch (place_) {
            case Place::line:
                return stop("a line must be a JSON object", ec);
            case Place::record:
                return stop(fmt::format("\"{}\" must be {}", key_, wanted()), ec);
            case Place::metadata:
                return stop(fmt::format("metadata \"{}\" must be a string", key_), ec);
            default:
                return bad_pair(ec);
        }
    }

    [[nodiscard]] std::string_view wanted() const {
        switch (field_) {
            case Field::metadata:
                return "an object of strings";
            case Field::metadata_list:
                return "an array of pairs";
            case Field::trx:
                return "a string or a number";
            case Field::sequence:
            case Field::consumer_position:
            case Field::position:
            case Field::timestamp:
            case Field::transaction:
                return "a number, 0 or more";
            default:
                return "a string";
        }
    }

    Place place_ = Place::line;
    Field field_ = Field::space;
    std::array<bool, field_names.size()> seen_{};
    std::string key_;
    std::string text_;  // parts of a key, string or number
    std::vector<std::string> pair_;
    PairObject pair_object_;
};

/// Of a field and its base64 form exactly one must be there.
std::string check_either(const RecordHandler& line, Field text, Field base64) {
    const std::string_view name = field_names[static_cast<std::size_t>(text)];
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
std::string check_record(const RecordHandler& line) {
    for (const auto& [text, base64] : {std::pair(Field::space, Field::space_base64),
                                       std::pair(Field::segment, Field::segment_base64),
                                       std::pair(Field::payload, Field::payload_base64)}) {
        if (auto problem = check_either(line, text, base64); !problem.empty()) return problem;
    }
    if (line.has(Field::metadata) && line.has(Field::metadata_list)) {
        return "\"metadata\" and \"metadata_list\" exclude each other";
    }
    if (line.has(Field::consumer) != line.has(Field::consumer_position))
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
    json::basic_parser<RecordHandler> parser{json::parse_options()};
    error_code ec;
    const std::size_t walked = parser.write_some(false, text.data(), text.size(), ec);
    RecordHandler& line = parser.handler();
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
