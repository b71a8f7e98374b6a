#pragma once

#include <braid/result.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace braid::io {

/// Block size of the log and of everything that is read or written direct.
inline constexpr std::size_t block_bytes = 4096;

/// Rounds up to whole blocks.
constexpr std::uint64_t whole_blocks(std::uint64_t bytes) {
    return (bytes + block_bytes - 1) / block_bytes * block_bytes;
}

/// Whether a write is durable when it returns (data, and the size if it grew the file) or stays in
/// caches until `sync`; `uncached` is `cached`, but the page cache needn't keep it behind that.
enum class WriteMode : std::uint8_t { cached, uncached, durable };

/// The bytes of a file as read-only memory. The view lives as long as this object, through renames
/// and removal of the file. A truncation by somebody else, or a medium that fails, is a SIGBUS.
class Mapping {
public:
    virtual ~Mapping() = default;
    [[nodiscard]] Bytes bytes() const noexcept { return bytes_; }
    /// What is read next is seldom what lies behind what was read last: nothing is read ahead.
    virtual void expect_random_reads() noexcept {}
    /// These bytes of it are about to be read: they are fetched at once.
    virtual void expect_reads(Bytes) noexcept {}

protected:
    explicit Mapping(Bytes bytes) : bytes_(bytes) {}
    Bytes bytes_;
};

/// An open file. Reads and writes of different threads may overlap in time; what a reader sees of a
/// write under way is undefined. Errors name the file, the offset and the system's reason.
///
/// `read` and `write` are whole: they carry on after a short transfer, EINTR and EAGAIN. The raw
/// calls below them are what an implementation supplies, and what a test makes fail.
class File {
public:
    explicit File(std::string name) : name_(std::move(name)) {}
    virtual ~File() = default;
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    /// Reads until the buffer is full or the file ends; returns the bytes read. Blocks.
    [[nodiscard]] Result<std::size_t> read(std::span<std::byte> into, std::uint64_t offset);
    /// Writes all bytes. A file opened direct wants address, length and offset in whole blocks.
    /// After an error any part may have been written. Blocks.
    [[nodiscard]] Result<void> write(Bytes bytes, std::uint64_t offset, WriteMode mode);
    /// Makes every finished write, and the file's size, durable (fdatasync). After an error nothing
    /// is known, and a second call that succeeds proves nothing: write anew. Blocks.
    [[nodiscard]] Result<void> sync();
    [[nodiscard]] Result<std::uint64_t> size();
    /// Bytes of it that the page cache has, in whole pages; nothing where the system doesn't tell.
    [[nodiscard]] std::optional<std::uint64_t> cached_bytes();
    /// Maps [0, length) read-only; `corrupt` if the file is shorter. A length of 0 gives no bytes.
    [[nodiscard]] Result<std::unique_ptr<Mapping>> map(std::uint64_t length);
    /// Takes space for [0, length) and makes the file so long, where the file system can; where it
    /// can't, nothing is done. Not durable before `sync`. `no_space` where there isn't as much.
    [[nodiscard]] Result<void> allocate(std::uint64_t length);
    /// Ends the file at `length`, which nothing that counts lies behind. Not durable before `sync`.
    [[nodiscard]] Result<void> cut(std::uint64_t length);

    // What the system's calls return: a count, or -errno. Implemented by each disk, called by the
    // functions above and by `Queue`.
    virtual std::int64_t raw_read(std::span<std::byte> into, std::uint64_t offset) = 0;
    virtual std::int64_t raw_write(Bytes bytes, std::uint64_t offset, WriteMode mode) = 0;
    virtual std::int64_t raw_sync() = 0;
    virtual std::int64_t raw_size() = 0;
    /// Sets `out` and returns 0, or -errno.
    virtual std::int64_t raw_map(std::uint64_t length, std::unique_ptr<Mapping>& out) = 0;
    virtual std::int64_t raw_allocate(std::uint64_t length) = 0;
    virtual std::int64_t raw_cut(std::uint64_t length) = 0;
    virtual std::int64_t raw_cached() = 0;
    /// Offsets and lengths must be multiples of this. A transfer that stops within a unit is
    /// carried on from the start of that unit, since a direct file refuses any other offset.
    [[nodiscard]] virtual std::size_t transfer_unit() const noexcept { return 1; }

private:
    std::string name_;
};

/// How often a transfer that the system interrupts or puts off (EINTR, EAGAIN) is tried again
/// without progress before it counts as failed.
inline constexpr unsigned idle_tries_max = 1000;

/// The error for a call that returned -errno: `no_space` for ENOSPC, EDQUOT and EFBIG, `not_found`
/// for ENOENT, else `io`; "<call> <file> at offset <offset>: <reason>".
[[nodiscard]] Error system_error(std::string_view call, const std::string& file,
                                 std::uint64_t offset, std::int64_t negative_errno);
/// The same for a call without an offset: "<call> <file>: <reason>".
[[nodiscard]] Error system_error(std::string_view call, const std::string& file,
                                 std::int64_t negative_errno);
/// The same in fewest words, for where there is no memory for more.
[[nodiscard]] Error system_error(std::int64_t negative_errno) noexcept;

}  // namespace braid::io
