#include "engine/watermarks.h"

#include <doctest/doctest.h>

#include <thread>

namespace braid::test {
namespace {

TEST_CASE("watermarks concurrent: what is durable is committed to whoever looks") {
    constexpr std::uint64_t raises = 1'000'000;
    Watermarks marks;
    std::uint64_t inverted = 0;
    std::thread reader([&] {
        for (Position durable; durable < raises;) {
            durable = marks.durable();
            inverted += marks.committed() < durable ? 1 : 0;
            const TransactionNumber transaction = marks.transaction_at(Level::durable);
            inverted += marks.transaction_at(Level::committed) < transaction ? 1 : 0;
        }
    });
    for (std::uint64_t i = 1; i <= raises; ++i) marks.raise_durable(i, i);
    reader.join();
    CHECK(inverted == 0);
}

}  // namespace
}  // namespace braid::test
