#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "io/file.h"

namespace braid::sim {

inline constexpr std::size_t sector_bytes = 512;  // what a disk writes whole or not at all

/// Choices from a seed (splitmix64): the same on every machine, and cheap to start.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() noexcept {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    /// A number below `limit`, which isn't 0.
    std::uint64_t below(std::uint64_t limit) noexcept { return next() % limit; }
    bool flip() noexcept { return (next() & 1) != 0; }

private:
    std::uint64_t state_;
};

/// The bytes of a file in blocks that copies share until one of them is written.
class Content {
public:
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    /// Reads up to the end; returns the bytes read.
    std::size_t read(std::span<std::byte> into, std::uint64_t offset) const;
    /// Writes, growing the file; a gap reads as zeros.
    void write(Bytes bytes, std::uint64_t offset);
    void resize(std::uint64_t size);

private:
    using Block = std::array<std::byte, io::block_bytes>;
    Block& writable(std::size_t index);

    std::vector<std::shared_ptr<Block>> blocks_;  // none: zeros
    std::uint64_t size_ = 0;
};

/// A change of a file's bytes that power loss may take.
struct Unsynced {
    std::uint64_t offset = 0;
    Bytes bytes;                                          // within what `owner` holds
    std::shared_ptr<const std::vector<std::byte>> owner;  // none: the file was emptied
};

/// How much of a list of unsynced changes is still there after power loss. The extremes find more
/// bugs than fair coins do, so each has a good share of the seeds.
class Survival {
public:
    explicit Survival(Random& random);

    /// Whether change `index` of `count` survives as a whole; not asked of torn ones.
    bool keeps(std::size_t index, std::size_t count);
    /// Whether sectors of one write are chosen each on its own.
    bool tears();
    bool flip() { return random_.flip(); }
    [[nodiscard]] bool certain() const noexcept { return way_ == Way::none || way_ == Way::all; }

private:
    enum class Way : std::uint8_t {
        none,
        all,
        each,
        torn,
        first_ones,
        all_but_one,
        only_one,
        ways
    };

    Random& random_;
    Way way_;
    std::uint64_t pick_;
};

/// One file: what is read, what is durable, and what lies between.
class Inode {
public:
    [[nodiscard]] const Content& cache() const noexcept { return cache_; }

    /// A write or an emptying that is in the cache only.
    void write_unsynced(Bytes bytes, std::uint64_t offset);
    void empty_unsynced();
    /// Makes the last change durable, and with it the file's size.
    void sync_last();
    /// Makes all changes durable.
    void sync();
    /// The pages count as clean, the medium keeps the old bytes.
    void sync_failed() { unsynced_.clear(); }
    /// Changes cache and medium alike.
    void damage(Bytes bytes, std::uint64_t offset);
    void damage_size(std::uint64_t size);
    /// Loses power: what survives is then all there is.
    void crash(Random& random);

private:
    /// Takes [begin, end) out of all unsynced writes: something newer is durable there.
    void supersede(std::uint64_t begin, std::uint64_t end);
    void survive_torn(const Unsynced& write, Survival& survival);

    Content cache_;
    Content medium_;
    std::vector<Unsynced> unsynced_;
};

}  // namespace braid::sim
