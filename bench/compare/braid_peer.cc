#include <fmt/format.h>

#include <atomic>
#include <braid/store.hpp>

#include "bench/compare/peer.h"
#include "bench/place.h"
#include "bench/records.h"

namespace bench {
namespace {

constexpr std::uint64_t in_flight_max = 16'384;

class BraidSession : public Session {
public:
    BraidSession(braid::Store& store, bool durable)
        : transaction_(store.begin()),
          durability_(durable ? braid::Durability::durable : braid::Durability::buffered) {}

    void commit(std::span<const Append> appends) override {
        fill(appends);
        must(transaction_.commit(durability_));
    }

protected:
    void fill(std::span<const Append> appends) {
        for (const Append& append : appends)
            transaction_.append(space, SegmentName(append.segment), append.payload);
    }
    braid::Transaction transaction_;

private:
    braid::Durability durability_;
};

/// Sends commits without waiting, up to `in_flight_max` of them.
class BraidAsyncSession : public BraidSession {
public:
    using BraidSession::BraidSession;

    void commit(std::span<const Append> appends) override {
        if (++sent_ % (in_flight_max / 2) == 0) wait_for(sent_ - in_flight_max / 2);
        fill(appends);
        transaction_.commit_async([this](braid::Result<braid::Receipt> receipt) {
            must(std::move(receipt));
            const std::uint64_t now = done_.fetch_add(1, std::memory_order_acq_rel) + 1;
            if (now == awaited_.load(std::memory_order_acquire)) done_.notify_one();
        });
    }
    void finish() override { wait_for(sent_); }

private:
    /// Callbacks come one after another, in the order of the commits.
    void wait_for(std::uint64_t count) {
        awaited_.store(count, std::memory_order_release);
        for (std::uint64_t now = 0; (now = done_.load(std::memory_order_acquire)) < count;)
            done_.wait(now, std::memory_order_acquire);
    }

    std::uint64_t sent_ = 0;
    std::atomic<std::uint64_t> done_{0};
    std::atomic<std::uint64_t> awaited_{0};
};

class BraidPeer : public Peer {
public:
    BraidPeer(const Setup& setup, braid::CommitPath path)
        : durable_(setup.durable),
          store_(must(braid::Store::open(
              setup.directory, {.create = true, .io = io_asked(), .commit_path = path}))) {}
    std::unique_ptr<Session> session() override {
        return std::make_unique<BraidSession>(store_, durable_);
    }
    std::unique_ptr<Session> async_session() override {
        return std::make_unique<BraidAsyncSession>(store_, durable_);
    }
    /// It flushes by itself, every 10 ms.
    void flush() override {}
    bool gather() override {
        if (const auto gathered = store_.gather(); !gathered) give_up(gathered.error().message());
        return true;
    }
    /// To packs, pieces and catalogs, gathered ones included, for each byte of a frame.
    double writing() override {
        const auto metrics = store_.metrics();
        return static_cast<double>(metrics.stored_bytes + metrics.gathered_bytes) /
               static_cast<double>(metrics.drained_bytes);
    }
    unsigned get(std::uint32_t segment, std::uint64_t sequence) override {
        auto reader =
            store_.read_segment(space, SegmentName(segment), {.from = sequence, .to = sequence});
        const auto* entry = reader.next();
        if (entry == nullptr) give_up("braid: an entry is missing");
        if (!*entry) give_up(entry->error().message());
        return std::to_integer<unsigned>((**entry).payload[0]);
    }

private:
    bool durable_;
    braid::Store store_;
};

}  // namespace

PeerKind braid_peer() {
    return {"braid", "defaults; a buffered commit is flushed within 10 ms", [](const Setup& setup) {
                return std::make_unique<BraidPeer>(setup, braid::CommitPath::automatic);
            }};
}

PeerKind braid_ring_peer() {
    return {"braid ring", "commit_path = ring, else defaults", [](const Setup& setup) {
                return std::make_unique<BraidPeer>(setup, braid::CommitPath::ring);
            }};
}

}  // namespace bench
