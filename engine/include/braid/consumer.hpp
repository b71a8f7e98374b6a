#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <braid/types.hpp>

namespace braid {

/// What a consumer's cursor runs over: a segment, a space, or the whole store. A view of names. A
/// consumer of several spaces has a cursor in each of them. The source needn't exist yet.
struct Source {
    std::string_view space{};    ///< empty: the whole store
    std::string_view segment{};  ///< empty: the whole space

    constexpr Source() = default;
    constexpr Source(std::string_view of_space) : space(of_space) {}
    constexpr Source(const char* of_space) : space(of_space) {}
    Source(const std::string& of_space) : space(of_space) {}
    constexpr Source(std::string_view of_space, std::string_view of_segment)
        : space(of_space), segment(of_segment) {}
};

/// How a consumer's cursor may be set.
struct MoveOptions {
    /// The owner who moves it. Where another one has taken the consumer over since, that is a
    /// `conflict`.
    Epoch epoch{};
    /// Compare and set: where the cursor must stand now; one that was never set stands at 0.
    std::optional<Position> expect{};
    /// Lets the cursor go back; without it that is a `conflict`.
    bool backward = false;
    /// Whoever owns the consumer: for an operator's hand, not for an owner's.
    bool any_epoch = false;
};

/// One cursor of a consumer.
struct ConsumerCursor {
    std::string space;    ///< empty: the whole store
    std::string segment;  ///< empty: the whole space
    Position position;    ///< of the last entry that is done with
    bool operator==(const ConsumerCursor&) const = default;
};

/// A consumer as the store keeps it.
struct Consumer {
    std::string name;
    Epoch epoch;                          ///< of its owner; 0: nobody ever took it over
    std::vector<ConsumerCursor> cursors;  ///< by space and segment, in unsigned byte order

    /// Where it stands in a source: 0 where it has no cursor there.
    [[nodiscard]] Position position(const Source& source) const noexcept {
        for (const ConsumerCursor& cursor : cursors)
            if (cursor.space == source.space && cursor.segment == source.segment)
                return cursor.position;
        return 0;
    }
    bool operator==(const Consumer&) const = default;
};

}  // namespace braid
