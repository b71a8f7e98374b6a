#pragma once

#include <fmt/format.h>
#include <braid/types.hpp>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "segment/frame_builder.h"

namespace braid::test {

inline constexpr Uuid sample_uuid = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/// Numbers for a frame that doesn't care.
inline segment::FrameNumbers sample_numbers() {
    return {.segment = 7,
            .first_sequence = 41,
            .first_position = 1000,
            .timestamp = 1'700'000'000'000'000'000,
            .transaction = 12,
            .ends_transaction = true};
}

/// The only frame that the builder has finished, numbered.
inline std::vector<std::byte> numbered(segment::FrameBuilder& builder,
                                       const segment::FrameNumbers& numbers, std::uint64_t seed) {
    builder.finish();
    std::vector<std::byte> bytes(builder.bytes().begin(), builder.bytes().end());
    segment::number_frame(bytes.data(), numbers, builder.frames().front().body_hash, seed);
    return bytes;
}

/// A frame of one segment with `count` records of `payload_bytes` each.
inline std::vector<std::byte> plain_frame(const segment::FrameNumbers& numbers, std::size_t count,
                                          std::size_t payload_bytes, std::uint64_t seed) {
    segment::FrameBuilder builder;
    const std::string payload(payload_bytes, 'x');
    for (std::size_t i = 0; i < count; ++i) builder.add(0, as_bytes(payload), {});
    return numbered(builder, numbers, seed);
}

inline void flip(std::vector<std::byte>& bytes, std::size_t bit) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
}

inline std::string hex(Bytes bytes) {
    std::string text;
    for (const std::byte byte : bytes)
        text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    return text;
}

/// Random bytes; small values are frequent, so that lengths and counts are often nearly right.
inline std::vector<std::byte> random_bytes(std::mt19937_64& random, std::size_t count) {
    std::vector<std::byte> bytes(count);
    const bool small = random() % 2 == 0;
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(small ? random() % 5 : random());
    return bytes;
}

/// A seed that differs from run to run; tests print it when they fail.
inline std::uint64_t fresh_seed() {
    return std::random_device{}();
}

}  // namespace braid::test
