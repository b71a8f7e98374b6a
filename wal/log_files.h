#pragma once

#include <braid/result.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/aligned_buffer.h"
#include "io/disk.h"
#include "wal/log_format.h"
#include "wal/recovery.h"

namespace braid::wal {

struct LogSizes {
    std::uint64_t first_bytes = std::uint64_t{1} << 20;  ///< capacity of the store's first log file
    std::uint64_t file_bytes = std::uint64_t{64} << 20;  ///< capacity that files grow to
    std::uint64_t total_bytes = std::uint64_t{256} << 20;
};

/// The log's slots: which files are free, which hold what is still needed. Makes files and gives
/// them out. Not thread-safe: whoever leads or prepares holds the log's lock.
///
/// The newest file that a scan found stays out of reach until the new one is begun: its header has
/// to stay while nothing closes it. The first call of `finished`, `drained` or `trim` tells that it
/// is. Before it, `take` removes nothing, and may go beyond `total_bytes`: a store whose log is
/// full must open again.
class LogFiles {
public:
    LogFiles(io::Disk& disk, const LogSizes& sizes, const std::vector<LogSlot>& slots);

    /// A zero-filled or used file to begin next, of at least `capacity` bytes: a free slot, or a
    /// new one, filled with zeros, synced, its name synced. `no_space` where the bound or the disk
    /// doesn't allow it; nothing is left behind. Blocks.
    struct Taken {
        std::uint32_t slot = 0;
        std::uint64_t capacity = 0;
        std::unique_ptr<io::File> file;  ///< opened direct
    };
    [[nodiscard]] Result<Taken> take(std::uint64_t capacity);
    /// The same in steps: where a new one is made, fills no more than so many bytes of it, and
    /// gives none until it is whole.
    [[nodiscard]] Result<std::optional<Taken>> take_some(std::uint64_t capacity,
                                                         std::uint64_t bytes);
    /// Bytes of the file that `take_some` has begun; 0 if there is none.
    [[nodiscard]] std::uint64_t filled() const noexcept { return filling_ ? filling_->filled : 0; }
    /// The capacity that a new file should have, within the sizes: twice the largest so far up to
    /// 4 MiB, and as much as the largest from there on.
    [[nodiscard]] std::uint64_t next_capacity() const noexcept;
    /// The same where files don't come free as fast as they are used: twice the largest so far.
    [[nodiscard]] std::uint64_t larger_capacity() const noexcept;
    /// Of the largest free slot that spares a new file: 0 where there is none, or only such as are
    /// so small that rolls would be many.
    [[nodiscard]] std::uint64_t free_capacity() const noexcept;
    /// Gives back a file that was taken and never begun.
    void put_back(Taken taken);
    /// The file in a slot is full; its last transaction is this one.
    void finished(std::uint32_t slot, std::uint64_t last_transaction);
    /// Everything up to this transaction is in the catalog: slots that hold no more are free.
    void drained(std::uint64_t transaction);
    /// Whether `take` of that capacity would find a free slot or room for a new one.
    [[nodiscard]] bool has_room(std::uint64_t capacity) const noexcept;
    /// Removes free slots but one of at most `spare_bytes`, and what isn't whole. At close. Blocks.
    [[nodiscard]] Result<void> trim(std::uint64_t spare_bytes);

    [[nodiscard]] std::uint64_t bytes_max() const noexcept { return sizes_.total_bytes; }
    [[nodiscard]] std::uint64_t total_bytes() const noexcept;
    [[nodiscard]] std::size_t count() const noexcept { return slots_.size(); }

private:
    struct Slot {
        std::uint32_t slot = 0;
        std::uint64_t capacity = 0;
        std::uint64_t last_transaction = 0;
        enum class State : std::uint8_t { free, taken, full } state = State::free;
        bool name_unsynced = false;  // made by an earlier process: its name may not be durable
    };

    /// A capacity as files have it: whole blocks, enough for header, one batch and the roll.
    [[nodiscard]] static std::uint64_t file_capacity(std::uint64_t capacity) noexcept;
    void begun();
    void note_capacity(std::uint64_t capacity) noexcept;
    [[nodiscard]] Slot* find(std::uint32_t slot) noexcept;
    /// The smallest free slot that will do.
    [[nodiscard]] Slot* find_free(std::uint64_t capacity) noexcept;
    [[nodiscard]] bool fits(std::uint64_t capacity, std::uint64_t total) const noexcept;
    [[nodiscard]] std::uint64_t free_bytes() const noexcept;
    [[nodiscard]] Result<void> remove_oversized(std::uint64_t capacity);
    [[nodiscard]] Result<void> make_room(std::uint64_t capacity);
    [[nodiscard]] Result<void> remove(std::size_t index);
    [[nodiscard]] Result<Taken> open(Slot& slot);
    [[nodiscard]] Result<void> begin_filling(std::uint64_t capacity);
    [[nodiscard]] Result<void> fill(std::uint64_t bytes);
    void stop_filling();
    [[nodiscard]] Result<Taken> finish_filling();
    [[nodiscard]] std::uint32_t unused_slot() const noexcept;

    /// A new file that isn't whole yet, under a name of its own.
    struct Filling {
        std::unique_ptr<io::File> file;
        std::uint64_t capacity = 0;
        io::AlignedBuffer zeros;
        std::uint64_t filled = 0;
    };

    io::Disk& disk_;
    LogSizes sizes_;
    std::optional<Filling> filling_;
    std::vector<Slot> slots_;
    std::uint64_t largest_capacity_ = 0;   // so far, within the sizes
    std::optional<std::uint32_t> newest_;  // out of reach until a new file is begun
    bool begun_ = false;
};

}  // namespace braid::wal
