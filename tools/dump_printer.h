#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tools/json_writer.h"
#include "tools/output.h"

namespace braid::tools {

/// One thing found at one place of a file, as a line of text or of JSON.
class DumpLine {
public:
    DumpLine(Buffer& out, bool json, std::string_view file, std::uint64_t offset,
             std::string_view kind);

    DumpLine& number(std::string_view key, std::uint64_t value);
    DumpLine& checksum(std::string_view key, std::uint64_t value);
    /// Any bytes: exact in JSON, shortened in text.
    DumpLine& bytes(std::string_view key, std::string_view value);
    DumpLine& words(std::string_view key, std::string_view value);
    /// A word on its own in text, true in JSON; nothing if it doesn't hold.
    DumpLine& flag(std::string_view key, bool holds);
    /// The buffer, behind the key of a value that the caller appends as JSON; nullptr in text.
    Buffer* json_value(std::string_view key);
    void end();

private:
    Buffer& text(std::string_view key);

    Buffer& out_;
    std::optional<JsonObject> json_;
};

/// Where the lines of a dump go.
class DumpPrinter {
public:
    DumpPrinter(Output& output, bool json) : output_(output), json_(json) {}

    /// Begins a line; `end` it before the next.
    [[nodiscard]] DumpLine line(std::string_view file, std::uint64_t offset, std::string_view kind);
    /// Bytes that are not what they must be: the dump's exit code tells of it.
    void problem(std::string_view file, std::uint64_t offset, std::string_view what);
    /// Bytes that don't count: a torn tail, an unfinished drain, an older use of the file.
    void note(std::string_view file, std::uint64_t offset, std::string_view what);

    [[nodiscard]] std::uint64_t problems() const noexcept { return problems_; }
    /// False when nobody reads the output any more.
    [[nodiscard]] bool good() const noexcept { return output_.good(); }

private:
    Output& output_;
    bool json_;
    std::uint64_t problems_ = 0;
};

}  // namespace braid::tools
