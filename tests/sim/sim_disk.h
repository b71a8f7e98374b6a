// A disk in memory for tests: deterministic from a seed, cheap to clone, with a power switch.
//
// What it models
// - Cache and medium apart. Reads, mappings and sizes see the cache. A write reaches the medium by
// a
//   sync that succeeds, or at once if it is `WriteMode::durable`.
// - Power loss. Each write that no sync has covered is kept, lost or torn at 512 bytes (each sector
// on
//   its own), chosen by a seed; all lost and all kept come often. So are the writes that a queue
//   has in flight, and the size of a file that grew. A write that fails may also have happened in
//   part.
// - Names. A created, renamed or removed name is unsynced until `sync_directory`; each such change
// is
//   kept or lost on its own. Syncing a new file doesn't make its name durable.
// - A failed sync, as on Linux: the pages count as clean and show the new bytes, the medium has the
// old
//   ones, and a second sync succeeds without writing them.
// - Direct files refuse what isn't whole blocks (address: 512 bytes) with EINVAL. Their plain
// writes
//   stand in the device's own cache, so that power loss may take them as well.
// - A queue reads a request's bytes when it completes, not when it is submitted; completions come
// in an
//   order chosen by the seed, and poll() may find nothing while requests are in flight.
//
// What it doesn't model: threads (one thread uses a disk and everything made of it), sectors that
// are half written, silent damage (use the corruption calls), pages that go from the cache by
// themselves, mappings that follow later writes (a mapping is a copy made when it was asked for).
//
// Files, mappings, locks and queues must go before their disk. Clones share unchanged blocks, so
// keep a disk and its clones on one thread.
#pragma once

#include <array>
#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/disk.h"
#include "tests/sim/sim_inode.h"

namespace braid::sim {

class SimFile;
class SimQueue;

/// The calls that can be made to fail.
enum class Call : std::uint8_t {
    open,
    read,
    write,  // of a file or of a queue
    sync,   // of a file or of a queue
    size,
    map,
    rename,
    remove,
    list,
    sync_directory,
    lock,
    make_queue,
};
inline constexpr std::size_t call_kinds = 12;
static_assert(static_cast<std::size_t>(Call::make_queue) + 1 == call_kinds);

/// A call that is to fail.
struct Fault {
    Call call = Call::write;
    std::uint64_t nth = 1;       ///< 1: the next call of this kind (and file)
    std::int64_t result = -EIO;  ///< -errno; or, of a read or a write, the short count
    bool onwards = false;        ///< that one and every later one
    std::string file = {};       ///< only calls on this name; empty: any
};

/// A call that succeeds and does nothing: a sync on files whose names begin so, `sync_directory`,
/// or a durable write, which then stays in the cache. For tests of tests.
struct Lie {
    Call call = Call::sync;
    std::string prefix = {};
    /// Told later: the sync is done when a file whose name begins so has been synced.
    std::string until = {};
};

/// A call that changes something, as `on_change` is told of it.
struct Change {
    std::uint64_t number = 0;  ///< io_count() with this one included
    Call call = Call::write;   ///< `open` stands for creating or emptying a file
    std::string_view file;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    io::WriteMode mode = io::WriteMode::cached;  ///< of a write
};

class SimDisk : public io::Disk {
public:
    explicit SimDisk(std::uint64_t seed = 1);
    ~SimDisk() override;
    SimDisk& operator=(const SimDisk&) = delete;

    // io::Disk
    Result<std::unique_ptr<io::File>> open(const std::string& name, io::OpenMode mode) override;
    Result<void> rename(const std::string& from, const std::string& to) override;
    Result<void> remove(const std::string& name) override;
    Result<std::vector<io::DirectoryEntry>> list() override;
    Result<void> sync_directory() override;
    /// Never waits: what holds a lock is on the same thread. The clocks move on by `wait_ns`
    /// instead.
    Result<std::unique_ptr<io::Lock>> lock(const std::string& name, std::uint64_t wait_ns) override;
    Result<std::unique_ptr<io::Queue>> make_queue(std::size_t depth, io::Lock* lock) override;
    Timestamp now() override;
    std::uint64_t monotonic_ns() override;
    std::uint64_t random() override;
    [[nodiscard]] std::string backend() const override { return "simulated"; }
    [[nodiscard]] std::string log_sync() const override { return "synchronous_writes"; }

    /// The same disk for code that wants to own one. This one must outlive it.
    [[nodiscard]] std::unique_ptr<io::Disk> borrow();

    // Power
    /// Calls that changed something so far: write, sync, rename, remove, create, sync_directory. A
    /// queue's request counts when it completes.
    [[nodiscard]] std::uint64_t io_count() const noexcept { return changes_; }
    /// The power goes in the middle of change number `number` (io_count() counts so): it may be
    /// done wholly, partly or not at all, and it and every later call fails with EIO. 0: never.
    void cut_power_at(std::uint64_t number) noexcept { cut_at_ = number; }
    /// The power goes now.
    void cut_power();
    [[nodiscard]] bool powered() const noexcept { return powered_; }
    /// The disk as it could be found after losing power now, or when it was cut. The same seed
    /// gives the same disk. This one stays as it is; faults, capacity and observers aren't taken
    /// over.
    [[nodiscard]] std::unique_ptr<SimDisk> after_crash(std::uint64_t seed) const;
    /// cut_power() and after_crash().
    [[nodiscard]] std::unique_ptr<SimDisk> power_loss_now(std::uint64_t seed);
    /// The disk after a clean end of the process: all that was written is there, and as unsynced as
    /// it was. Without its files, queues and locks.
    [[nodiscard]] std::unique_ptr<SimDisk> clone() const;
    /// Called in the middle of every change, when it is in doubt: after_crash() in it gives what
    /// cut_power_at() of that number would. One run of a workload so shows every cut.
    void on_change(std::function<void(const Change&)> observer) { observer_ = std::move(observer); }

