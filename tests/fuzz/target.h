#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <braid/check.hpp>
#include <braid/types.hpp>

#include "segment/checksum.h"

/// What libFuzzer calls with each input. A broken promise ends the process with BRAID_CHECK.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace braid::fuzz {

/// The store that all seeds belong to.
inline constexpr Uuid store = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
inline const std::uint64_t store_seed = segment::store_seed(store);

inline Bytes input_bytes(const std::uint8_t* data, std::size_t size) {
    return std::as_bytes(std::span(data, size));
}

/// Takes the first byte of an input off; 0 if there is none.
inline std::uint8_t take_byte(Bytes& input) {
    if (input.empty()) return 0;
    const auto byte = std::to_integer<std::uint8_t>(input.front());
    input = input.subspan(1);
    return byte;
}

/// Whether `part` lies in `whole`.
inline bool lies_in(Bytes part, Bytes whole) {
    return part.empty() || (part.data() >= whole.data() &&
                            part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace braid::fuzz
