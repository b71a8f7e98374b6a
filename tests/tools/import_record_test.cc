#include "tools/import_record.h"

#include <doctest/doctest.h>

#include <string>

namespace braid::tools {

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

ImportRecord parsed(std::string_view json) {
    auto record = parse_import_record(json);
    REQUIRE_MESSAGE(record.has_value(), record.error().message());
    return std::move(*record);
}

std::string problem(std::string_view json) {
    const auto record = parse_import_record(json);
    REQUIRE_FALSE(record.has_value());
    CHECK(record.error().code() == Errc::invalid_argument);
    return record.error().message();
}

/// A line that is right but for the fields added.
std::string with(std::string_view fields) {
    return R"({"space":"s","segment":"g","payload":"p",)" + std::string(fields) + "}";
}

}  // namespace

TEST_CASE("the smallest line is a space, a segment and a payload") {
    const auto record = parsed(R"({"space":"orders","segment":"eu-1","payload":""})");
    CHECK(record.space == "orders");
    CHECK(record.segment == "eu-1");
    CHECK(record.payload.empty());
    CHECK(record.metadata.empty());
    CHECK_FALSE(record.sequence.has_value());
    CHECK_FALSE(record.trx.has_value());
}

TEST_CASE("a line may set a consumer's cursor") {
    const auto record =
        parsed(with(R"("consumer":"billing","consumer_space":"orders","consumer_position":41)"));
    CHECK(record.consumer == "billing");
    CHECK(record.consumer_space == "orders");
    CHECK(record.consumer_segment.empty());
    CHECK(record.consumer_position == 41);
    CHECK(problem(with(R"("consumer":"billing")")).find("go together") != std::string::npos);
    CHECK(problem(with(R"("consumer":"b","consumer_position":"1")")).find("0 or more") !=
          std::string::npos);
}

TEST_CASE("text keeps every character, escaped or not") {
    const auto record =
        parsed(R"({"space":"s","segment":"g","payload":"a\u0000\n\"\u00e9é\ud83d\ude00"})");
    CHECK(record.payload == std::string("a\0\n\"\xc3\xa9\xc3\xa9\xf0\x9f\x98\x80", 12));
}

TEST_CASE("base64 fields carry any bytes") {
    const auto record =
        parsed(R"({"space_base64":"YQBi","segment_base64":"/w==","payload_base64":"AAEC"})");
    CHECK(record.space == std::string("a\0b", 3));
    CHECK(record.segment == "\xff");
    CHECK(record.payload == std::string("\0\1\2", 3));
}

TEST_CASE("metadata keeps its order, and a key that stands twice") {
    CHECK(parsed(with(R"("metadata":{"z":"1","a":"2","z":"3"})")).metadata ==
          Pairs{{"z", "1"}, {"a", "2"}, {"z", "3"}});
    CHECK(parsed(with(R"("metadata":{})")).metadata.empty());
}

TEST_CASE("a metadata list takes pairs of text and objects with base64") {
    const auto record = parsed(with(
        R"("metadata_list":[["k","v"],["k","w"],{"key_base64":"/w==","value":"t"},{"value_base64":"/g==","key":"u"}])"));
    CHECK(record.metadata == Pairs{{"k", "v"}, {"k", "w"}, {"\xff", "t"}, {"u", "\xfe"}});
}

TEST_CASE("trx is text or a number as written") {
    CHECK(parsed(with(R"("trx":"abc")")).trx == "abc");
    CHECK(parsed(with(R"("trx":"")")).trx == "");
    CHECK(parsed(with(R"("trx":42)")).trx == "42");
    CHECK(parsed(with(R"("trx":-1)")).trx == "-1");
    CHECK(parsed(with(R"("trx":18446744073709551615)")).trx == "18446744073709551615");
    CHECK(parsed(with(R"("trx":1.50)")).trx == "1.50");
}

TEST_CASE("sequence is the expected one, up to the largest number") {
    CHECK(parsed(with(R"("sequence":0)")).sequence == Sequence(0));
    CHECK(parsed(with(R"("sequence":18446744073709551615)")).sequence ==
          Sequence(18446744073709551615u));
}

TEST_CASE("what read prints beyond the record is passed over") {
    const auto record = parsed(with(R"("position":7,"timestamp":8,"transaction":9)"));
    CHECK(record.payload == "p");
    CHECK_FALSE(record.sequence.has_value());
}

TEST_CASE("a line that isn't a JSON object is refused") {
    CHECK(problem("").starts_with("not JSON"));
    CHECK(problem("nonsense").starts_with("not JSON"));
    CHECK(problem(R"({"space":"s")").starts_with("not JSON"));
    CHECK(problem(with(R"("trx":"a"})")).starts_with("not JSON"));
    CHECK(problem(with(R"("trx":"a"} {)")).starts_with("not JSON"));
    CHECK(problem("{\"space\":\"\xff\"}").starts_with("not JSON"));
    CHECK(problem(R"({"space":"\ud800"})").starts_with("not JSON"));
    CHECK(problem("[]") == "a line must be a JSON object");
    CHECK(problem("\"text\"") == "a line must be a JSON object");
    CHECK(problem("1") == "a line must be a JSON object");
    CHECK(problem("null") == "a line must be a JSON object");
}

