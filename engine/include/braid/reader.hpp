#pragma once

#include <bit>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <braid/entry.hpp>
#include <braid/options.hpp>
#include <braid/result.hpp>

namespace braid {

inline constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

/// What a reader does where entries that it would have given are trimmed.
enum class OnTrimmed : std::uint8_t {
    refuse,  ///< an error `trimmed`, which tells where reading can go on
    skip,    ///< goes on with what is left
};

/// Bounds of a read of one segment; all of them hold together, both ends are inclusive, and an
/// inverted range is empty.
struct SegmentBounds {
    /// 0: from the first entry that is left.
    Sequence from = 0;
    Sequence to = no_limit;
    Timestamp from_time = 0;
    Timestamp to_time = no_limit;
    /// Only entries beyond this position.
    Position after = 0;
    /// Most entries to deliver; 0 means no limit.
    std::uint64_t limit = 0;
    /// From the newest within the bounds to the oldest, as far as they are left.
    bool backward = false;
    Level level = Level::committed;
    OnTrimmed on_trimmed = OnTrimmed::refuse;
    /// As `Bounds::as_of`.
    Position as_of = no_limit;
};

/// Bounds of a read of spaces or the whole store, in commit order.
struct Bounds {
    /// A cursor: only entries beyond this position.
    Position after = 0;
    Timestamp from_time = 0;
    Timestamp to_time = no_limit;
    std::uint64_t limit = 0;  ///< 0 means no limit
    bool backward = false;    ///< as far as entries are left
    Level level = Level::committed;
    OnTrimmed on_trimmed = OnTrimmed::refuse;
    /// The store as it stood when this was its last position, rounded down to a transaction's end:
    /// whenever it is read, the same entries come, but for those trimmed since. `trimmed` where
    /// something later is trimmed in what is read: what stood there before it is gone, too.
    /// `out_of_range` beyond the end.
    Position as_of = no_limit;
};

/// A space to read, from its own cursor.
struct SpaceCursor {
    std::string space;
    Position after;
};

/// What a follower starts after, and how far it may run.
struct FollowBounds {
    Position after = 0;
    Level level = Level::durable;
    OnTrimmed on_trimmed = OnTrimmed::refuse;
    /// Of a follower of spaces or the store: only segments of these names, in whatever space; empty
    /// means all. `Follower::looked_through` tells how far it is.
    std::vector<std::string> segments{};
};

/// Consecutive entries of a follower. A batch's `previous` is the `last` of the batch before it, so
/// that who handles batches can prove that none is missing.
struct Batch {
    Position previous;  ///< the last entry before; before the first batch: where following began
    Position first;     ///< of `entries`
    Position last;      ///< likewise
    std::span<const Entry> entries;  ///< never empty; valid until the follower's next step
};

class ReaderBody;

namespace detail {

/// The frame that a reader stands in, filled by its body. Nearly every step of a scan goes from one
/// of its records to the next, which is so little that a call would cost more. Not for users.
struct FrameSteps {
    const std::byte* records = nullptr;  ///< one behind the other
    const std::byte* ends = nullptr;     ///< where each ends: u16, little-endian, from `records` on
    /// Of a joined frame what each record's numbers are beyond the frame's: u64 of no interest
    /// here, u32 position, u32 transaction times 2, u64 timestamp; else nullptr.
    const std::byte* numbers = nullptr;
    static constexpr std::size_t numbers_bytes = 24;  ///< of a record
    /// What is to be fetched from memory while the next record is given, so that with each of a
    /// frame's records as much is fetched, its index and those of the next frames included.
    const std::byte* ahead = nullptr;
    std::size_t stride = 0;   ///< bytes of the frame for each record
    Sequence first_sequence;  ///< of the frame; so the others
    Position first_position;
    Timestamp first_timestamp;
    TransactionNumber first_transaction;
    std::uint32_t at = 0;    ///< the record to be given next
    std::uint32_t stop = 0;  ///< none from here on; may have wrapped to −1 backward
    bool is_plain = false;   ///< forward, several records without metadata, given out as they lie
    Entry* entry = nullptr;  ///< what is given out
    const Result<Entry>* result = nullptr;  ///< the same

