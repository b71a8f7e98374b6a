#include "tests/kill/life.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <braid/braid.hpp>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "tests/kill/acks.h"
#include "tests/kill/check.h"
#include "tests/kill/heir.h"
#include "tests/kill/plan.h"

namespace braid::kill {
namespace {

constexpr int outstanding_max = 24;

Store open_store(const Place& place, const Options& options, const Notes& notes) {
    auto store = Store::open(place.store(), options);
    if (!store) give_up(place, "opening: " + store.error().message());
    notes.add({.kind = Note::Kind::opened, .last_position = store->stat().sequenced.value});
    return std::move(*store);
}

/// A life's store, and what its threads share.
class Writer {
public:
    Writer(const Place& place, Io io, const Life& life)
        : place_(place),
          life_(life),
          notes_(place.notes()),
          next_id_(life.first_id),
          store_(open_store(place, small_options(io, life.seed), notes_)) {
        if (life.alarm_at == 0) raise_alarm(life.alarm);
    }

    void run(std::uint64_t seed) {
        std::mt19937_64 random(seed);
        while (true) {
            switch (step(random() % 3)) {
                case Step::commit:
                    commit(Durability::durable);
                    break;
                case Step::commit_burst:
                    commit_burst(random);
                    break;
                case Step::commit_async:
                    commit_async();
                    break;
            }
        }
    }

    Receipt commit(Durability durability) {
        const std::uint64_t id = next_id_++;
        const auto receipt = begin(id).commit(durability);
        if (!receipt) give_up(place_, "a commit: " + receipt.error().message());
        acknowledge(durability, id, *receipt);
        return *receipt;
    }

    void close() {
        if (const auto closed = store_.close(); !closed)
            give_up(place_, "closing: " + closed.error().message());
    }

private:
    enum class Step : std::uint8_t { commit, commit_burst, commit_async };

    [[nodiscard]] Step step(std::uint64_t pick) const {
        if (life_.style == Life::Style::durable) return Step::commit;
        if (life_.style == Life::Style::buffered)
            return pick == 0 ? Step::commit_burst : Step::commit_async;
        return static_cast<Step>(pick);
    }

    Transaction begin(std::uint64_t id) {
        Transaction transaction = store_.begin();
        for (const PlannedRecord& record : plan_transaction(id))
            transaction.append(record.space, record.segment, record.payload);
        return transaction;
    }

    /// Buffered ones, made durable together or left to their fate.
    void commit_burst(std::mt19937_64& random) {
        std::map<std::uint64_t, Receipt> burst;
        for (std::uint64_t count = 1 + random() % 8; count > 0; --count) {
            const std::uint64_t id = next_id_++;
            const auto receipt = begin(id).commit(Durability::buffered);
            if (!receipt) give_up(place_, "a buffered commit: " + receipt.error().message());
            notes_.acknowledge(Note::Kind::buffered, id, *receipt);
            burst.emplace(id, *receipt);
        }
        if (random() % 2 == 0) return;
        if (const auto synced = store_.sync(); !synced)
            give_up(place_, "a sync: " + synced.error().message());
        for (const auto& [id, receipt] : burst) acknowledge(Durability::durable, id, receipt);
    }

    void commit_async() {
        if (outstanding_ >= outstanding_max) {
            commit(Durability::durable);
            return;
        }
        ++outstanding_;
        const std::uint64_t id = next_id_++;
        begin(id).commit_async([this, id](const Result<Receipt>& receipt) {
            --outstanding_;
            if (!receipt) give_up(place_, "an async commit: " + receipt.error().message());
            acknowledge(Durability::durable, id, *receipt);
        });
    }

    void acknowledge(Durability durability, std::uint64_t id, const Receipt& receipt) {
        const bool durable = durability == Durability::durable;
        notes_.acknowledge(durable ? Note::Kind::durable : Note::Kind::buffered, id, receipt);
        if (++acknowledged_ == life_.alarm_at) raise_alarm(life_.alarm);
    }

    const Place& place_;
    const Life& life_;
    Notes notes_;
    std::atomic<std::uint64_t> next_id_;
    std::atomic<std::uint64_t> acknowledged_{0};
    std::atomic<int> outstanding_{0};
    Store store_;  // the last: its callbacks use the others
};

}  // namespace

void give_up(const Place& place, std::string_view words) {
    const int fd = ::open(place.words().c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    const std::string line = std::string(words) + "\n";
    static_cast<void>(!::write(fd, line.data(), line.size()));
    ::_exit(1);
}

void raise_alarm(int fd) {
    const char byte = 1;
    static_cast<void>(!::write(fd, &byte, 1));
}

Options small_options(Io io, std::uint64_t seed) {
    Options options;
    options.create = true;
    options.io = io;
    options.lock_wait = burial_max;
    options.log_file_bytes = std::uint64_t{65536} << 2 * (seed % 3);
    options.log_bytes_max = 8 << 20;
    options.tail_bytes_max = 128 << 10;  // drains all the while
    options.arena_chunk_bytes = 16 << 10;
    options.piece_bytes_min = 16 << 10;
    options.segment_file_bytes = 64 << 10;
    options.gather_packs = 2 + static_cast<std::uint32_t>(seed % 3);    // gathers all the while
    options.open_files_max = 2 + static_cast<std::uint32_t>(seed % 7);  // lets go all the while
    options.batches_in_flight = 1 + static_cast<std::uint32_t>(seed / 2 % 3);
    options.commit_path = seed % 5 == 0 ? CommitPath::ring : CommitPath::automatic;
    options.large_body_bytes = seed / 6 % 2 == 0 ? 0 : 100;
    options.body_file_bytes = 64 << 10;
    options.log_sync = std::array{LogSync::automatic, LogSync::synchronous_writes,
                                  LogSync::fdatasync}[seed / 6 % 3];
    return options;
}

void live(const Place& place, Io io, const Life& life) {
    Writer writer(place, io, life);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < life.threads; ++i)
        threads.emplace_back([&, i] { writer.run(life.seed + i); });
    for (std::thread& thread : threads) thread.join();
    ::_exit(1);  // not reached: nobody stops but by a kill
}

void succeed(const Place& place, Io io, const Life& life, int go) {
    char byte = 0;
    if (::read(go, &byte, 1) != 1) give_up(place, "nobody told the successor to go");
    if (life.seed % 4 != 0) {
        const std::string problem = check_alone(place.store());
        if (!problem.empty()) give_up(place, problem);
    }
    {
        Writer writer(place, io, life);
        for (std::uint64_t i = 0; i < 1 + life.seed % 5; ++i) writer.commit(Durability::durable);
        if (life.seed % 3 == 0) writer.close();
        if (life.seed % 3 == 1) ::_exit(0);  // as if killed, with nothing under way
    }
    std::uint64_t seen = 0;
    const std::string problem = check_read_only(place, seen);
    if (!problem.empty()) give_up(place, "a successor: " + problem);
    ::_exit(0);
}

void recover(const Place& place, Io io, const Life& life) {
    raise_alarm(life.alarm);
    const Notes notes(place.notes());
    const Store store = open_store(place, small_options(io, life.seed), notes);
    ::_exit(0);
}

}  // namespace braid::kill
