#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <braid/types.hpp>

namespace braid {

/// What kind of thing went wrong. Each says whether trying again can help.
enum class Errc : std::uint8_t {
    invalid_argument = 1,  ///< The call itself is wrong. Trying again never helps.
    not_found,             ///< What was named isn't there. Helps once somebody has made it.
    conflict,  ///< An expectation was not met; nothing was written. Read, decide, then try again.
    out_of_range,  ///< A cursor stands beyond the end of what this store holds.
    trimmed,       ///< A cursor stands below what retention has left. Going on is a choice.
    too_large,     ///< A limit was passed; the sentence names it. Nothing was written.
    corrupt,       ///< Stored bytes are damaged. Trying again never helps; see `braid verify`.
    io,            ///< The operating system refused; `system_error()` says how. May help.
    no_space,      ///< The disk or a budget is full; nothing was written. Helps once there is room.
    locked,        ///< Another process has the store open for writing. Helps once it closes.
    failed,        ///< An earlier log failure stopped this store. Reopening helps.
    unknown_outcome,  ///< The log write failed or the store was closed under it: reopening decides.
    unsupported_version,  ///< Made by a newer Braid. A newer Braid helps.
    cancelled,            ///< The caller gave up.
    closed,               ///< The store is closed. Trying again on this handle never helps.
};

/// The code's name as written above.
std::string_view to_string(Errc code) noexcept;

/// A condition that was not met: what was asked for and what is there. On a segment; where
/// `consumer` is set, on that consumer (space and segment then name the cursor, if it is about
/// one); where `lease` is set, on the lease of that key.
struct Conflict {
    std::string space;
    std::string segment;
    std::string required;        ///< in words, such as "sequence 42", "no entry" or "epoch 7"
    Sequence required_sequence;  ///< of a segment: that the first record would have had (0: none)
    Sequence found;              ///< of a segment: that it would get now, the segment's last + 1
    std::string consumer{};
    std::string actual{};  ///< in words, as `required`, such as "sequence 40" or "epoch 9"
    std::string lease{};
};

/// What retention has left behind a cursor that is too old.
struct Trimmed {
    Position trimmed_through;
    Position first_left;
};

/// An error: a code, the system's errno where there was one (else 0), and a sentence for people
/// that names file, offset, expected and found. Cheap to move; details are shared when copied.
class Error {
public:
    Error() = default;  // asked for by boost::system::result; no function returns one
    Error(Errc code, std::string message, int system_error = 0)
        : code_(code), system_error_(system_error), message_(std::move(message)) {}

    [[nodiscard]] Errc code() const noexcept { return code_; }
    [[nodiscard]] int system_error() const noexcept { return system_error_; }
    [[nodiscard]] const std::string& message() const noexcept { return message_; }

    /// With `conflict`: each condition that was not met; empty otherwise.
    [[nodiscard]] const std::vector<Conflict>& conflicts() const noexcept;
    /// With `trimmed`: where reading can go on.
    [[nodiscard]] const std::optional<Trimmed>& trimmed() const noexcept;

    [[nodiscard]] static Error conflict(std::vector<Conflict> conflicts);
    [[nodiscard]] static Error trimmed(Trimmed trimmed, std::string message);

    /// The same error with `context` and ": " in front of its sentence.
    [[nodiscard]] Error within(std::string_view context) &&;

private:
    struct Details {
        std::vector<Conflict> conflicts;
        std::optional<Trimmed> trimmed;
    };

    Errc code_ = Errc::failed;
    int system_error_ = 0;
    std::string message_;
    std::shared_ptr<const Details> details_;
};

}  // namespace braid
