#include "bench/records.h"

#include <fmt/format.h>

namespace bench {

std::string_view payload() {
    static const std::string bytes = [] {
        std::string made;
        for (std::size_t at = 0; at < payload_bytes; ++at)
            made.push_back(static_cast<char>('!' + at % 90));
        return made;
    }();
    return bytes;
}

std::vector<std::string> segment_names(std::size_t count) {
    std::vector<std::string> names;
    names.reserve(count);
    for (std::size_t number = 0; number < count; ++number)
        names.push_back(fmt::format("segment-{:06}", number));
    return names;
}

braid::TransactionId transaction_id(std::uint64_t number) {
    braid::TransactionId id{};
    for (std::size_t i = 0; i < 8; ++i) id[i] = static_cast<std::uint8_t>(number >> (8 * i));
    return id;
}

}  // namespace bench
