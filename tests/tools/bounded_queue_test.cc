#include "tools/bounded_queue.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace braid::tools {

TEST_CASE("items come out in order, and what is queued at finish is still handed out") {
    BoundedQueue<int> queue(4);
    CHECK(queue.push(1));
    CHECK(queue.push(2));
    queue.finish();
    CHECK_FALSE(queue.push(3));
    CHECK(queue.pop() == 1);
    CHECK(queue.pop() == 2);
    CHECK_FALSE(queue.pop().has_value());
}

TEST_CASE("nothing is handed out after stop") {
    BoundedQueue<int> queue(4);
    CHECK(queue.push(1));
    queue.stop();
    CHECK_FALSE(queue.pop().has_value());
    CHECK_FALSE(queue.push(2));
}

TEST_CASE("stop frees a thread that waits for room") {
    BoundedQueue<int> queue(1);
    CHECK(queue.push(1));
    std::thread pusher([&] { CHECK_FALSE(queue.push(2)); });
    queue.stop();
    pusher.join();
}

TEST_CASE("several threads get each item of a full queue once") {
    constexpr int items = 10000;
    BoundedQueue<int> queue(3);
    std::atomic<std::int64_t> sum = 0;
    std::vector<std::jthread> takers;
    for (int i = 0; i < 4; ++i) {
        takers.emplace_back([&] {
            while (const auto item = queue.pop()) sum += *item;
        });
    }
    for (int i = 1; i <= items; ++i) CHECK(queue.push(i));
    queue.finish();
    takers.clear();
    CHECK(sum == std::int64_t{items} * (items + 1) / 2);
}

}  // namespace braid::tools