    [[nodiscard]] bool are_plain() const noexcept { return is_plain && at != stop; }
    template <class T>
    [[nodiscard]] static T load(const std::byte* at) noexcept {
        T value;
        std::memcpy(&value, at, sizeof value);
        if constexpr (std::endian::native == std::endian::big) {
            T reversed = 0;
            for (std::size_t i = 0; i < sizeof value; ++i, value = static_cast<T>(value >> 8))
                reversed = static_cast<T>(reversed << 8 | (value & 0xff));
            value = reversed;
        }
        return value;
    }
    [[nodiscard]] std::size_t end_of(std::uint32_t record) const noexcept {
        return load<std::uint16_t>(ends + sizeof(std::uint16_t) * record);
    }
    void show_numbers(std::uint32_t record) const noexcept {
        const std::byte* own = numbers + numbers_bytes * record;
        entry->position = first_position + load<std::uint32_t>(own + 8);
        entry->transaction = first_transaction + load<std::uint32_t>(own + 12) / 2;
        entry->timestamp = first_timestamp + load<std::uint64_t>(own + 16);
    }
    /// The next one of plain records.
    const Result<Entry>* take() noexcept {
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + 64);
        ahead += stride;
        const std::size_t begin = at == 0 ? 0 : end_of(at - 1);
        entry->payload = Bytes(records + begin, end_of(at) - begin);
        entry->sequence = first_sequence + at;
        if (numbers != nullptr)
            show_numbers(at);
        else
            entry->position = first_position + at;
        ++at;
        return result;
    }
};

}  // namespace detail

/// Walks entries of the store as it stood when the reader was opened. Used by one thread at a time;
/// any number of readers may run beside writers. It keeps the store's memory alive, also past
/// `Store::close`, after which it ends with `closed` where it would have to read on.
class Reader {
public:
    Reader(Reader&&) noexcept;
    Reader& operator=(Reader&&) noexcept;
    ~Reader();

    /// The next entry or the error that stands in its place; nullptr only at a true end. What it
    /// points to, and all views in it, are valid until the next call or the reader's end. After an
    /// error it returns the same error again. May read from the disk.
    const Result<Entry>* next() { return steps_->are_plain() ? steps_->take() : next_of_body(); }

    /// Of a reader of one segment: goes to the entry of this sequence, forward or back, and returns
    /// it as `next` would; nullptr if there is none within the bounds. Reading goes on from there,
    /// and `limit` counts anew. A reader kept for many such gets spares most of what opening one
    /// for each would cost, and allocates nothing. `invalid_argument` for a reader of spaces.
    const Result<Entry>* seek(Sequence sequence);

    /// Where reading can be resumed with `.after`: the position of the last entry seen, but never
    /// beyond what is durable. Before any entry, what reading began after.
    [[nodiscard]] Position cursor() const;

private:
    friend class Store;
    explicit Reader(std::unique_ptr<ReaderBody> body);
    const Result<Entry>* next_of_body();
    std::unique_ptr<ReaderBody> body_;
    detail::FrameSteps* steps_;  // of the body
};

/// Walks history, then goes on live, without a seam: every entry beyond its start exactly once, in
/// order. Used by one thread at a time.
class Follower {
public:
    Follower(Follower&&) noexcept;
    Follower& operator=(Follower&&) noexcept;
    ~Follower();

    /// Waits for the next entry; an error `closed` when the store closes. Never nullptr.
    const Result<Entry>* next() { return next(std::chrono::nanoseconds::max()); }
    /// Waits at most `timeout`; nullptr when nothing came.
    const Result<Entry>* next(std::chrono::nanoseconds timeout) {
        return steps_->are_plain() ? steps_->take() : next_of_body(timeout);
    }
    /// Never waits; nullptr when nothing is there yet.
    const Result<Entry>* try_next() { return next(std::chrono::nanoseconds(0)); }
    /// The entries that are there, at most `most` and at least one, waiting at most `timeout` for
    /// the first; nullptr when nothing came. Entries and errors are those that `next` would give.
    const Result<Batch>* next_batch(
        std::size_t most = 256, std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max());
    /// For event loops; <braid/asio.hpp> has `async_next`. Calls `ready` once, on a thread of the
    /// store and under no lock, when `try_next` may have something or the store has closed; now and
    /// then for no reason. `ready` must not throw nor take long: it hands on. The store must not
    /// end with it. Returns a number for `cancel_call`; `io` where no thread can be had.
    [[nodiscard]] Result<std::uint64_t> call_when_ready(std::function<void()> ready);
    /// When this returns, that call isn't running and won't come, unless it is `ready` that
    /// cancels.
    void cancel_call(std::uint64_t call) noexcept;
    /// As `Reader::cursor`.
    [[nodiscard]] Position cursor() const;
    /// A cursor too, no less than `cursor()`: everything wanted up to here was given. It rises
    /// also while nothing that is wanted comes, and never passes what is durable.
    [[nodiscard]] Position looked_through() const;

private:
    friend class Store;
    explicit Follower(std::unique_ptr<ReaderBody> body);
    const Result<Entry>* next_of_body(std::chrono::nanoseconds timeout);
    std::unique_ptr<ReaderBody> body_;
    detail::FrameSteps* steps_;  // of the body
};

}  // namespace braid
