#include "tools/base64.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

namespace braid::tools {

namespace {

std::string encode(std::string_view bytes) {
    Buffer out;
    append_base64(out, bytes);
    return fmt::to_string(out);
}

}  // namespace

TEST_CASE("base64 encodes the examples of RFC 4648") {
    CHECK(encode("") == "");
    CHECK(encode("f") == "Zg==");
    CHECK(encode("fo") == "Zm8=");
    CHECK(encode("foo") == "Zm9v");
    CHECK(encode("foob") == "Zm9vYg==");
    CHECK(encode("fooba") == "Zm9vYmE=");
    CHECK(encode("foobar") == "Zm9vYmFy");
    CHECK(encode("\xfb\xff\xbf") == "+/+/");
}

TEST_CASE("base64 gives back every byte, at every length up to a few groups") {
    std::string bytes;
    for (int i = 0; i < 256; ++i) {
        bytes.push_back(static_cast<char>(i * 7));
        CHECK(decode_base64(encode(bytes)) == bytes);
    }
}

TEST_CASE("base64 refuses what it would not have written") {
    for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "====", "=Zg=", "Z===", "Zm9v\n", "Zm 9",
                             "Zh==", "Zm9=", "Zm-_", "Zg==Zg=="}) {
        CAPTURE(text);
        CHECK_FALSE(decode_base64(text).has_value());
    }
}

}  // namespace braid::tools
