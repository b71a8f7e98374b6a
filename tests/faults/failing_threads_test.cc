#include <doctest/doctest.h>

#include <atomic>
#include <braid/braid.hpp>
#include <thread>

#include "tests/faults/failing_allocation.h"
#include "tests/io/temporary_directory.h"
#include "tests/main.h"

namespace braid::faults {

TEST_CASE("faults: the engine's own threads survive that their allocations fail") {
    const test::TemporaryDirectory directory;
    Options options;
    options.create = true;
    options.io = test::io();
    options.log_file_bytes = 64 << 10;
    options.log_bytes_max = 256 << 10;
    options.tail_bytes_max = 256 << 10;
    options.arena_chunk_bytes = 16 << 10;
    std::atomic<unsigned> answers{0};
    std::atomic<unsigned> failures{0};
    constexpr unsigned commits = 300;
    {
        auto store = Store::open(directory.path(), options);
        REQUIRE(store);
        fail_allocations_of_others(10);
        for (unsigned i = 0; i < commits; ++i) {
            auto transaction = store->begin();
            transaction.append("space", "segment", std::string(1000, 'x'));
            transaction.commit_async([&](const Result<Receipt>& receipt) {
                if (!receipt) ++failures;
                ++answers;
            });
        }
        while (answers < commits) std::this_thread::yield();
        fail_allocations_of_others(0);
        CHECK(failures == 0);
        CHECK(store->close());
    }
    auto store = Store::open(directory.path(), options);
    REQUIRE(store);
    CHECK(store->status("space", "segment")->last_sequence == commits);
}

}  // namespace braid::faults
