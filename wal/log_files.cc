#include "wal/log_files.h"

#include <fmt/format.h>
#include <braid/check.hpp>

#include <algorithm>

namespace braid::wal {
namespace {

/// A new file gets its slot's name only when it is whole, so that a log file that is too short is
/// always damage. What an interrupted opening left under this name is overwritten.
const std::string unfinished_name = "log.new";

constexpr std::uint64_t fill_bytes = std::uint64_t{256} << 10;  // in one write
constexpr std::uint64_t capacity_min = 3 * io::block_bytes;
/// Up to here each file is twice as large as the one before.
constexpr std::uint64_t doubled_bytes_max = std::uint64_t{4} << 20;

}  // namespace

LogFiles::LogFiles(io::Disk& disk, const LogSizes& sizes, const std::vector<LogSlot>& slots)
    : disk_(disk), sizes_(sizes) {
    sizes_.file_bytes = file_capacity(sizes_.file_bytes);
    sizes_.first_bytes = std::min(file_capacity(sizes_.first_bytes), sizes_.file_bytes);
    for (const LogSlot& found : slots) {
        const bool full = found.needed || found.newest;
        slots_.push_back({found.slot, found.capacity, found.last_transaction,
                          full ? Slot::State::full : Slot::State::free, found.number == 0});
        if (found.newest && !found.needed) newest_ = found.slot;
        note_capacity(found.capacity);
    }
}

void LogFiles::note_capacity(std::uint64_t capacity) noexcept {
    largest_capacity_ = std::max(largest_capacity_, std::min(capacity, sizes_.file_bytes));
}

std::uint64_t LogFiles::file_capacity(std::uint64_t capacity) noexcept {
    return std::max(io::whole_blocks(capacity), capacity_min);
}

void LogFiles::begun() {
    begun_ = true;
    if (!newest_) return;
    if (Slot* slot = find(*newest_)) slot->state = Slot::State::free;
    newest_.reset();
}

LogFiles::Slot* LogFiles::find(std::uint32_t slot) noexcept {
    const auto found = std::find_if(slots_.begin(), slots_.end(),
                                    [&](const Slot& other) { return other.slot == slot; });
    return found == slots_.end() ? nullptr : &*found;
}

LogFiles::Slot* LogFiles::find_free(std::uint64_t capacity) noexcept {
    Slot* best = nullptr;
    for (Slot& slot : slots_) {
        if (slot.state != Slot::State::free || slot.capacity < capacity) continue;
        if (best == nullptr || slot.capacity < best->capacity) best = &slot;
    }
    return best;
}

bool LogFiles::fits(std::uint64_t capacity, std::uint64_t total) const noexcept {
    return !begun_ || (capacity <= sizes_.total_bytes && total <= sizes_.total_bytes - capacity);
}

std::uint64_t LogFiles::total_bytes() const noexcept {
    std::uint64_t bytes = 0;
    for (const Slot& slot : slots_) bytes += slot.capacity;
    return bytes;
}

std::uint64_t LogFiles::free_bytes() const noexcept {
    std::uint64_t bytes = 0;
    for (const Slot& slot : slots_) bytes += slot.state == Slot::State::free ? slot.capacity : 0;
    return bytes;
}

bool LogFiles::has_room(std::uint64_t capacity) const noexcept {
    capacity = file_capacity(capacity);
    const bool found = std::any_of(slots_.begin(), slots_.end(), [&](const Slot& slot) {
        return slot.state == Slot::State::free && slot.capacity >= capacity;
    });
    return found || fits(capacity, total_bytes() - free_bytes());
}

std::uint64_t LogFiles::larger_capacity() const noexcept {
    return std::clamp(2 * largest_capacity_, sizes_.first_bytes, sizes_.file_bytes);
}

std::uint64_t LogFiles::next_capacity() const noexcept {
    return std::min(larger_capacity(), std::max(doubled_bytes_max, largest_capacity_));
}

std::uint64_t LogFiles::free_capacity() const noexcept {
    std::uint64_t largest = 0;
    for (const Slot& slot : slots_)
        if (slot.state == Slot::State::free && slot.capacity <= sizes_.file_bytes)
            largest = std::max(largest, slot.capacity);
    return largest >= largest_capacity_ / 4 ? largest : 0;
}

Result<LogFiles::Taken> LogFiles::take(std::uint64_t capacity) {
    for (;;) {
        auto taken = take_some(capacity, file_capacity(capacity));
        if (!taken) return taken.error();
        if (*taken) return std::move(**taken);
    }
}

Result<std::optional<LogFiles::Taken>> LogFiles::take_some(std::uint64_t capacity,
                                                           std::uint64_t bytes) {
    const auto given = [](Result<Taken> taken) -> Result<std::optional<Taken>> {
        if (!taken) return taken.error();
        return std::optional(std::move(*taken));
    };
    capacity = file_capacity(capacity);
    if (auto removed = remove_oversized(capacity); !removed) return removed.error();
    if (Slot* slot = find_free(capacity)) return given(open(*slot));
    if (!filling_ || filling_->capacity < capacity) {
        if (auto room = make_room(capacity); !room) return room.error();
        if (auto begun = begin_filling(capacity); !begun) return begun.error();
    }
    if (auto done = fill(bytes); !done) {
        stop_filling();
        return done.error();
    }
    if (filling_->filled < filling_->capacity) return std::optional<Taken>();
    return given(finish_filling());
}

/// A file made for one large transaction isn't kept for small ones. While an opening hasn't begun
/// its file, none is removed: the newest header may have been read from a cache only, and without
/// it the log ends in one of those that seem free.
Result<void> LogFiles::remove_oversized(std::uint64_t capacity) {
    if (!begun_ || capacity > sizes_.file_bytes) return {};
    for (std::size_t i = slots_.size(); i-- > 0;) {
        if (slots_[i].state != Slot::State::free || slots_[i].capacity <= sizes_.file_bytes)
            continue;
        if (auto removed = remove(i); !removed) return removed;
    }
    return {};
}

/// Removes free slots, too small all of them, until a new file fits.
Result<void> LogFiles::make_room(std::uint64_t capacity) {
    if (!fits(capacity, total_bytes() - free_bytes())) {
        return Error(
            Errc::no_space,
            fmt::format("a log file of {} bytes: {} bytes of log are in use and {} allowed",
                        capacity, total_bytes() - free_bytes(), sizes_.total_bytes));
    }
    for (std::size_t i = slots_.size(); i-- > 0 && !fits(capacity, total_bytes());) {
        if (slots_[i].state != Slot::State::free) continue;
        if (auto removed = remove(i); !removed) return removed;
    }
    return {};
}

/// Not synced: if a removed name comes back after a crash, it is a free slot once more.
Result<void> LogFiles::remove(std::size_t index) {
    auto removed = disk_.remove(log_name(slots_[index].slot));
    if (!removed) return removed;
    slots_.erase(slots_.begin() + static_cast<std::ptrdiff_t>(index));
    return {};
}

Result<LogFiles::Taken> LogFiles::open(Slot& slot) {
    auto file = disk_.open(log_name(slot.slot), {.write = true, .direct = true});
    if (!file) return file.error();
    if (slot.name_unsynced) {
        if (auto synced = disk_.sync_directory(); !synced) return synced.error();
        slot.name_unsynced = false;
    }
    slot.state = Slot::State::taken;
    note_capacity(slot.capacity);
    return Taken{slot.slot, slot.capacity, std::move(*file)};
}

std::uint32_t LogFiles::unused_slot() const noexcept {
    std::uint32_t slot = 1;
    while (std::any_of(slots_.begin(), slots_.end(),
                       [&](const Slot& other) { return other.slot == slot; })) {
        ++slot;
    }
    return slot;
}

Result<void> LogFiles::begin_filling(std::uint64_t capacity) {
    filling_.reset();
    io::AlignedBuffer zeros(std::min(fill_bytes, capacity));
    std::memset(zeros.first(zeros.capacity()).data(), 0, zeros.capacity());
    auto file = disk_.open(unfinished_name,
                           {.write = true, .create = true, .truncate = true, .direct = true});
    if (!file) return file.error();
    filling_.emplace(Filling{std::move(*file), capacity, std::move(zeros)});
    return {};
}

Result<void> LogFiles::fill(std::uint64_t bytes) {
    Filling& made = *filling_;
    const std::uint64_t end = made.filled + std::min(bytes, made.capacity - made.filled);
    while (made.filled < end) {
        const std::size_t part = std::min<std::uint64_t>(made.zeros.capacity(), end - made.filled);
        auto written = made.file->write(made.zeros.first(part), made.filled, io::WriteMode::cached);
        if (!written) return written;
        made.filled += part;
    }
    return {};
}

void LogFiles::stop_filling() {
    if (!filling_) return;
    filling_.reset();
    (void)disk_.remove(unfinished_name);  // the error to tell is the one before
}

/// The bytes are durable before the name is there, and the name before a batch relies on it.
Result<LogFiles::Taken> LogFiles::finish_filling() {
    const std::uint32_t slot = unused_slot();
    const std::string name = log_name(slot);
    slots_.reserve(slots_.size() + 1);  // a file that has its name is known
    auto made = filling_->file->sync();
    if (made) made = disk_.rename(unfinished_name, name);
    if (!made) {
        stop_filling();
        return made.error();
    }
    slots_.push_back({slot, filling_->capacity, 0, Slot::State::free, true});
    filling_.reset();
    auto taken = open(slots_.back());
    if (!taken) {
        slots_.pop_back();
        (void)disk_.remove(name);
    }
    return taken;
}

void LogFiles::put_back(Taken taken) {
    if (Slot* slot = find(taken.slot)) slot->state = Slot::State::free;
}

void LogFiles::finished(std::uint32_t slot, std::uint64_t last_transaction) {
    begun();
    Slot* found = find(slot);
    BRAID_CHECK(found != nullptr && found->state == Slot::State::taken,
                "log slot {} is finished but was not in use", slot);
    found->last_transaction = last_transaction;
    found->state = Slot::State::full;
}

void LogFiles::drained(std::uint64_t transaction) {
    begun();
    for (Slot& slot : slots_) {
        if (slot.state == Slot::State::full && slot.last_transaction <= transaction) {
            slot.state = Slot::State::free;
        }
    }
}

Result<void> LogFiles::trim(std::uint64_t spare_bytes) {
    begun();
    stop_filling();
    std::optional<std::uint32_t> spare;
    std::uint64_t kept_bytes = 0;
    for (const Slot& slot : slots_) {
        if (slot.state != Slot::State::free || slot.capacity > spare_bytes) continue;
        if (slot.capacity <= kept_bytes) continue;
        kept_bytes = slot.capacity;
        spare = slot.slot;
    }
    const std::size_t before = slots_.size();
    for (std::size_t i = slots_.size(); i-- > 0;) {
        if (slots_[i].state != Slot::State::free || slots_[i].slot == spare) continue;
        if (auto removed = remove(i); !removed) return removed;
    }
    if (slots_.size() == before) return {};
    return disk_.sync_directory();
}

}  // namespace braid::wal
