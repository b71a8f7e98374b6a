// A drain writes its pack while it builds it, a part at a time.
#include <algorithm>

#include "engine/engine.h"
#include "engine/reader_body.h"
#include "tests/engine/model_random.h"
#include "tests/engine/store_fixture.h"
#include "tests/segment/sample.h"
#include "tests/sim/sim_disk.h"

namespace braid::test {
namespace {

constexpr std::size_t mib = 1 << 20;

/// Records of every length up to several of what is written at a time, in 40 segments.
class LongDrains {
public:
    explicit LongDrains(std::uint64_t seed) : random_(seed), disk_(seed) {
        options_ = default_options();
        options_.large_body_bytes = 0;
        options_.piece_bytes_min = 64 * mib;
        open();
    }
    ~LongDrains() { close(); }
    LongDrains(const LongDrains&) = delete;
    LongDrains& operator=(const LongDrains&) = delete;

    void append(std::size_t bytes) {
        for (std::size_t left = bytes; left != 0;) {
            TransactionBody body(engine_->options());
            for (std::uint64_t n = random_.below(40) + 1; n != 0; --n) {
                const std::size_t length = std::min(left, next_length());
                left -= length;
                lengths_.push_back(length);
                body.append("sp", "segment " + std::to_string(random_.below(40)),
                            as_bytes(std::string(length, byte_of(lengths_.size()))), {});
            }
            must(engine_->commit(body, Durability::buffered));
        }
    }
    /// By a queue whose writes read their bytes late, and end in any order.
    Result<void> drain() {
        must(engine_->sync());
        for (;;) {
            const auto moved = engine_->step_drain(*queue_);
            if (!moved) return moved.error();
            if (!*moved) return {};
        }
    }
    void reopen() {
        close();
        open();
    }
    void check_all() {
        CHECK(must(engine_->verify()).damages.empty());
        const auto reader = engine_->read_spaces(std::nullopt, {});
        std::size_t read = 0;
        for (const auto* entry = reader->next(); entry != nullptr; entry = reader->next()) {
            REQUIRE(*entry);
            REQUIRE((*entry)->payload.size() == lengths_[read++]);
            const auto byte = static_cast<std::byte>(byte_of(read));
            REQUIRE(std::ranges::all_of((*entry)->payload, [&](auto one) { return one == byte; }));
        }
        CHECK(read == lengths_.size());
    }
    sim::SimDisk& disk() { return disk_; }

private:
    /// Of the n-th record.
    static char byte_of(std::size_t n) noexcept { return static_cast<char>('a' + n % 26); }
    std::size_t next_length() {
        switch (random_.below(100)) {
            case 0:
                return random_.below(5 * mib) + 1;
            case 1:
                return random_.below(70'000) + 1;
            default:
                return random_.below(3000) + 1;
        }
    }
    void open() {
        engine_ = must(Engine::open(disk_.borrow(), options_, Engine::Threads::none));
        queue_ = must(disk_.make_queue(64, nullptr));
    }
    void close() {
        static_cast<void>(engine_->close());
        engine_.reset();
        queue_.reset();
    }

    Random random_;
    sim::SimDisk disk_;
    Options options_;
    std::vector<std::size_t> lengths_;
    std::shared_ptr<Engine> engine_;
    std::unique_ptr<io::Queue> queue_;
};

TEST_CASE("a pack of many parts has all that was committed") {
    const std::uint64_t seed = fresh_seed();
    CAPTURE(seed);
    LongDrains drains(seed);
    // The first one is written through the page cache, the second one past it.
    for (int i = 0; i < 2; ++i) {
        drains.append(18 * mib);
        must(drains.drain());
        drains.check_all();
    }
    drains.reopen();
    drains.check_all();
}

TEST_CASE("a drain of which any part can't be written is done anew") {
    const std::uint64_t seed = fresh_seed();
    CAPTURE(seed);
    LongDrains drains(seed);
    drains.append(mib);
    must(drains.drain());
    drains.append(18 * mib);
    std::uint64_t failed = 0;
    for (std::uint64_t nth = 1; failed + 1 == nth; ++nth) {
        drains.disk().clear_faults();
        drains.disk().fail({.nth = nth, .file = "pack-000002"});
        if (nth % 2 == 0)  // one before is carried on with
            drains.disk().fail({.nth = nth - 1, .result = 4096, .file = "pack-000002"});
        if (!drains.drain()) ++failed;
    }
    CHECK(failed >= 9);
    drains.check_all();
    drains.reopen();
    drains.check_all();
}

}  // namespace
}  // namespace braid::test
