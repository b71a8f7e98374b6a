#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <braid/consumer.hpp>
#include <braid/lease.hpp>
#include <braid/options.hpp>
#include <braid/reader.hpp>
#include <braid/result.hpp>
#include <braid/status.hpp>
#include <braid/subscription.hpp>
#include <braid/transaction.hpp>

namespace braid {

/// A page of a listing by name.
struct Page {
    std::string after{};      ///< only names beyond this one, in unsigned byte order
    std::uint64_t limit = 0;  ///< 0 means no limit
};

/// One directory with all its spaces. A handle: moving it is cheap, all members but `close`, moving
/// and destruction may be called by any thread at any time. Destroying an open store closes it.
class Store {
public:
    /// Opens a store, recovering what a crash left. Blocks; reads the catalog and the log.
    ///
    /// Errors: `not_found` (no store there, and not `create`), `invalid_argument` (an option out of
    /// its range; a directory that holds something else), `locked`, `corrupt` (names file and
    /// offset; nothing was changed), `unsupported_version`, `io`, `no_space`.
    [[nodiscard]] static Result<Store> open(const std::string& directory,
                                            const Options& options = {});

    Store(Store&&) noexcept;
    Store& operator=(Store&&) noexcept;
    ~Store();

    /// Flushes and drains everything, and frees the directory. Commits under way are finished
    /// first; later calls get `closed`. The error says what could not be written; what was
    /// acknowledged as durable is safe in any case. A second call returns at once.
    Result<void> close();

    /// A new, empty transaction. `read_only`: its commit is `invalid_argument`.
    [[nodiscard]] Transaction begin();
    /// One record in a transaction of its own.
    Result<Receipt> append(std::string_view space, std::string_view segment, Bytes payload,
                           const AppendOptions& options = {},
                           Durability durability = Durability::durable);
    Result<Receipt> append(std::string_view space, std::string_view segment,
                           std::string_view payload, const AppendOptions& options = {},
                           Durability durability = Durability::durable);

    /// Readers end where the store stood when they were opened. What is missing reads as empty; an
    /// `.after` beyond the end is `out_of_range`, told by the first `next`.
    [[nodiscard]] Reader read_segment(std::string_view space, std::string_view segment,
                                      const SegmentBounds& bounds = {}) const;
    [[nodiscard]] Reader read_space(std::string_view space, const Bounds& bounds = {}) const;
    /// Several spaces as one stream in commit order, each from its own cursor or, if that is later,
    /// from `bounds.after`.
    [[nodiscard]] Reader read_spaces(const std::vector<SpaceCursor>& spaces,
                                     const Bounds& bounds = {}) const;
    [[nodiscard]] Reader read_all(const Bounds& bounds = {}) const;

    [[nodiscard]] Follower follow_segment(std::string_view space, std::string_view segment,
                                          const FollowBounds& bounds = {}) const;
    [[nodiscard]] Follower follow_space(std::string_view space,
                                        const FollowBounds& bounds = {}) const;
    /// Several spaces as one stream in commit order, as `read_spaces`.
    [[nodiscard]] Follower follow_spaces(const std::vector<SpaceCursor>& spaces,
                                         const FollowBounds& bounds = {}) const;
    [[nodiscard]] Follower follow_all(const FollowBounds& bounds = {}) const;

    /// Status signals, of all segments of a space or of one, whether they exist already or not.
    /// Starts a thread. `invalid_argument` (no handler, no `pending_max`), `closed`, or `io` where
    /// no thread can be had.
    [[nodiscard]] Result<Subscription> subscribe(std::string_view space, StatusHandler handler,
                                                 const SubscribeOptions& options = {}) const;
    [[nodiscard]] Result<Subscription> subscribe(std::string_view space, std::string_view segment,
                                                 StatusHandler handler,
                                                 const SubscribeOptions& options = {}) const;

    /// The segment's newest entry, or none.
    [[nodiscard]] Result<std::optional<KeptEntry>> peek(std::string_view space,
                                                        std::string_view segment,
                                                        Level level = Level::committed) const;
    /// All zero where the segment is missing.
    [[nodiscard]] Result<SegmentStatus> status(std::string_view space,
                                               std::string_view segment) const;
    /// Names with a committed entry, in unsigned byte order.
    [[nodiscard]] Result<std::vector<std::string>> spaces(const Page& page = {}) const;
    [[nodiscard]] Result<std::vector<std::string>> segments(std::string_view space,
                                                            const Page& page = {}) const;

