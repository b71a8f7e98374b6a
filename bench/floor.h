#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "bench/place.h"

namespace bench {

/// What a log can't do without: one block a write.
inline constexpr std::size_t block_bytes = 4096;

/// A file of zeros that were written and flushed, so that no later write changes more than bytes,
/// open for writing in one of the two ways that make a write durable. Any thread may write.
class FloorLog {
public:
    enum class Way : std::uint8_t {
        direct,  ///< O_DIRECT | O_DSYNC: one call
        synced,  ///< a buffered write, then fdatasync
    };
    FloorLog(const std::string& path, Way way);
    FloorLog(const FloorLog&) = delete;
    FloorLog& operator=(const FloorLog&) = delete;
    ~FloorLog();

    /// Empty where the file system refuses the way; else what it is refused with.
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
    /// Writes a block, durably, at its place in the round.
    void write(std::uint64_t block_number);

private:
    static constexpr std::uint64_t blocks = 4096;
    Way way_;
    int fd_;
    std::string problem_;
};

/// A file in the page cache, mapped for reading.
class MappedFile {
public:
    /// Makes a file of so many bytes that aren't zero.
    MappedFile(const std::string& path, std::size_t bytes);
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    ~MappedFile();

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

private:
    std::span<const std::byte> bytes_;
};

/// Writes what is given to a file in pieces of 64 KiB, through the page cache.
class BufferedFile {
public:
    explicit BufferedFile(const std::string& path);
    BufferedFile(const BufferedFile&) = delete;
    BufferedFile& operator=(const BufferedFile&) = delete;
    ~BufferedFile();

    void append(const void* bytes, std::size_t size);

private:
    static constexpr std::size_t capacity = 64 << 10;
    static constexpr std::uint64_t round_bytes = std::uint64_t{64} << 20;
    int fd_;
    std::uint64_t offset_ = 0;
    std::size_t used_ = 0;
    std::byte buffer_[capacity];
};

/// Makes one new file of a block, durable with its name.
void make_durable_file(const std::string& directory, std::uint64_t number);

/// Reads all files of a directory with read calls and hashes them; returns their bytes.
std::uint64_t read_and_hash(const std::string& directory);

}  // namespace bench
