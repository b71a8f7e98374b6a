#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/basic_parser.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/base64.h"
#include "tools/import_record.h"

namespace braid::tools {

/// A field of a line; those before `sequence` are never numbers.
enum class ImportField : std::size_t {
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

inline constexpr std::array<std::string_view, 17> import_field_names = {"space",
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

/// What `basic_parser` calls while it walks a line: fills a record, and stops at the first thing
/// that doesn't belong. No document tree, so that a repeated key is seen and large payloads are
/// copied once.
class ImportLine {
public:
    static constexpr std::size_t max_object_size = std::size_t(-1);
    static constexpr std::size_t max_array_size = std::size_t(-1);
    static constexpr std::size_t max_key_size = std::size_t(-1);
    static constexpr std::size_t max_string_size = std::size_t(-1);

    ImportRecord record;
    std::string problem;  ///< why the walk was stopped

    [[nodiscard]] bool has(ImportField field) const {
        return seen_[static_cast<std::size_t>(field)];
    }

    bool on_document_begin(boost::json::error_code&) { return true; }
    bool on_document_end(boost::json::error_code&) { return true; }

    bool on_object_begin(boost::json::error_code& ec) {
        if (place_ == Place::line) return enter(Place::record);
        if (place_ == Place::record && field_ == ImportField::metadata)
            return enter(Place::metadata);
        if (place_ == Place::list) {
            pair_object_ = {};
            return enter(Place::pair_object);
        }
        return wrong_type(ec);
    }

    bool on_object_end(std::size_t, boost::json::error_code& ec) {
        if (place_ == Place::pair_object) {
            if (!pair_object_.key || !pair_object_.value) return bad_pair(ec);
            record.metadata.emplace_back(*pair_object_.key, *pair_object_.value);
            return enter(Place::list);
        }
        return enter(place_ == Place::record ? Place::line : Place::record);
    }

    bool on_array_begin(boost::json::error_code& ec) {
        if (place_ == Place::record && field_ == ImportField::metadata_list)
            return enter(Place::list);
        if (place_ == Place::list) {
            pair_.clear();
            return enter(Place::pair);
        }
        return wrong_type(ec);
    }

    bool on_array_end(std::size_t, boost::json::error_code& ec) {
        if (place_ == Place::list) return enter(Place::record);
        if (pair_.size() != 2) return bad_pair(ec);
        record.metadata.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
        return enter(Place::list);
    }

    bool on_key_part(boost::json::string_view part, std::size_t, boost::json::error_code&) {
        text_.append(part.data(), part.size());
        return true;
    }

    bool on_key(boost::json::string_view part, std::size_t, boost::json::error_code& ec) {
        text_.append(part.data(), part.size());
        key_ = std::move(text_);
        text_.clear();
        return place_ == Place::record ? take_field(ec) : true;
    }

    bool on_string_part(boost::json::string_view part, std::size_t, boost::json::error_code&) {
        text_.append(part.data(), part.size());
        return true;
    }

    bool on_string(boost::json::string_view part, std::size_t, boost::json::error_code& ec) {
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

    bool on_number_part(boost::json::string_view part, boost::json::error_code&) {
        text_.append(part.data(), part.size());
        return true;
    }
    bool on_int64(std::int64_t number, boost::json::string_view part, boost::json::error_code& ec) {
        const bool natural = number >= 0;
        return take_number(natural ? std::optional<std::uint64_t>(number) : std::nullopt, part, ec);
    }
    bool on_uint64(std::uint64_t number, boost::json::string_view part,
                   boost::json::error_code& ec) {
        return take_number(number, part, ec);
    }
    bool on_double(double, boost::json::string_view part, boost::json::error_code& ec) {
        return take_number(std::nullopt, part, ec);
    }
    bool on_bool(bool, boost::json::error_code& ec) { return wrong_type(ec); }
    bool on_null(boost::json::error_code& ec) { return wrong_type(ec); }
    bool on_comment_part(boost::json::string_view, boost::json::error_code&) { return true; }
    bool on_comment(boost::json::string_view, boost::json::error_code&) { return true; }

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

    bool stop(std::string why, boost::json::error_code& ec) {
        problem = std::move(why);
        ec = boost::json::error::exception;  // any error ends the walk; `problem` is what is told
        return false;
    }

    bool take_field(boost::json::error_code& ec) {
        const auto found = std::ranges::find(import_field_names, key_);
        if (found == import_field_names.end())
            return stop(fmt::format("unknown field \"{}\"", key_), ec);
        const auto index = static_cast<std::size_t>(found - import_field_names.begin());
        if (seen_[index]) return stop(fmt::format("field \"{}\" stands twice", key_), ec);
        seen_[index] = true;
        field_ = static_cast<ImportField>(index);
        return true;
    }

    bool take_text(std::string text, boost::json::error_code& ec) {
        switch (field_) {
            case ImportField::space:
            case ImportField::space_base64:
                return take_bytes(record.space, std::move(text), ImportField::space_base64, ec);
            case ImportField::segment:
            case ImportField::segment_base64:
                return take_bytes(record.segment, std::move(text), ImportField::segment_base64, ec);
            case ImportField::payload:
            case ImportField::payload_base64:
                return take_bytes(record.payload, std::move(text), ImportField::payload_base64, ec);
            case ImportField::consumer:
            case ImportField::consumer_space:
            case ImportField::consumer_segment:
                (field_ == ImportField::consumer         ? record.consumer
                 : field_ == ImportField::consumer_space ? record.consumer_space
                                                         : record.consumer_segment) =
                    std::move(text);
                return true;
            case ImportField::trx:
                record.trx = std::move(text);
                return true;
            default:
                return wrong_type(ec);
        }
    }

    /// Sets `to`, decoded if the field is the base64 one of the two.
    bool take_bytes(std::string& to, std::string text, ImportField base64,
                    boost::json::error_code& ec) {
        if (field_ != base64) {
            to = std::move(text);
            return true;
        }
        auto bytes = decode_base64(text);
        if (!bytes) return stop(fmt::format("\"{}\" is not base64", key_), ec);
        to = std::move(*bytes);
        return true;
    }

    bool take_pair_member(std::string text, boost::json::error_code& ec) {
        std::string_view name = key_;
        if (name.ends_with("_base64")) {
            name.remove_suffix(std::string_view("_base64").size());
            auto bytes = decode_base64(text);
            if (!bytes) return stop(fmt::format("\"{}\" is not base64", key_), ec);
            text = std::move(*bytes);
        }
        if (name != "key" && name != "value") return bad_pair(ec);
        auto& member = name == "key" ? pair_object_.key : pair_object_.value;
        if (member) return bad_pair(ec);
        member = std::move(text);
        return true;
    }

    bool take_number(std::optional<std::uint64_t> natural, boost::json::string_view part,
                     boost::json::error_code& ec) {
        text_.append(part.data(), part.size());
        std::string written = std::move(text_);
        text_.clear();
        if (place_ != Place::record || field_ < ImportField::sequence) return wrong_type(ec);
        if (field_ == ImportField::trx) {
            record.trx = std::move(written);
            return true;
        }
        if (!natural) return wrong_type(ec);
        if (field_ == ImportField::sequence) record.sequence = Sequence(*natural);
        if (field_ == ImportField::consumer_position) record.consumer_position = *natural;
        return true;
    }

    bool bad_pair(boost::json::error_code& ec) {
        return stop(
            "an element of \"metadata_list\" must be [key, value] or {\"key\" or "
            "\"key_base64\", \"value\" or \"value_base64\"}, all strings",
            ec);
    }

    bool wrong_type(boost::json::error_code& ec) {
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
            case ImportField::metadata:
                return "an object of strings";
            case ImportField::metadata_list:
                return "an array of pairs";
            case ImportField::trx:
                return "a string or a number";
            case ImportField::sequence:
            case ImportField::consumer_position:
            case ImportField::position:
            case ImportField::timestamp:
            case ImportField::transaction:
                return "a number, 0 or more";
            default:
                return "a string";
        }
    }

    Place place_ = Place::line;
    ImportField field_ = ImportField::space;
    std::array<bool, import_field_names.size()> seen_{};
    std::string key_;
    std::string text_;  // parts of a key, string or number
    std::vector<std::string> pair_;
    PairObject pair_object_;
};

}  // namespace braid::tools
