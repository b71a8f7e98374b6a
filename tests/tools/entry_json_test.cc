#include "tools/entry_json.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>
#include <string>

#include "tools/import_record.h"

namespace braid::tools {

namespace {

std::string printed(const Entry& entry, const std::vector<KeyValue>& metadata) {
    Buffer out;
    EntryJson::append(out, entry, metadata);
    return fmt::to_string(out);
}

Entry entry_of(std::string_view space, std::string_view segment, std::string_view payload) {
    Entry entry{};
    entry.space = space;
    entry.segment = segment;
    entry.sequence = 2;
    entry.position = 3;
    entry.timestamp = 4;
    entry.transaction = 5;
    entry.payload = as_bytes(payload);
    return entry;
}

/// What an import makes of what was printed must be what was there.
void check_round_trip(const Entry& entry, const std::vector<KeyValue>& metadata) {
    std::string line = printed(entry, metadata);
    REQUIRE(line.ends_with('\n'));
    line.pop_back();
    CHECK(line.find('\n') == std::string::npos);
    const auto record = parse_import_record(line);
    REQUIRE_MESSAGE(record.has_value(), line);
    CHECK(record->space == entry.space);
    CHECK(record->segment == entry.segment);
    CHECK(record->sequence == entry.sequence);
    CHECK(record->payload == entry.text());
    REQUIRE(record->metadata.size() == metadata.size());
    for (std::size_t i = 0; i < metadata.size(); ++i) {
        CHECK(record->metadata[i].first == metadata[i].key);
        CHECK(record->metadata[i].second == metadata[i].value);
    }
}

}  // namespace

TEST_CASE("an entry is one line with its fields in order") {
    CHECK(printed(entry_of("s", "g", "hello"), {{"k", "v"}, {"a", "b"}}) ==
          R"({"space":"s","segment":"g","sequence":2,"position":3,"timestamp":4,"transaction":5,)"
          R"("metadata":{"k":"v","a":"b"},"payload":"hello"})"
          "\n");
    CHECK(printed(entry_of("s", "g", ""), {}) ==
          R"({"space":"s","segment":"g","sequence":2,"position":3,"timestamp":4,"transaction":5,)"
          R"("metadata":{},"payload":""})"
          "\n");
}

TEST_CASE("what isn't UTF-8 is printed as base64 under its own name") {
    CHECK(printed(entry_of("\xff", "g\xfe", "\x80"), {}) ==
          R"({"space_base64":"/w==","segment_base64":"Z/4=","sequence":2,"position":3,)"
          R"("timestamp":4,"transaction":5,"metadata":{},"payload_base64":"gA=="})"
          "\n");
}

TEST_CASE("metadata with a key twice or with other bytes is printed as a list") {
    const Entry entry = entry_of("s", "g", "p");
    CHECK(
        printed(entry, {{"k", "1"}, {"k", "2"}}).find(R"("metadata_list":[["k","1"],["k","2"]])") !=
        std::string::npos);
    CHECK(printed(entry, {{"k", "\xff"}, {"t", "u"}})
              .find(R"("metadata_list":[{"key":"k","value_base64":"/w=="},["t","u"]])") !=
          std::string::npos);
}

TEST_CASE("names with a NUL, a newline or quotes stay one line") {
    check_round_trip(entry_of(std::string_view("a\0b", 3), "x\ny", "\"quoted\" \\ \r\n"),
                     {{"\n", "\t"}, {"", ""}});
}

TEST_CASE("random bytes come back exactly through an import") {
    const auto seed = std::random_device()();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto bytes = [&](std::size_t least) {
        std::string text(least + random() % 12, '\0');
        const unsigned mask = random() % 2 == 0 ? 0x7f : 0xff;
        for (char& c : text) c = static_cast<char>(random() & mask);
        return text;
    };
    for (int i = 0; i < 2000; ++i) {
        const std::string space = bytes(1);
        const std::string segment = bytes(1);
        const std::string payload = bytes(0);
        std::vector<std::string> texts;
        for (std::size_t pair = random() % 4; pair > 0; --pair) {
            texts.push_back(bytes(0));
            texts.push_back(bytes(0));
        }
        std::vector<KeyValue> metadata;
        for (std::size_t at = 0; at < texts.size(); at += 2) {
            metadata.push_back({texts[at], texts[at + 1]});
        }
        check_round_trip(entry_of(space, segment, payload), metadata);
    }
}

}  // namespace braid::tools
