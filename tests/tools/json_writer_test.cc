#include "tools/json_writer.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <string>

namespace braid::tools {

namespace {

std::string json_string(std::string_view text) {
    Buffer out;
    append_json_string(out, text);
    return fmt::to_string(out);
}

}  // namespace

TEST_CASE("UTF-8 is told from other bytes") {
    for (const char* text :
         {"", "plain", "12345678", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
          "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
          "12345678\xc3\xa9", "1234567\xc3\xa9"}) {
        CAPTURE(text);
        CHECK(is_utf8(text));
    }
    CHECK(is_utf8(std::string_view("a\0b", 3)));
}

TEST_CASE("overlong forms, surrogates, numbers beyond Unicode and cut characters are not UTF-8") {
    for (const char* text :
         {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2 ", "\xe0\x80\x80", "\xe0\x9f\xbf",
          "\xe1\x80", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
          "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "12345678\xff",
          "\xff"
          "12345678"}) {
        CAPTURE(text);
        CHECK_FALSE(is_utf8(text));
    }
}

TEST_CASE("a JSON string escapes what it must and nothing else") {
    CHECK(json_string("") == "\"\"");
    CHECK(json_string("caf\xc3\xa9 / \x7f") == "\"caf\xc3\xa9 / \x7f\"");
    CHECK(json_string("\"\\\b\f\n\r\t") == R"("\"\\\b\f\n\r\t")");
    CHECK(json_string(std::string_view("\0\x1f", 2)) == R"("\u0000\u001f")");
}

TEST_CASE("every ASCII byte comes back through a JSON parser") {
    std::string text;
    for (int i = 0; i < 128; ++i) text.push_back(static_cast<char>(i));
    CHECK(boost::json::parse(json_string(text)).as_string() == text);
}

TEST_CASE("an object holds its fields in order") {
    Buffer out;
    JsonObject(out)
        .number("n", 18446744073709551615u)
        .boolean("b", true)
        .bytes("text", "x")
        .bytes("raw", "\xff")
        .words("words", "bad \xff byte")
        .end_line();
    CHECK(fmt::to_string(out) ==
          "{\"n\":18446744073709551615,\"b\":true,\"text\":\"x\",\"raw_base64\":\"/w==\","
          "\"words\":\"bad \xef\xbf\xbd byte\"}\n");
}

TEST_CASE("an object without fields is still an object") {
    Buffer out;
    JsonObject(out).end();
    CHECK(fmt::to_string(out) == "{}");
}

}  // namespace braid::tools
