#pragma once

#include <braid/result.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/disk.h"
#include "wal/log_format.h"
#include "wal/recovery.h"

namespace braid::wal {

struct LogSizes {
    std::uint64_t first_bytes = std::uint64_t{1} << 20;  ///< capacity of the store's first log file
    std::uint64_t file_bytes = std::uint64_t{64} << 20;  ///< capacity that files grow to
    std::uint64_t total_bytes = std::uint64_t{256} << 20;
};

/// The log's slots: which files are free, which hold what is still needed. Makes files and gives them
/// out. Not thread-safe: whoever leads or prepares holds the log's lock.
class LogFiles {
public:
    LogFiles(io::Disk& disk, const LogSizes& sizes, const std::vector<LogSlot>& slots);

    /// A zero-filled or used file to begin next, of at least `capacity` bytes: a free slot, or a new
    /// one, filled with zeros, synced, its name synced. `no_space` where the bound or the disk doesn't
    /// allow it; nothing is left behind. Blocks.
    struct Taken {
        std::uint32_t slot = 0;
        std::uint64_t capacity = 0;
        std::unique_ptr<io::File> file;  ///< opened direct
    };
    [[nodiscard]] Result<Taken> take(std::uint64_t capacity);
    /// The capacity that the next file should have: twice the last one's, within the sizes.
    [[nodiscard]] std::uint64_t next_capacity() const noexcept;
    /// Gives back a file that was taken and never begun.
    void put_back(Taken taken);
    /// The file in a slot is full; its last transaction is this one.
    void finished(std::uint32_t slot, std::uint64_t last_transaction);
    /// Everything up to this transaction is in the catalog: slots that hold no more are free.
    void drained(std::uint64_t transaction);
    /// Whether `take` of that capacity would find a free slot or room for a new one.
    [[nodiscard]] bool has_room(std::uint64_t capacity) const noexcept;
    /// Removes free slots but one of at most `spare_bytes`. At close. Blocks.
    [[nodiscard]] Result<void> trim(std::uint64_t spare_bytes);

    [[nodiscard]] std::uint64_t total_bytes() const noexcept;
    [[nodiscard]] std::size_t count() const noexcept { return slots_.size(); }

private:
    struct Slot {
        std::uint32_t slot = 0;
        std::uint64_t capacity = 0;
        std::uint64_t last_transaction = 0;
        enum class State : std::uint8_t { free, taken, full } state = State::free;
    };
    io::Disk& disk_;
    LogSizes sizes_;
    std::vector<Slot> slots_;
};

}  // namespace braid::wal
