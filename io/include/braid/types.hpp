#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace braid {

/// A number of one kind. It is made from a plain integer where one is written, and never converts
/// to another kind, so that a sequence given for a position does not compile.
template <class Kind>
struct Number {
    std::uint64_t value = 0;

    constexpr Number() = default;
    constexpr Number(std::uint64_t number) : value(number) {}

    constexpr auto operator<=>(const Number&) const = default;
    constexpr Number& operator++() {
        ++value;
        return *this;
    }
    constexpr Number& operator+=(std::uint64_t count) {
        value += count;
        return *this;
    }
    friend constexpr Number operator+(Number left, std::uint64_t count) {
        return Number(left.value + count);
    }
    friend constexpr Number operator-(Number left, std::uint64_t count) {
        return Number(left.value - count);
    }
    friend constexpr std::uint64_t operator-(Number left, Number right) {
        return left.value - right.value;
    }
};

/// An entry's number in its segment: 1, 2, 3 … without a gap.
using Sequence = Number<struct SequenceKind>;
/// An entry's number in the store: 1, 2, 3 … without a gap, in commit order. As a cursor: the
/// position of the last entry seen, 0 before any.
using Position = Number<struct PositionKind>;
/// A transaction's number: strictly increasing along position.
using TransactionNumber = Number<struct TransactionKind>;
/// Which owner of a consumer: the number of the transaction that took it over, so it rises with
/// each and never comes again; 0 before the first.
using Epoch = Number<struct EpochKind>;
/// Which grant of a lease: the number of the transaction that granted it, so it rises with each
/// grant and never comes again; 0: none.
using LeaseToken = Number<struct LeaseTokenKind>;
/// Nanoseconds since the Unix epoch, given at commit, never decreasing along position.
using Timestamp = Number<struct TimestampKind>;
/// Identifies a segment in its store for good; never used again after a delete.
using SegmentId = Number<struct SegmentKind>;
/// Identifies a space in its store for good.
using SpaceId = Number<struct SpaceKind>;

/// A store's identity, made when it is created.
using Uuid = std::array<std::uint8_t, 16>;

/// A caller's name for a transaction, so that it can be committed again without being done twice.
using TransactionId = std::array<std::uint8_t, 16>;

/// Bytes of somebody else's; a view.
using Bytes = std::span<const std::byte>;

/// The bytes of a text. The view lives as long as the text does.
inline Bytes as_bytes(std::string_view text) noexcept {
    return std::as_bytes(std::span(text.data(), text.size()));
}
/// The text of bytes, whatever they are. The view lives as long as the bytes do.
inline std::string_view as_text(Bytes bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// One key and value of a record's metadata: any bytes, in the order given, keys may repeat.
struct KeyValue {
    std::string_view key;
    std::string_view value;
    bool operator==(const KeyValue&) const = default;
};

}  // namespace braid
