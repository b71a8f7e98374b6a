#include "tools/dump_printer.h"

#include <fmt/format.h>
#include <algorithm>

#include "tools/base64.h"

namespace braid::tools {

namespace {

constexpr std::size_t text_bytes_max = 72;  // of one value, in text for people

void append(Buffer& out, std::string_view text) {
    out.append(text.data(), text.data() + text.size());
}

/// The beginning of a text, cut where a character begins.
std::string_view shortened(std::string_view utf8) {
    if (utf8.size() <= text_bytes_max) return utf8;
    std::size_t end = text_bytes_max;
    while ((static_cast<unsigned char>(utf8[end]) & 0xC0) == 0x80) --end;
    return utf8.substr(0, end);
}

}  // namespace

DumpLine::DumpLine(Buffer& out, bool json, std::string_view file, std::uint64_t offset,
                   std::string_view kind)
    : out_(out) {
    if (json) {
        json_.emplace(out);
        json_->words("file", file).number("offset", offset).words("kind", kind);
    } else {
        fmt::format_to(std::back_inserter(out), "{:<16} {:>10}  {:<8}", file, offset, kind);
    }
}

Buffer& DumpLine::text(std::string_view key) {
    out_.push_back(' ');
    append(out_, key);
    out_.push_back('=');
    return out_;
}

DumpLine& DumpLine::number(std::string_view key, std::uint64_t value) {
    if (json_) {
        json_->number(key, value);
    } else {
        fmt::format_to(std::back_inserter(text(key)), "{}", value);
    }
    return *this;
}

DumpLine& DumpLine::checksum(std::string_view key, std::uint64_t value) {
    // As text in JSON too: many readers of JSON keep only 53 bits of a number.
    return words(key, fmt::format("{:016x}", value));
}

DumpLine& DumpLine::bytes(std::string_view key, std::string_view value) {
    if (json_) {
        json_->bytes(key, value);
    } else if (is_utf8(value)) {
        const std::string_view shown = shortened(value);
        append_json_string(text(key), shown);
        if (shown.size() < value.size()) append(out_, "…");
    } else {
        append(text(key), "base64:");
        append_base64(out_, value.substr(0, text_bytes_max / 4 * 3));
        if (value.size() > text_bytes_max / 4 * 3) append(out_, "…");
    }
    return *this;
}

DumpLine& DumpLine::words(std::string_view key, std::string_view value) {
    if (json_) {
        json_->words(key, value);
    } else {
        append(text(key), value);
    }
    return *this;
}

DumpLine& DumpLine::flag(std::string_view key, bool holds) {
    if (!holds) return *this;
    if (json_) {
        json_->boolean(key, true);
    } else {
        out_.push_back(' ');
        append(out_, key);
    }
    return *this;
}

Buffer* DumpLine::json_value(std::string_view key) {
    return json_ ? &json_->value(key) : nullptr;
}

void DumpLine::end() {
    if (json_) json_->end();
    out_.push_back('\n');
}

DumpLine DumpPrinter::line(std::string_view file, std::uint64_t offset, std::string_view kind) {
    output_.flush_if_large();
    return {output_.buffer(), json_, file, offset, kind};
}

void DumpPrinter::problem(std::string_view file, std::uint64_t offset, std::string_view what) {
    ++problems_;
    line(file, offset, "PROBLEM").words("what", what).end();
}

void DumpPrinter::note(std::string_view file, std::uint64_t offset, std::string_view what) {
    line(file, offset, "note").words("what", what).end();
}

}  // namespace braid::tools
