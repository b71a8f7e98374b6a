#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <braid/options.hpp>
#include <braid/result.hpp>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "engine/copied_windows.h"
#include "engine/file_id.h"
#include "engine/verified_frames.h"
#include "io/disk.h"
#include "segment/body_reference.h"
#include "segment/pinned.h"

namespace braid {

/// How what is asked for is going to be read. On a cold file, the system reads much ahead of what
/// is read in order, which would be in vain for single records.
enum class Access : std::uint8_t { sequential, random };

/// Bytes of a stored file, what keeps them there, and which frames among them were verified.
struct StoredBytes {
    Bytes bytes;
    std::shared_ptr<const void> pin;
    VerifiedFrames* verified = nullptr;  ///< by offsets in the file; nullptr: nothing is remembered
    io::Mapping* random = nullptr;       ///< the mapping, if nothing is read ahead in it
};

/// Gives out the bytes of packs and segment files, through mappings or copies, and keeps a bounded
/// number of files mapped, or of bytes copied: the ones used longest ago are let go first; what is
/// pinned stays readable. A descriptor is taken only for as long as a file is being mapped or
/// copied. Any thread.
class StoredFiles {
public:
    StoredFiles(io::Disk& disk, const Options& options, std::shared_ptr<segment::Pinned> pinned)
        : disk_(disk),
          options_(options),
          pinned_(std::move(pinned)),
          windows_(options.tail_bytes_max / copied_part, pinned_) {}

    /// [offset, offset + length) of a file, copied where files aren't mapped. `corrupt` if the file
    /// is shorter, or missing.
    [[nodiscard]] Result<StoredBytes> view(FileId id, std::uint64_t offset, std::uint64_t length,
                                           Access access = Access::sequential);
    /// A stretch of a file in memory of its own.
    struct Stretch {
        std::uint64_t begin = 0;
        StoredBytes stored;
    };
    /// One that holds [offset, offset + length), and as much around it as is worth reading at once,
    /// but nothing at or beyond `end`. Kept for whoever comes there next.
    [[nodiscard]] Result<Stretch> around(FileId id, std::uint64_t offset, std::uint64_t length,
                                         std::uint64_t end);
    /// The same as `view` by read calls into fresh memory, whatever the read mode.
    [[nodiscard]] Result<StoredBytes> copy(FileId id, std::uint64_t offset, std::uint64_t length);
    /// A large body, checked against its hash: where it is mapped, once in the process. `corrupt`
    /// names file and offset.
    [[nodiscard]] Result<StoredBytes> body(const segment::BodyReference& reference,
                                           bool has_metadata);
    [[nodiscard]] bool are_mapped() const noexcept {
        return options_.read_mode == ReadMode::mapped;
    }
    /// Lets go of a file that is about to be removed.
    void forget(const std::string& name);

private:
    /// What is copied is kept up to this part of the memory for tails.
    static constexpr std::uint64_t copied_part = 4;

    /// What both mappings of the same bytes have in common: they are in memory once.
    struct Shared {
        explicit Shared(std::uint64_t bytes) : verified(bytes) {}
        VerifiedFrames verified;
        segment::Pinned::Share pinned_share;
    };
    /// A mapping of a file from its beginning.
    struct Mapped {
        std::unique_ptr<io::Mapping> mapping;
        std::shared_ptr<Shared> shared;
    };
    struct Kept {
        FileId id;
        std::array<std::shared_ptr<Mapped>, 2> mapped;  // by access
    };
    using List = std::list<Kept>;
    [[nodiscard]] Result<std::unique_ptr<io::File>> open(FileId id, bool direct = false);
    /// The same as `copy` from the medium, whatever is cached.
    [[nodiscard]] Result<StoredBytes> copy_direct(FileId id, std::uint64_t offset,
                                                  std::uint64_t length);
    /// The file as the one used last. Under the mutex.
    [[nodiscard]] Kept& use(FileId id);
    [[nodiscard]] static Result<std::unique_ptr<io::Mapping>> map_whole(io::File& file, FileId id,
                                                                        std::uint64_t least);
    /// Maps as much as the file holds, but at least so much. Under the mutex.
    [[nodiscard]] Result<void> map(Kept& kept, Access access, std::uint64_t least);
    /// Leaves its mappings to those who have pinned them.
    void unmap(Kept& kept) noexcept;
    void unmap(Kept& kept, Access access) noexcept;

    io::Disk& disk_;
    const Options& options_;
    std::shared_ptr<segment::Pinned> pinned_;
    std::mutex mutex_;  // of what follows
    List kept_;         // newest use first
    boost::unordered_flat_map<FileId, List::iterator> by_id_;
    CopiedWindows windows_;
};

}  // namespace braid
