#pragma once

#include <string>
#include <vector>

#include "tests/damage/truth.h"

namespace braid::damage {

/// Reads an opened store in every way, and holds it against what was acknowledged: each read gives
/// exactly that, or gives as much of it as precedes a precise error; and consumers, leases and ids
/// are what they were.
class Reading {
public:
    /// `names`: the files of the store; a precise error names one of them.
    Reading(const Truth& truth, const std::vector<std::string>& names)
        : truth_(truth), names_(names) {}

    void read_all(const Engine& engine);

    /// The first thing that is wrong, in words; empty if there is none.
    [[nodiscard]] const std::string& wrong() const noexcept { return wrong_; }
    /// Errors met, all of them precise if nothing is wrong.
    [[nodiscard]] const std::vector<Error>& errors() const noexcept { return errors_; }
    /// Segments that at least one read of them alone couldn't give wholly.
    [[nodiscard]] std::size_t segments_failed() const noexcept { return segments_failed_; }

    /// Why an error isn't precise; empty if it is.
    [[nodiscard]] static std::string imprecise(const Error& error,
                                               const std::vector<std::string>& names);

private:
    using Strand = Truth::Strand;
    void note(const std::string& way, const Strand& strand, const std::string& what);
    void take(const std::string& way, const Strand& strand, const Error& error);
    [[nodiscard]] std::unique_ptr<ReaderBody> open(const Engine& engine, const Strand& strand,
                                                   const EntryBounds& bounds) const;
    void read(const Engine& engine, const Strand& strand, bool backward);
    void read_part(const Engine& engine, const Strand& strand, std::size_t from, std::size_t count);
    void compare(const std::string& way, const Strand& strand, ReaderBody& reader,
                 const std::vector<std::uint32_t>& expected);
    void peek(const Engine& engine, const Strand& strand);
    void status(const Engine& engine, const Strand& strand);
    void names(const Engine& engine);

    const Truth& truth_;
    const std::vector<std::string>& names_;
    std::string wrong_;
    std::vector<Error> errors_;
    std::size_t segments_failed_ = 0;
};

}  // namespace braid::damage