    /// A consumer, or none. Consumers are durable cursors that the store keeps: set them in the
    /// transaction that holds what came of the entries, and both are there or neither is.
    [[nodiscard]] Result<std::optional<Consumer>> consumer(std::string_view name,
                                                           Level level = Level::committed) const;
    /// Names of consumers, in unsigned byte order.
    [[nodiscard]] Result<std::vector<std::string>> consumers(const Page& page = {}) const;
    /// `Transaction::set_consumer` in a durable transaction of its own.
    Result<Receipt> set_consumer(std::string_view consumer, const Source& source, Position position,
                                 const MoveOptions& options = {});
    /// Takes a consumer over, durably; see `Transaction::take_consumer`. Its moves must name the
    /// epoch from now on.
    Result<Epoch> take_consumer(std::string_view consumer);
    /// Removes a consumer, durably. `not_found` if there is none.
    Result<void> delete_consumer(std::string_view consumer, const MoveOptions& options = {});
    /// Grants a key's lease durably, if nobody holds it, its time is over, or the same holder has
    /// it: who was restarted gets it at once, and has a new token. Key and holder are 1 to 255
    /// bytes. Blocks. The time begins with the call.
    ///
    /// Errors: `conflict` (somebody else holds it, and for how long), and those of
    /// `Transaction::commit`.
    Result<Lease> acquire_lease(std::string_view key, std::string_view holder,
                                std::chrono::nanoseconds ttl);
    /// The lease lasts its full time again, from now on. Works as long as nobody else was granted
    /// it, though its time may be over; afterwards, or once it is released, that is a `conflict`.
    /// Writes nothing.
    Result<void> renew_lease(std::string_view key, LeaseToken token);
    /// Ends a lease, durably. `conflict` if the token isn't its newest one.
    Result<void> release_lease(std::string_view key, LeaseToken token);
    /// A lease, or none. One whose time is over stays until it is released or granted again.
    [[nodiscard]] Result<std::optional<Lease>> lease(std::string_view key,
                                                     Level level = Level::committed) const;
    /// Leases by key, in unsigned byte order.
    [[nodiscard]] Result<std::vector<Lease>> leases(const Page& page = {}) const;
    /// How many committed entries of the source lie beyond the cursor and are still there: what a
    /// reader from there would give. Counted without reading entries, but for a search by halves in
    /// a segment, and where some of a space or the store are trimmed: then they are read.
    /// `out_of_range` for a cursor beyond the end; 0 for what is missing.
    [[nodiscard]] Result<std::uint64_t> lag(const Source& source, Position cursor) const;

    /// Waits until everything committed before the call is durable.
    Result<void> sync();
    /// Moves what is durable out of memory and log into packs and pieces. Happens by itself.
    Result<void> drain();
    /// Drains the store, and rewrites packs until the entries of each segment stand together, in as
    /// few packs as their largest size (4 GiB) lets it: random reads of small segments are fastest
    /// then, and what is trimmed takes no space. Commits, reads and drains go on meanwhile. Happens
    /// by itself for every `Options::gather_packs` packs, and where half of one is trimmed. Blocks.
    ///
    /// Errors: `io`, `no_space` (nothing is lost; call it again), `corrupt` (a pack is damaged, and
    /// stays as it is), `closed`, `invalid_argument` with `read_only`.
    Result<void> gather();
    /// Gives up the entries of a segment up to `through`: when it returns, no reader opened
    /// afterwards finds them, and that is durable. Entries that a reader has given out or holds
    /// already stay valid. The segment keeps its numbers. A reader that has yet to come there, or
    /// begins at an older cursor, gets `trimmed`. Files come free when all that is in them is
    /// trimmed, and no reader stands on them. Drains the store first. Blocks.
    ///
    /// Errors: `not_found`, `out_of_range` (beyond the segment's end), `conflict` (a consumer has
    /// yet to read some of it: names the one furthest behind), `corrupt` (what is to be trimmed is
    /// damaged); after `io` or `no_space` it may have happened or not: call it again.
    Result<void> trim(std::string_view space, std::string_view segment, Sequence through,
                      const TrimOptions& options = {});
    /// With `read_only`: looks again at what a writer has written since; new readers see it.
    Result<void> refresh();

    /// Checks every byte that the store vouches for, in the whole directory. Reads it all. The
    /// error is for what could not be read; damage is in the report. Works on any store opened.
    [[nodiscard]] Result<VerifyReport> verify() const;
    [[nodiscard]] StoreStat stat() const;
    [[nodiscard]] Metrics metrics() const;

private:
    [[nodiscard]] Result<Subscription> subscribe_to(std::string_view space,
                                                    std::optional<std::string> segment,
                                                    StatusHandler handler,
                                                    const SubscribeOptions& options) const;
    explicit Store(std::shared_ptr<Engine> engine);
    std::shared_ptr<Engine> engine_;
};

}  // namespace braid
