#include "tools/json_writer.h"

#include <fmt/format.h>
#include <array>
#include <cstring>
#include <string>

#include "tools/base64.h"

namespace braid::tools {

namespace {

void append(Buffer& out, std::string_view text) {
    out.append(text.data(), text.data() + text.size());
}

/// Length of the UTF-8 character at the start of `bytes`, 0 where there is none.
std::size_t character_bytes(std::string_view bytes) noexcept {
    const auto byte = [&](std::size_t i) {
        return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u;
    };
    const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
        const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
        return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        const bool overlong = lead == 0xF0 && byte(1) < 0x90;
        const bool beyond = lead == 0xF4 && byte(1) >= 0x90;
        return continues(1) && continues(2) && continues(3) && !overlong && !beyond ? 4 : 0;
    }
    return 0;
}

/// How many bytes at the start are ASCII, in steps of eight: most text is, and this is a scan's
/// inner loop.
std::size_t ascii_words_bytes(std::string_view bytes) noexcept {
    constexpr std::uint64_t high_bits = 0x8080808080808080u;
    std::size_t at = 0;
    for (std::uint64_t word = 0; at + sizeof word <= bytes.size(); at += sizeof word) {
        std::memcpy(&word, bytes.data() + at, sizeof word);
        if ((word & high_bits) != 0) break;
    }
    return at;
}

/// 0: stands as it is; 'u': as \u00XX; else the letter behind the backslash.
constexpr std::array<char, 256> make_escapes() {
    std::array<char, 256> escapes{};
    for (std::size_t i = 0; i < 0x20; ++i) escapes[i] = 'u';
    escapes['\b'] = 'b';
    escapes['\f'] = 'f';
    escapes['\n'] = 'n';
    escapes['\r'] = 'r';
    escapes['\t'] = 't';
    escapes['"'] = '"';
    escapes['\\'] = '\\';
    return escapes;
}

constexpr auto escapes = make_escapes();

std::string to_utf8(std::string_view bytes) {
    std::string text;
    while (!bytes.empty()) {
        const std::size_t count = character_bytes(bytes);
        text += count == 0 ? std::string_view("\xEF\xBF\xBD") : bytes.substr(0, count);
        bytes.remove_prefix(count == 0 ? 1 : count);
    }
    return text;
}

}  // namespace

bool is_utf8(std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        bytes.remove_prefix(ascii_words_bytes(bytes));
        if (bytes.empty()) break;
        const std::size_t count = character_bytes(bytes);
        if (count == 0) return false;
        bytes.remove_prefix(count);
    }
    return true;
}

void append_json_string(Buffer& out, std::string_view utf8) {
    constexpr std::string_view hex = "0123456789abcdef";
    out.push_back('"');
    std::size_t plain = 0;  // start of the run that has not been appended
    for (std::size_t i = 0; i < utf8.size(); ++i) {
        const auto byte = static_cast<unsigned char>(utf8[i]);
        const char escape = escapes[byte];
        if (escape == 0) continue;
        append(out, utf8.substr(plain, i - plain));
        out.push_back('\\');
        out.push_back(escape);
        if (escape == 'u') {
            append(out, "00");
            out.push_back(hex[byte >> 4]);
            out.push_back(hex[byte & 15]);
        }
        plain = i + 1;
    }
    append(out, utf8.substr(plain));
    out.push_back('"');
}

Buffer& JsonObject::value(std::string_view key, std::string_view key_suffix) {
    out_.push_back(before_);
    out_.push_back('"');
    append(out_, key);
    append(out_, key_suffix);
    out_.push_back('"');
    out_.push_back(':');
    before_ = ',';
    return out_;
}

JsonObject& JsonObject::number(std::string_view key, std::uint64_t number) {
    const fmt::format_int digits(number);
    append(value(key), {digits.data(), digits.size()});
    return *this;
}

JsonObject& JsonObject::boolean(std::string_view key, bool truth) {
    append(value(key), truth ? "true" : "false");
    return *this;
}

JsonObject& JsonObject::bytes(std::string_view key, std::string_view bytes) {
    if (is_utf8(bytes)) {
        append_json_string(value(key), bytes);
    } else {
        Buffer& out = value(key, "_base64");
        out.push_back('"');
        append_base64(out, bytes);
        out.push_back('"');
    }
    return *this;
}

JsonObject& JsonObject::words(std::string_view key, std::string_view words) {
    append_json_string(value(key), is_utf8(words) ? std::string(words) : to_utf8(words));
    return *this;
}

void JsonObject::end() {
    if (before_ == '{') out_.push_back('{');
    out_.push_back('}');
}

void JsonObject::end_line() {
    end();
    out_.push_back('\n');
}

}  // namespace braid::tools