TEST_CASE("a missing field is named") {
    CHECK(problem(R"({"segment":"g","payload":"p"})") == "\"space\" is missing");
    CHECK(problem(R"({"space":"s","payload":"p"})") == "\"segment\" is missing");
    CHECK(problem(R"({"space":"s","segment":"g"})") == "\"payload\" is missing");
}

TEST_CASE("a field of a wrong type is named, with what it must be") {
    CHECK(problem(R"({"space":1})") == "\"space\" must be a string");
    CHECK(problem(R"({"payload":{}})") == "\"payload\" must be a string");
    CHECK(problem(R"({"payload":null})") == "\"payload\" must be a string");
    CHECK(problem(R"({"metadata":"x"})") == "\"metadata\" must be an object of strings");
    CHECK(problem(R"({"metadata":[]})") == "\"metadata\" must be an object of strings");
    CHECK(problem(R"({"metadata":{"k":1}})") == "metadata \"k\" must be a string");
    CHECK(problem(R"({"metadata":{"k":{}}})") == "metadata \"k\" must be a string");
    CHECK(problem(R"({"metadata_list":{}})") == "\"metadata_list\" must be an array of pairs");
    CHECK(problem(R"({"sequence":"1"})") == "\"sequence\" must be a number, 0 or more");
    CHECK(problem(R"({"sequence":-1})") == "\"sequence\" must be a number, 0 or more");
    CHECK(problem(R"({"sequence":1.5})") == "\"sequence\" must be a number, 0 or more");
    CHECK(problem(R"({"trx":true})") == "\"trx\" must be a string or a number");
    CHECK(problem(R"({"position":[]})") == "\"position\" must be a number, 0 or more");
}

TEST_CASE("a metadata list with a bad element is refused") {
    for (const char* list :
         {"[1]", "[\"k\"]", "[[]]", "[[\"k\"]]", "[[\"k\",\"v\",\"w\"]]", "[[1,2]]",
          "[[\"k\",null]]", "[{}]", R"([{"key":"k"}])", R"([{"value":"v"}])",
          R"([{"key":"k","key_base64":"aw==","value":"v"}])",
          R"([{"key":"k","value":"v","more":"w"}])", R"([{"key":1,"value":"v"}])",
          "[[[\"k\",\"v\"]]]"}) {
        CAPTURE(list);
        CHECK(problem(with("\"metadata_list\":" + std::string(list))).find("metadata_list") !=
              std::string::npos);
    }
}

TEST_CASE("fields that contradict each other, stand twice or are unknown are refused") {
    CHECK(problem(with(R"("space_base64":"cw==")")) ==
          "\"space\" and \"space_base64\" exclude each other");
    CHECK(problem(with(R"("payload_base64":"cA==")")) ==
          "\"payload\" and \"payload_base64\" exclude each other");
    CHECK(problem(with(R"("metadata":{},"metadata_list":[])")) ==
          "\"metadata\" and \"metadata_list\" exclude each other");
    CHECK(problem(with(R"("payload":"q")")) == "field \"payload\" stands twice");
    CHECK(problem(with(R"("metdata":{})")) == "unknown field \"metdata\"");
}

TEST_CASE("base64 that isn't is refused by name") {
    CHECK(problem(R"({"payload_base64":"x"})") == "\"payload_base64\" is not base64");
    CHECK(problem(R"({"metadata_list":[{"key_base64":"x","value":""}]})") ==
          "\"key_base64\" is not base64");
}

TEST_CASE("names are 1 to 255 bytes") {
    const std::string longest(255, 'n');
    const auto line = [](const std::string& space, const std::string& segment) {
        return R"({"space":")" + space + R"(","segment":")" + segment + R"(","payload":""})";
    };
    CHECK(parsed(line(longest, longest)).segment == longest);
    CHECK(problem(line("", "g")) == "the name of the space is empty");
    CHECK(problem(line("s", "")) == "the name of the segment is empty");
    CHECK(problem(line(longest + "n", "g")) ==
          "the name of the space has 256 bytes; the limit is 255");
    CHECK(problem(line("s", longest + "n")) ==
          "the name of the segment has 256 bytes; the limit is 255");
}

TEST_CASE("a long payload is taken whole") {
    const std::string payload(3 << 20, 'x');
    CHECK(parsed(R"({"space":"s","segment":"g","payload":")" + payload + "\"}").payload == payload);
}

TEST_CASE("a record's size is its payload and its metadata") {
    CHECK(parsed(with(R"("metadata":{"key":"value"})")).bytes() == 9);
}

}  // namespace braid::tools
