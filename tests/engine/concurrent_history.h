// What several threads did to one store and saw of it, and whether one order explains it all.
#pragma once

#include <braid/types.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace braid::test {

/// Moments of one run, counted by all threads together: what ended at a smaller number than
/// something else began at was over before it.
using Moment = std::uint64_t;

/// A commit that was attempted.
struct Attempt {
    enum class Outcome : std::uint8_t { done, refused, unknown };
    Moment begun = 0;
    Moment ended = 0;
    Outcome outcome = Outcome::done;
    bool durable = false;               ///< asked for
    std::uint64_t first = 0;            ///< position; of a done one
    std::uint64_t last = 0;             ///< likewise
    std::uint64_t timestamp = 0;        ///< likewise
    std::vector<std::string> payloads;  ///< each unique in the run
};

/// An entry as it was delivered.
struct Delivered {
    std::uint64_t position = 0;
    std::uint64_t sequence = 0;
    std::string segment;
    std::string payload;
    bool operator==(const Delivered&) const = default;
};

/// One reader of all entries, from its opening to its end; or a follower.
struct Reading {
    Moment opened_after = 0;   ///< counted just before it was opened
    Moment opened_before = 0;  ///< and just after
    bool durable = false;      ///< its level
    bool follows = false;      ///< was told more than there was when it was opened
    std::string segment;       ///< empty: the whole store
    std::vector<Delivered> entries;
};

/// A segment's newest entry, as one thread saw it.
struct Peek {
    Moment before = 0;
    Moment after = 0;
    std::size_t thread = 0;  ///< each one's peeks are in order
    bool durable = false;
    std::string segment;
    std::uint64_t sequence = 0;  ///< 0: none
    std::uint64_t position = 0;
};

struct ConcurrentHistory {
    std::vector<Attempt> attempts;
    std::vector<Reading> readings;
    std::vector<Peek> peeks;
    std::vector<Delivered> end;  ///< the whole store, read when all was over
};

/// Why no single order of the commits explains everything; empty if one does. That order is the one
/// of the positions, and it must keep real time: a commit that was over before another began comes
/// before it, a reader sees all that was over before it was opened, and nothing that began after.
[[nodiscard]] std::string unexplained(const ConcurrentHistory& history);

}  // namespace braid::test
