#include "io/futex.h"

#include <doctest/doctest.h>

#include <thread>

namespace braid::test {
namespace {

TEST_CASE("a wait on a word that has changed returns at once") {
    const std::atomic<std::uint32_t> word{1};
    io::futex_wait(word, 0);
}

TEST_CASE("a wait ends at its time limit") {
    const std::atomic<std::uint32_t> word{0};
    io::futex_wait(word, 0, 1'000'000);
}

TEST_CASE("a sleeper is woken") {
    std::atomic<std::uint32_t> word{0};
    std::thread sleeper([&] {
        while (word.load() == 0) io::futex_wait(word, 0);
    });
    word.store(1);
    io::futex_wake(word);
    sleeper.join();
}

}  // namespace
}  // namespace braid::test
