#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <braid/options.hpp>
#include <braid/result.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <tuple>
#include <vector>

#include "engine/fair_shared_mutex.h"
#include "index/catalog.h"
#include "index/sparse_index.h"
#include "io/disk.h"

namespace braid {

/// Bytes of a stored file, and what keeps them there.
struct StoredBytes {
    Bytes bytes;
    std::shared_ptr<const void> pin;
};

/// A drain's pack with what belongs to it.
struct PackState {
    index::PackInfo info;
    std::vector<index::OrderSection> sections;  ///< by space
    /// In the order of their numbers as sources; one that is trimmed wholly has no bytes.
    std::vector<segment::Piece> pieces;
    std::uint64_t trimmed_records = 0;  ///< of the drain; never all: it is retired then
};

/// Gives out the bytes of packs and segment files, through mappings or copies, and keeps a bounded
/// number of files open: the ones used longest ago are let go first; what is pinned stays readable.
/// Any thread.
class StoredFiles {
public:
    StoredFiles(io::Disk& disk, const Options& options) : disk_(disk), options_(options) {}

    /// [offset, offset + length) of a file. `corrupt` if the file is shorter, or missing.
    [[nodiscard]] Result<StoredBytes> view(const std::string& name, std::uint64_t offset,
                                           std::uint64_t length);
    /// The same by read calls into fresh memory, whatever the read mode.
    [[nodiscard]] Result<StoredBytes> copy(const std::string& name, std::uint64_t offset,
                                           std::uint64_t length);
    /// Lets go of a file that is about to be removed.
    void forget(const std::string& name);

private:
    struct Opened {
        std::string name;
        std::shared_ptr<io::File> file;
        std::shared_ptr<io::Mapping> mapping;
    };
    using List = std::list<Opened>;
    [[nodiscard]] Result<StoredBytes> view_copied(const std::string& name, std::uint64_t offset,
                                                  std::uint64_t length);
    [[nodiscard]] Result<Opened> opened(const std::string& name, std::uint64_t mapped_through);

    io::Disk& disk_;
    const Options& options_;
    std::mutex mutex_;  // of what follows
    List recent_;       // newest use first
    boost::unordered_flat_map<std::string, List::iterator> by_name_;
    std::mutex copied_mutex_;  // of what follows
    std::string copied_name_;  // the file that was copied last, from its beginning
    StoredBytes copied_;
};

/// The files that one reader has used lately, so that a frame costs no look-up by name. One thread.
class RecentFiles {
public:
    struct Recent {
        std::string name;
        StoredBytes stored;
    };
    explicit RecentFiles(StoredFiles& files) : files_(files) {}

    /// The first `end` bytes of a pack (`segment` 0) or of a segment's own file.
    [[nodiscard]] Result<const Recent*> get(SegmentId segment, std::uint32_t number,
                                            std::uint64_t end);

private:
    StoredFiles& files_;
    boost::unordered_flat_map<std::pair<std::uint64_t, std::uint32_t>, Recent> recent_;
};

/// All that is drained, as the catalog tells it: packs, their order sections and pieces. Reading
/// members want `publish` held shared; the drain publishes under it exclusively, in short turns.
class Storage {
public:
    Storage(io::Disk& disk, const Options& options) : files(disk, options) {}
    /// Of which store the files are.
    void identify(std::uint64_t store_seed) noexcept { store_seed_ = store_seed; }

    /// Held shared by whoever looks at drained state or walks tails; taken exclusively to publish a
    /// drain, and once more, before drained memory is let go, to be sure that nobody is walking
    /// there.
    mutable FairSharedMutex publish;
    StoredFiles files;

    [[nodiscard]] Position drained() const noexcept { return drained_; }
    [[nodiscard]] TransactionNumber transaction() const noexcept { return transaction_; }
    [[nodiscard]] Timestamp timestamp() const noexcept { return timestamp_; }
    [[nodiscard]] const std::vector<PackState>& packs() const noexcept { return packs_; }
    /// The pack that holds the position, or the first one beyond it; nullptr if there is none.
    [[nodiscard]] const PackState* pack_at(Position position) const noexcept;
    [[nodiscard]] const PackState* pack_number(std::uint32_t number) const noexcept;
    /// Packs below this number were written, and are retired if they aren't there.
    [[nodiscard]] std::uint32_t next_pack() const noexcept { return next_pack_; }
    /// The last position trimmed anywhere: below it packs may be missing.
    [[nodiscard]] Position trimmed_through() const noexcept { return trimmed_through_; }

    /// Takes over a catalog record's packs, pieces and sections, and retires the packs that are
    /// trimmed wholly. Under `publish`, exclusively.
    void add(const index::CatalogRecord& record);
    /// Takes note that nothing up to there is read any more. Under `publish`, exclusively.
    void add(const index::SegmentTrim& trim);

    /// The sparse index of a piece: decoded from the file, or built again from the frames.
    [[nodiscard]] Result<std::shared_ptr<const index::SparseIndex>> sparse_index(
        const segment::Piece& piece);
    /// A space's entries in a pack, in position order: from its section, or, where that is damaged,
    /// built again from the frames. `is_of_space(segment)` tells which segments are the space's.
    [[nodiscard]] Result<std::vector<index::OrderEntry>> order(
        const PackState& pack, const index::OrderSection& section,
        const std::function<bool(SegmentId)>& is_of_space);

    /// The same from the frames, whatever the section holds.
    [[nodiscard]] Result<std::vector<index::OrderEntry>> rebuild_order(
        const PackState& pack, const std::function<bool(SegmentId)>& is_of_space);
    /// What the section's first block names as the space's block before; nullopt if its pack is
    /// retired.
    [[nodiscard]] std::optional<std::uint64_t> previous_checksum(
        const PackState& pack, const index::OrderSection& section) const;

private:
    [[nodiscard]] Result<index::SparseIndex> load_sparse_index(const segment::Piece& piece);

    std::uint64_t store_seed_ = 0;
    Position drained_;
    TransactionNumber transaction_;
    Timestamp timestamp_;
    std::vector<PackState> packs_;  // by number, rising
    std::uint32_t next_pack_ = 1;
    Position trimmed_through_;

    using PieceKey =
        std::tuple<std::uint64_t, std::uint32_t, std::uint64_t>;  // segment, file, offset
    std::mutex indexes_mutex_;                                    // of indexes_
    std::map<PieceKey, std::shared_ptr<const index::SparseIndex>> indexes_;  // used lately
};

}  // namespace braid
