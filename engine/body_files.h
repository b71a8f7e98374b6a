#pragma once

#include <braid/options.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/transaction_body.h"
#include "io/disk.h"

namespace braid {

/// Writes large bodies, in the threads that commit them, before their transactions are sequenced:
/// so whatever refers to a body is younger than the body's own durability, and neither the log nor
/// what recovers it knows of body files. Each opening begins files of its own, and only writes
/// behind what it has written. Several threads write to one file at the same time, each to its own
/// place, and share flushes. Any thread.
class BodyFiles {
public:
    /// `next`: a number that no body file ever had, nor any beyond it.
    BodyFiles(io::Disk& disk, const Options& options, const Uuid& store, std::uint64_t next)
        : disk_(disk), options_(options), store_(store), next_(next) {}

    /// Makes all of the transaction's large bodies durable, and its frames refer to them. After an
    /// error those that weren't reached are as they were; `no_space` or `io`, and the file isn't
    /// used for others any more. Blocks.
    [[nodiscard]] Result<void> write(TransactionBody& body);
    /// Whether a frame that isn't sequenced yet may refer to that file.
    [[nodiscard]] bool is_in_use(std::uint64_t number) const;
    /// Waits for who is writing; from here on everybody is refused. Gives back what the current
    /// file has too much.
    void close() noexcept;

private:
    /// A file of this opening. While anybody holds it, its number may get into a frame.
    struct BodyFile {
        std::uint32_t number = 0;
        std::unique_ptr<io::File> file;
        std::uint64_t end = 0;        ///< of what is given out
        std::uint64_t capacity = 0;   ///< it is followed by a new one here
        std::uint64_t written = 0;    ///< bodies that are, in whatever order
        std::uint64_t flushed = 0;    ///< so many of them are durable
        bool flushing = false;        ///< somebody is
        std::optional<Error> failed;  ///< a flush has, and none counts after it
    };
    /// What the first file of an opening is made with; each next one with twice as much.
    static constexpr std::uint64_t first_bytes = std::uint64_t{1} << 20;
    using Lock = std::unique_lock<std::mutex>;
    class Writing;
    class Flushing;

    [[nodiscard]] Result<segment::BodyReference> write(LargeBody& body,
                                                       std::shared_ptr<const void>& held);
    [[nodiscard]] Result<std::shared_ptr<BodyFile>> file_for(std::uint64_t bytes);
    [[nodiscard]] Result<void> flush(BodyFile& file, Lock& lock);
    [[nodiscard]] Result<void> begin_file(std::uint64_t bytes);
    [[nodiscard]] Result<void> fill_header(BodyFile& file, std::uint64_t bytes);
    void leave_current() noexcept;

    io::Disk& disk_;
    const Options& options_;
    const Uuid store_;

    mutable std::mutex mutex_;         // of all that follows, and of what files are at
    std::condition_variable changed_;  // a flush has ended, or somebody's writing
    std::uint64_t next_;
    std::uint64_t next_bytes_ = first_bytes;  // that the next file is made with
    std::shared_ptr<BodyFile> current_;
    std::vector<std::weak_ptr<BodyFile>> begun_;  // those that may be in use
    std::size_t writers_ = 0;
    bool closed_ = false;
};

}  // namespace braid
