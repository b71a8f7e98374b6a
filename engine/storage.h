#pragma once

#include <braid/options.hpp>
#include <braid/result.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <tuple>
#include <vector>

#include "engine/extent_hints.h"
#include "engine/fair_shared_mutex.h"
#include "engine/recently_used.h"
#include "engine/stored_files.h"
#include "index/catalog.h"
#include "index/pack_directory.h"
#include "index/sparse_index.h"

namespace braid {

/// The pack of a drain, or of several whose packs were gathered, with what belongs to it.
struct PackState {
    index::PackInfo info;
    std::vector<index::OrderSection> sections;  ///< by space
    /// In the order of their numbers as sources; one that is trimmed wholly has no bytes.
    std::vector<segment::Piece> pieces;
    std::uint64_t trimmed_records = 0;  ///< of the drain; never all: it is retired then
    std::optional<index::GatheredPack> gathered{};

    [[nodiscard]] std::uint32_t level() const noexcept { return gathered ? gathered->level : 0; }
    [[nodiscard]] std::uint64_t directory_offset() const noexcept {
        return io::whole_blocks(info.extents_end);
    }
    [[nodiscard]] std::uint64_t directory_entries() const noexcept {
        return gathered ? gathered->directory_entries : 0;
    }
    /// End of what a segment's extents are found in.
    [[nodiscard]] std::uint64_t found_end() const noexcept {
        return gathered ? directory_offset() + index::directory_bytes(gathered->directory_entries)
                        : info.extents_end;
    }
};

/// The files that one reader has used lately, so that a frame costs no look-up. One thread.
class RecentFiles {
public:
    /// A file up to `end`, and the walk over its frames. Of one that is mapped all of it is in
    /// memory, of one that is copied a stretch at a time: the last one stays for whoever has pinned
    /// it.
    struct Recent {
        FileId id;
        Access access = Access::sequential;
        StoredBytes stored;
        std::uint64_t begin = 0;  ///< in the file, of what is in memory
        std::uint64_t end = 0;
        std::uint32_t loads = 0;       ///< how often `stored` has become another one
        std::optional<Error> failure;  ///< why what was asked for last isn't there
        StoredFiles* files = nullptr;
        FrameWalk walk;

        [[nodiscard]] bool holds(std::uint64_t offset, std::uint64_t length) const noexcept {
            return offset >= begin && offset - begin <= stored.bytes.size() &&
                   stored.bytes.size() - (offset - begin) >= length;
        }
        /// The bytes from `offset` on that are in memory, at least so many; fewer where the file
        /// doesn't have them or they can't be read. Valid until the next call.
        [[nodiscard]] Bytes at(std::uint64_t offset, std::uint64_t length) {
            if (!holds(offset, length)) [[unlikely]]
                return load(offset, length);
            return stored.bytes.subspan(offset - begin);
        }
        /// The frame at `offset`, with bounds that lie before `limit`, not verified; a null view if
        /// there is none. So many bytes before it are in memory, too. Valid until the next call.
        [[nodiscard]] segment::FrameView frame(std::uint64_t offset, std::uint64_t limit,
                                               std::uint64_t before = 0);

    private:
        Bytes load(std::uint64_t offset, std::uint64_t length);
    };
    explicit RecentFiles(StoredFiles& files) : files_(files) {}
    RecentFiles(const RecentFiles&) = delete;  // points into itself
    RecentFiles& operator=(const RecentFiles&) = delete;

    /// How the next ones are going to be read.
    void expect(Access access) noexcept {
        access_ = files_.are_mapped() ? access : Access::sequential;
    }
    /// The first `end` bytes of a file. What it points to is valid until the next call.
    [[nodiscard]] Result<Recent*> get(FileId id, std::uint64_t end) {
        if (last_ != nullptr && last_->id == id && serves(*last_, end)) return last_;
        return find(id, end);
    }
    /// How often what was got has become invalid: as long as this stays, it stays valid beyond the
    /// next call, and is good for so many bytes as long as it `serves` them.
    [[nodiscard]] std::uint32_t clears() const noexcept { return clears_; }
    [[nodiscard]] bool serves(const Recent& recent, std::uint64_t end) const noexcept {
        return recent.end >= end && recent.access == access_;
    }

private:
    [[nodiscard]] Result<Recent*> find(FileId id, std::uint64_t end);

