// Processor: what comes of each entry is there exactly once.
#include <fmt/format.h>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <braid/asio.hpp>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "tests/engine/store_fixture.h"

namespace braid::test {
namespace {

/// Writes the position of each entry to out/all.
Result<void> note(ProcessorInput& batch, Transaction& output) {
    while (const Entry* entry = batch.next())
        output.append("out", "all", fmt::format("{}", entry->position.value));
    return {};
}

Position position_of(Store& store, std::string_view source) {
    return must(store.consumer("p"))->position(source);
}

Processor open_processor(Store& store, std::uint64_t batch_records = 7) {
    ProcessorOptions options;
    options.batch_records = batch_records;
    return must(Processor::open(store, "p", "in", options));
}

/// Until nothing is left; returns how many batches it took.
std::uint64_t run(Processor& processor) {
    std::uint64_t batches = 0;
    while (must(processor.run_once(note)) != 0) ++batches;
    return batches;
}

/// Each entry of `in` is noted once, in order.
void check_noted(Store& store) {
    std::vector<std::string> expected;
    for (const Seen& entry : entries(store.read_space("in")))
        expected.push_back(fmt::format("{}", entry.position));
    CHECK(payloads(entries(store.read_segment("out", "all"))) == expected);
}

}  // namespace

TEST_CASE("a processor goes through what is there in batches, and goes on where it stood") {
    with_every_size([](StoreFixture& store) {
        must_append(*store, "in", "a", 1, 50);
        must_append(*store, "else", "a", 1, 50);
        {
            Processor processor = open_processor(*store);
            CHECK(run(processor) == 8);
            CHECK(processor.cursor() == 50);
            CHECK(must(processor.run_once(note)) == 0);
        }
        must_append(*store, "in", "b", 1, 10);
        store.reopen();
        Processor processor = open_processor(*store);
        CHECK(run(processor) == 2);
        check_noted(*store);
        CHECK(must(store->lag("in", processor.cursor())) == 0);
    });
}

TEST_CASE("a batch that fails or throws is processed again, and nothing of it was written") {
    StoreFixture store;
    must_append(*store, "in", "a", 1, 20);
    Processor processor = open_processor(*store);
    CHECK(must(processor.run_once(note)) == 7);
    const auto failed =
        processor.run_once([](ProcessorInput& batch, Transaction& output) -> Result<void> {
            static_cast<void>(note(batch, output));
            return Error(Errc::cancelled, "not now");
        });
    CHECK(code(failed) == Errc::cancelled);
    const ProcessBatch throws = [](ProcessorInput& batch, Transaction& output) -> Result<void> {
        static_cast<void>(note(batch, output));
        throw std::runtime_error("thrown");
    };
    CHECK_THROWS_AS(static_cast<void>(processor.run_once(throws)), std::runtime_error);
    CHECK(processor.cursor() == 7);
    run(processor);
    check_noted(*store);
}

TEST_CASE("only what the function takes of a batch counts as done") {
    StoreFixture store;
    must_append(*store, "in", "a", 1, 20);
    Processor processor = open_processor(*store);
    CHECK(must(processor.run_once([](ProcessorInput&, Transaction& output) -> Result<void> {
              output.append("out", "all", "never");
              return {};
          })) == 0);
    CHECK(must(processor.run_once([](ProcessorInput& batch, Transaction& output) -> Result<void> {
              output.append("out", "all", fmt::format("{}", batch.next()->position.value));
              return {};
          })) == 1);
    CHECK(processor.cursor() == 1);
    run(processor);
    check_noted(*store);
}

TEST_CASE("a processor whose consumer was taken over is refused, and what it wrote is not there") {
    StoreFixture store;
    must_append(*store, "in", "a", 1, 20);
    Processor old = open_processor(*store);
    CHECK(must(old.run_once(note)) == 7);
    Processor fresh = open_processor(*store);
    CHECK(fresh.epoch() > old.epoch());
    CHECK(code(old.run_once(note)) == Errc::conflict);
    run(fresh);
    CHECK(code(old.run_once(note)) == std::nullopt);  // nothing is left
    check_noted(*store);
}

TEST_CASE("a processor of a segment, and of the whole store") {
    StoreFixture store;
    must_append(*store, "in", "a", 1, 5);
    must_append(*store, "in", "b", 1, 5);
    std::uint64_t count = 0;
    const ProcessBatch counts = [&](ProcessorInput& batch, Transaction&) -> Result<void> {
        while (batch.next() != nullptr) ++count;
        return {};
    };
    Processor segment = must(Processor::open(*store, "s", {"in", "b"}));
    CHECK(must(segment.run_once(counts)) == 5);
    CHECK(segment.cursor() == 10);
    Processor all = must(Processor::open(*store, "s", {}));
    CHECK(must(all.run_once(counts)) == 10);
    CHECK(must(store->consumer("s"))->cursors.size() == 2);
    CHECK(code(Processor::open(*store, "s", {"", "b"})) == Errc::invalid_argument);
    CHECK(code(Processor::open(*store, "s", {}, {.batch_records = 0})) == Errc::invalid_argument);
}

TEST_CASE("a processor of several spaces takes each entry once, also of one added later") {
    with_every_size([](StoreFixture& store) {
        std::vector<std::string> taken;
        const ProcessBatch take = [&](ProcessorInput& batch, Transaction&) -> Result<void> {
            while (const Entry* entry = batch.next())
                taken.push_back(fmt::format("{} {}", entry->space, entry->sequence.value));
            return {};
        };
        ProcessorOptions two;
        two.batch_records = 2;
        const auto process = [&](const std::vector<std::string>& spaces) {
            taken.clear();
            auto processor = must(Processor::open_spaces(*store, "p", spaces, two));
            while (must(processor.run_once(take)) != 0) {
            }
            return processor.cursor();
        };
        using Taken = std::vector<std::string>;
        must_append(*store, "a", "x", 1, 2);
        must_append(*store, "b", "x", 1, 1);
        must_append(*store, "c", "x", 1, 3);
        must_append(*store, "a", "x", 3, 3);
        CHECK(process({"b", "a", "b"}) == 7);
        CHECK(taken == Taken{"a 1", "a 2", "b 1", "a 3"});
        store.reopen();
        must_append(*store, "b", "x", 2, 2);
        must_append(*store, "c", "x", 4, 4);
        CHECK(process({"c"}) == 9);
        CHECK(taken == Taken{"c 1", "c 2", "c 3", "c 4"});
        must_append(*store, "c", "x", 5, 5);
        CHECK(process({"a", "b", "c"}) == 10);  // what is old in b comes first
        CHECK(taken == Taken{"b 2", "c 5"});
        CHECK(process({"a", "b", "c", "d"}) == 0);
        CHECK(taken.empty());
        for (const char* space : {"a", "b", "c"})
            CHECK(must(store->lag(space, position_of(*store, space))) == 0);
    });
    StoreFixture store;
    CHECK(code(Processor::open_spaces(*store, "p", {})) == Errc::invalid_argument);
    CHECK(code(Processor::open_spaces(*store, "p", {"a", ""})) == Errc::invalid_argument);
}

TEST_CASE("a batch of several spaces that fails is processed again, each from its own cursor") {
    StoreFixture store;
    must_append(*store, "in", "a", 1, 5);
    Processor alone = open_processor(*store, 3);
    CHECK(must(alone.run_once(note)) == 3);
    must_append(*store, "more", "a", 1, 5);
    ProcessorOptions two;
    two.batch_records = 2;
    Processor both = must(Processor::open_spaces(*store, "p", {"in", "more"}, two));
    for (int batch = 0; batch < 4; ++batch) {
        const auto failed =
            both.run_once([](ProcessorInput& input, Transaction& output) -> Result<void> {
                static_cast<void>(note(input, output));
                return Error(Errc::cancelled, "not now");
            });
        CHECK(code(failed) == Errc::cancelled);
        if (batch < 3) CHECK(must(both.run_once(note)) == 2);
    }
    CHECK(must(both.run_once(note)) == 1);
    std::vector<std::string> expected;
    for (const char* space : {"in", "more"})
        for (const Seen& entry : entries(store->read_space(space)))
            expected.push_back(fmt::format("{}", entry.position));
    CHECK(payloads(entries(store->read_segment("out", "all"))) == expected);
}

TEST_CASE("what a killed processor had acknowledged is not done again") {
    StoreFixture store;
    must_append(*store, "in", "a", 1, 100);
    for (int kill = 0; kill < 5; ++kill)
        store.in_killed_process([](Store& one) {
            auto processor = Processor::open(one, "p", "in", {.batch_records = 7});
            return processor && processor->run_once(note) && processor->run_once(note);
        });
    Processor processor = open_processor(*store);
    CHECK(processor.cursor() == 70);
    run(processor);
    check_noted(*store);
}

TEST_CASE("asio threads: a processor runs on a thread of the pool") {
    StoreFixture store;
    must_append(*store, "in", "a", 1, 20);
    Processor processor = open_processor(*store, 100);
    boost::asio::io_context context;
    std::optional<Result<std::uint64_t>> done;
    const auto this_thread = std::this_thread::get_id();
    async_run_once(processor, note, std::chrono::seconds(0),
                   boost::asio::bind_executor(context, [&](Result<std::uint64_t> result) {
                       CHECK(std::this_thread::get_id() == this_thread);
                       done = std::move(result);
                   }));
    context.run();
    REQUIRE(done);
    CHECK(must(*std::move(done)) == 20);
    check_noted(*store);
}

}  // namespace braid::test
