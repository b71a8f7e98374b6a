#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <braid/transaction.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/consumer_table.h"
#include "engine/large_body.h"
#include "engine/lease_table.h"
#include "segment/frame_builder.h"

namespace braid {

struct SegmentState;
struct SpaceState;

/// A transaction before it is committed: frames built and hashed, and what it demands. Built by the
/// caller's thread; the sequencer only fills in numbers.
class TransactionBody {
public:
    /// `buffers`: where memory for large bodies comes from, if not from nowhere.
    explicit TransactionBody(const Options& limits, BodyBuffers* buffers = nullptr)
        : limits_(limits), buffers_(buffers) {}
    ~TransactionBody() { drop_bodies(); }
    TransactionBody(const TransactionBody&) = delete;
    TransactionBody& operator=(const TransactionBody&) = delete;

    /// A segment that the transaction names.
    struct Target {
        std::string space;
        std::string segment;
        std::uint64_t records = 0;  ///< appended to it here
        // Found by the commit; they stay true of the names for good.
        SpaceState* in_space = nullptr;
        SegmentState* state = nullptr;
    };
    /// A demand on a target as it stands when `before` records of this transaction are in it.
    struct Demand {
        std::uint32_t target = 0;
        std::uint64_t before = 0;
        Expectation expectation;
    };

    /// After std::bad_alloc the transaction can't be committed any more.
    void append(std::string_view space, std::string_view segment, Bytes payload,
                const AppendOptions& options);
    void require(std::string_view space, std::string_view segment, Expectation expectation);
    void set_consumer(std::string_view consumer, const Source& source, Position position,
                      const MoveOptions& options);
    void take_consumer(std::string_view consumer);
    void delete_consumer(std::string_view consumer, const MoveOptions& options);
    void require_consumer(std::string_view consumer, const Source& source, Position position);
    /// `now_ns`: by the monotonic clock.
    void grant_lease(std::string_view key, std::string_view holder, std::uint64_t ttl_ns,
                     std::uint64_t now_ns);
    void release_lease(std::string_view key, LeaseToken token);
    void require_lease(std::string_view key, LeaseToken token);
    void set_id(const TransactionId& id) { id_ = id; }
    /// Closes the last frame: afterwards all of the below is complete, until `clear`.
    void finish() {
        if (incomplete_) throw std::bad_alloc();
        frames_.finish();
        if (id_) note_id();
    }
    void clear() noexcept;

    [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }
    /// In the order in which they were first named.
    [[nodiscard]] std::span<Target> targets() noexcept { return {targets_.data(), used_targets_}; }
    [[nodiscard]] std::span<const Target> targets() const noexcept {
        return {targets_.data(), used_targets_};
    }
    /// Indexes of the targets that have records, in the order of their first one.
    [[nodiscard]] const std::vector<std::uint32_t>& written() const noexcept { return written_; }
    [[nodiscard]] const std::vector<Demand>& demands() const noexcept { return demands_; }
    [[nodiscard]] segment::FrameBuilder& frames() noexcept { return frames_; }
    /// The next large body that no body file has yet; nullptr: none.
    [[nodiscard]] LargeBody* unwritten_body() noexcept {
        return written_bodies_ == bodies_.size() ? nullptr : &bodies_[written_bodies_];
    }
    /// That one is durable there.
    void note_written(const segment::BodyReference& reference,
                      std::shared_ptr<const void> file) noexcept;
    /// What it does to consumers and demands of them.
    [[nodiscard]] std::span<ConsumerChange> consumers() noexcept {
        return {consumers_.data(), used_consumers_};
    }
    /// What it does to leases and demands of them.
    [[nodiscard]] std::vector<LeaseChange>& leases() noexcept { return leases_; }
    /// Change records of what it does, in order, without their numbers.
    [[nodiscard]] Bytes changes() const noexcept { return changes_; }
    /// The change record of its id; empty if it has none.
    [[nodiscard]] Bytes id_change() const noexcept { return id_change_; }
    [[nodiscard]] const std::optional<TransactionId>& id() const noexcept { return id_; }
    /// Of what it writes, whatever it demands.
    [[nodiscard]] std::uint64_t fingerprint() const noexcept { return fingerprint_; }
    [[nodiscard]] bool has_records() const noexcept { return records_ != 0; }
    /// Whether committing it writes anything.
    [[nodiscard]] bool writes() const noexcept { return records_ != 0 || !changes_.empty(); }
    [[nodiscard]] bool demands_anything() const noexcept {
        return !demands_.empty() || used_consumers_ != 0 || !leases_.empty();
    }

private:
    struct Names {
        std::string_view space;
        std::string_view segment;
        bool operator==(const Names&) const = default;
    };
    /// Hash and equality of targets, given by their indexes or their names.
    struct ByName {
        using is_transparent = void;
        const std::vector<Target>& targets;