    StoredFiles& files_;
    Access access_ = Access::sequential;
    Recent first_;            // most readers need no more
    Recent* last_ = nullptr;  // used last
    std::uint32_t clears_ = 0;
    boost::unordered_flat_map<FileId, std::unique_ptr<Recent>> more_;
};

/// All that is drained, as the catalog tells it: packs, their order sections and pieces. Reading
/// members want `publish` held shared; the drain publishes under it exclusively, in short turns.
class Storage {
public:
    Storage(io::Disk& disk, const Options& options, std::shared_ptr<segment::Pinned> pinned)
        : files(disk, options, std::move(pinned)),
          indexes_(options.tail_bytes_max),
          orders_(options.tail_bytes_max / 4),
          disk_(disk) {}
    /// Of which store the files are.
    void identify(std::uint64_t store_seed) noexcept { store_seed_ = store_seed; }

    /// Held shared by whoever looks at drained state or walks tails; taken exclusively to publish a
    /// drain, and once more, before drained memory is let go, to be sure that nobody is walking
    /// there.
    mutable FairSharedMutex publish;
    StoredFiles files;
    ExtentHints hints;

    [[nodiscard]] Position drained() const noexcept { return drained_; }
    [[nodiscard]] TransactionNumber transaction() const noexcept { return transaction_; }
    [[nodiscard]] Timestamp timestamp() const noexcept { return timestamp_; }
    [[nodiscard]] const std::vector<PackState>& packs() const noexcept { return packs_; }
    /// The pack that holds the position, or the first one beyond it; nullptr if there is none.
    [[nodiscard]] const PackState* pack_at(Position position) const noexcept;
    /// The pack of that number, or the one that it was gathered into; nullptr if there is none.
    [[nodiscard]] const PackState* pack_number(std::uint32_t number) const noexcept;
    /// Whether there is a pack of that number itself.
    [[nodiscard]] bool has_pack(std::uint32_t number) const noexcept {
        const PackState* pack = pack_number(number);
        return pack != nullptr && pack->info.number == number;
    }
    /// Packs below this number were written, and are retired if they aren't there.
    [[nodiscard]] std::uint32_t next_pack() const noexcept { return next_pack_; }
    /// The same, but for the number that a gathering has taken for itself.
    [[nodiscard]] std::uint32_t free_pack() const noexcept {
        return next_pack_ + (next_pack_ == reserved_pack_ ? 1 : 0);
    }
    /// Keeps the next number from drains, for a pack that is being gathered beside them; 0: none.
    void reserve_pack(std::uint32_t number) noexcept { reserved_pack_ = number; }
    /// Rises whenever packs were gathered: what was found of packs by then may be elsewhere now.
    [[nodiscard]] std::uint64_t gatherings() const noexcept { return gatherings_; }
    /// What makes a record wrong that speaks of gathered packs, or nullptr.
    [[nodiscard]] const char* gathering_problem(const index::CatalogRecord& record) const;
    /// The body files that drained frames refer to, by number, rising.
    [[nodiscard]] const std::vector<index::BodyFileCount>& body_files() const noexcept {
        return body_files_;
    }
    /// Of one of them; of any other the number alone.
    [[nodiscard]] index::BodyFileCount body_file(std::uint64_t number) const noexcept;
    /// Beyond all that drained frames ever referred to.
    [[nodiscard]] std::uint64_t next_body_file() const noexcept { return next_body_file_; }
    /// The last position trimmed anywhere: below it packs may be missing.
    [[nodiscard]] Position trimmed_through() const noexcept { return trimmed_through_; }

    /// Takes over a catalog record's packs, pieces and sections, and retires the packs that are
    /// trimmed wholly; or puts a gathered pack in the place of those that it came from. Under
    /// `publish`, exclusively.
    void add(const index::CatalogRecord& record);
    /// Takes over where another one, of the same store at a later time, has what was drained by
    /// now. Under `publish`, exclusively.
    void take_places(Storage& later);
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