    /// Writes that queues have in flight.
    [[nodiscard]] std::size_t writes_in_flight() const;

    // Trouble
    void fail(Fault fault) { faults_.push_back(std::move(fault)); }
    void clear_faults() { faults_.clear(); }
    /// Calls of a kind so far, failed ones too: what `Fault::nth` counts.
    [[nodiscard]] std::uint64_t calls(Call call) const noexcept {
        return calls_[static_cast<std::size_t>(call)];
    }
    /// From now on, and in all copies.
    void lie(Lie lie) { lies_.push_back(std::move(lie)); }
    /// ENOSPC once all files together would hold more. The default is without a limit.
    void set_capacity(std::uint64_t bytes) noexcept { capacity_bytes_ = bytes; }
    [[nodiscard]] std::uint64_t used_bytes() const;

    /// Whether files tell that they are wholly in the page cache, or not at all, or (the default)
    /// nothing of it. They are read the same.
    void say_cached(std::optional<bool> cached) noexcept { says_cached_ = cached; }

    // Clock
    /// now() is this, and rises by `step_ns` with each call; it may be set back.
    void set_clock(std::uint64_t now_ns, std::uint64_t step_ns = 0);
    /// Moves both clocks on.
    void advance(std::uint64_t ns);

    // Contents, for tests of damage: at once and in cache and medium alike, not counted as changes.
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] bool exists(const std::string& name) const { return names_.contains(name); }
    /// What a read sees.
    [[nodiscard]] std::vector<std::byte> contents(const std::string& name) const;
    void flip_bit(const std::string& name, std::uint64_t bit);
    /// Replaces bytes, and makes or lengthens the file if need be.
    void replace(const std::string& name, std::uint64_t offset, Bytes bytes);
    void truncate(const std::string& name, std::uint64_t length);
    void erase(const std::string& name);

private:
    friend class SimFile;
    friend class SimQueue;

    using Names = std::map<std::string, std::shared_ptr<Inode>>;
    struct InFlight {
        Inode* inode;
        io::Request request;
    };
    /// A change of names that no sync_directory has covered: `from` loses the inode, `to` gets it;
    /// either may be empty.
    struct NameChange {
        std::string from;
        std::string to;
        std::shared_ptr<Inode> inode;
    };

    /// The choices and clocks of `other`, without its names.
    SimDisk(const SimDisk& other);
    /// Makes own copies of all inodes, and loses power if there is a `crash` to choose by.
    void copy_inodes(const SimDisk& other, Random* crash);

    /// What the call is to return instead of being done: -EIO without power, else the result of the
    /// first fault that matches.
    std::optional<std::int64_t> refusal(Call call, std::string_view file);
    /// Counts a change whose effects are in doubt by now; false if the power went in it.
    bool change(const Change& what);
    bool change_name(NameChange what, Call call);
    [[nodiscard]] const Lie* lie_about(Call call, std::string_view file) const;
    [[nodiscard]] Inode& inode(const std::string& name) const;
    /// How many of `bytes` fit at `offset`, given the capacity.
    [[nodiscard]] std::uint64_t room_for(const Inode& inode, std::uint64_t offset,
                                         std::uint64_t bytes) const;
    /// Takes over the names of `other` as they are found after power loss.
    void survive_names(const SimDisk& other, Random& random);
    /// In-flight writes of all queues: they may or may not have happened.
    [[nodiscard]] std::vector<InFlight> in_flight(Random& random) const;

    // What a file or a queue does to an inode.
    std::int64_t write(SimFile& file, Bytes bytes, std::uint64_t offset, io::WriteMode mode);
    std::int64_t fail_write(SimFile& file, Bytes bytes, std::uint64_t offset, std::int64_t error);
    std::int64_t sync(SimFile& file);
    /// At once on the medium, too: nothing that counts lies there.
    std::int64_t cut(SimFile& file, std::uint64_t length);
    [[nodiscard]] std::int64_t cached(const Inode& inode) const;

    Names names_;                           // what open and list see
    Names durable_names_;                   // what is there after power loss, but for
    std::vector<NameChange> name_changes_;  // these, each kept or lost
    std::vector<SimQueue*> queues_;
    std::set<std::string> locked_;
    std::vector<Fault> faults_;
    std::array<std::uint64_t, call_kinds> calls_{};
    std::vector<Lie> lies_;
    std::vector<std::pair<std::shared_ptr<Inode>, std::string>> late_;  // syncs, and until when
    std::function<void(const Change&)> observer_;
    Random choices_;  // of the disk
    Random random_;   // what random() gives
    std::uint64_t changes_ = 0;
    std::uint64_t cut_at_ = 0;
    bool powered_ = true;
    std::uint64_t capacity_bytes_ = UINT64_MAX;
    std::optional<bool> says_cached_;
    std::uint64_t now_ns_ = 1'700'000'000'000'000'000;
    std::uint64_t step_ns_ = 0;
    std::uint64_t monotonic_ns_ = 0;
};

}  // namespace braid::sim