        [[nodiscard]] Names names(Names names) const noexcept { return names; }
        [[nodiscard]] Names names(std::uint32_t target) const noexcept {
            return {targets[target].space, targets[target].segment};
        }
        template <class Key>
        std::size_t operator()(const Key& key) const noexcept {
            return hash(names(key));
        }
        template <class Left, class Right>
        bool operator()(const Left& left, const Right& right) const noexcept {
            return names(left) == names(right);
        }
        static std::size_t hash(const Names& names) noexcept;
    };

    /// Index of the target, or nullopt when the names are refused.
    std::optional<std::uint32_t> target(std::string_view space, std::string_view segment);
    std::uint32_t find_or_add(std::string_view space, std::string_view segment);
    std::uint32_t add_target(std::string_view space, std::string_view segment);
    [[nodiscard]] bool is(const Target& target, std::string_view space,
                          std::string_view segment) const noexcept {
        return target.segment == segment && target.space == space;
    }
    void add(std::string_view space, std::string_view segment, Bytes payload,
             const AppendOptions& options);
    void add_body(std::uint32_t target, std::uint64_t bytes, Bytes payload,
                  std::span<const KeyValue> metadata);
    void release(LargeBody& body) noexcept;
    void drop_bodies() noexcept;
    void add_demand(std::string_view space, std::string_view segment, Expectation expectation);
    void add_consumer(ConsumerChange::Kind kind, std::string_view consumer, const Source& source,
                      Position position, const MoveOptions& options);
    void add_lease(LeaseChange change);
    /// Adds the change's record, which counts like a record of its bytes.
    template <class Change>
    void encode(const Change& change);
    void note_id();
    void fail(Errc code, std::string message);
    void demand(std::uint32_t target, Expectation expectation);

    const Options& limits_;
    BodyBuffers* const buffers_;
    // Those in use come first. The others are left from before `clear`, with their memory; and a
    // loop that writes the same segments again finds their states there.
    std::vector<Target> targets_;
    std::size_t used_targets_ = 0;
    boost::unordered_flat_set<std::uint32_t, ByName, ByName> by_name_{0, ByName{targets_},
                                                                      ByName{targets_}};  // if many
    std::uint32_t last_target_ = 0;
    std::vector<Demand> demands_;
    std::vector<ConsumerChange> consumers_;  // likewise
    std::size_t used_consumers_ = 0;
    std::vector<LeaseChange> leases_;
    std::vector<std::byte> changes_;
    std::optional<TransactionId> id_;
    std::uint64_t fingerprint_ = 0;
    std::vector<std::byte> id_change_;
    segment::FrameBuilder frames_;
    std::vector<LargeBody> bodies_;  // in the order of their frames
    std::size_t written_bodies_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t records_ = 0;
    std::vector<std::uint32_t> written_;
    std::optional<Error> error_;
    bool incomplete_ = false;  // memory ran out in the middle of an append
};

}  // namespace braid