    using OrderBlocks = std::vector<index::OrderBlockPlace>;
    /// The blocks of a space's section, which was checked once; `corrupt` where it is damaged.
    [[nodiscard]] Result<std::shared_ptr<const OrderBlocks>> order_blocks(
        const PackState& pack, const index::OrderSection& section);
    /// A block of a section, and where all of them are once one was looked for.
    struct OrderPlace {
        std::shared_ptr<const OrderBlocks> blocks;
        std::size_t block = 0;

        [[nodiscard]] bool is_first() const noexcept { return block == 0; }
        [[nodiscard]] bool is_last() const noexcept { return block + 1 == blocks->size(); }
        [[nodiscard]] Position first_position() const { return (*blocks)[block].first_position; }
        /// Where the next block begins.
        [[nodiscard]] Position end() const { return (*blocks)[block + 1].first_position; }
    };
    /// Decodes the entries of the block in which a position stands, or would. False where the
    /// section is damaged; it is checked once.
    [[nodiscard]] bool load_order_block(const PackState& pack, const index::OrderSection& section,
                                        Position position, OrderPlace& place,
                                        std::vector<index::OrderEntry>& entries);
    [[nodiscard]] Result<StoredBytes> order_bytes(const PackState& pack,
                                                  const index::OrderSection& section) {
        return files.view({0, pack.info.number}, section.offset, section.bytes);
    }

    /// The same as `order` from the frames, whatever the section holds.
    [[nodiscard]] Result<std::vector<index::OrderEntry>> rebuild_order(
        const PackState& pack, const std::function<bool(SegmentId)>& is_of_space);
    /// What the section's first block names as the space's block before; nullopt if its pack is
    /// retired.
    [[nodiscard]] std::optional<std::uint64_t> previous_checksum(
        const PackState& pack, const index::OrderSection& section) const;

    /// Packs that were gathered are removed once nobody goes through files of packs that he has a
    /// list of, as verify does.
    void remove_later(const std::vector<std::string>& names);
    void hold_removals();
    void let_removals_go();

private:
    [[nodiscard]] Result<index::SparseIndex> load_sparse_index(const segment::Piece& piece);
    void gather(const index::CatalogRecord& record);
    [[nodiscard]] PackState* own_pack(std::uint32_t number) noexcept;
    void number_packs();

    std::uint64_t store_seed_ = 0;
    Position drained_;
    TransactionNumber transaction_;
    Timestamp timestamp_;
    std::vector<PackState> packs_;  // by position
    /// Which of `packs_` a number leads to: its own, and those that it was gathered from.
    struct Numbers {
        std::uint32_t first = 0;
        std::uint32_t last = 0;
        std::uint32_t pack = 0;  // index
    };
    std::vector<Numbers> numbers_;  // rising
    std::uint32_t next_pack_ = 1;
    std::uint32_t reserved_pack_ = 0;
    std::uint64_t gatherings_ = 0;
    std::vector<index::BodyFileCount> body_files_;
    std::uint64_t next_body_file_ = 1;
    Position trimmed_through_;

    using PieceKey =
        std::tuple<std::uint64_t, std::uint32_t, std::uint64_t>;  // segment, file, offset
    RecentlyUsed<PieceKey, index::SparseIndex> indexes_;
    using SectionKey = std::pair<std::uint32_t, std::uint64_t>;  // pack, space
    RecentlyUsed<SectionKey, OrderBlocks> orders_;
    std::mutex removals_mutex_;          // of what follows
    std::vector<std::string> removals_;  // to be done
    std::size_t removal_holds_ = 0;
    io::Disk& disk_;
};

/// As long as this is there, no pack that was gathered is removed.
class RemovalsHeld {
public:
    explicit RemovalsHeld(Storage& storage) : storage_(storage) { storage_.hold_removals(); }
    ~RemovalsHeld() { storage_.let_removals_go(); }
    RemovalsHeld(const RemovalsHeld&) = delete;
    RemovalsHeld& operator=(const RemovalsHeld&) = delete;

private:
    Storage& storage_;
};

}  // namespace braid
