#pragma once

#include <braid/result.hpp>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "engine/gather_policy.h"
#include "engine/gather_source.h"
#include "index/pack_directory.h"
#include "segment/frame_joiner.h"

namespace braid {

/// A pack that was written and synced from others, which the drain is to put in their place.
struct Gathered {
    index::PackInfo info;
    index::GatheredPack pack;
    std::vector<index::OrderSection> sections;
    std::vector<std::uint32_t> sources;
};
/// What the catalog is to say of it now: trims may have come meanwhile. False if one of the packs
/// has been retired since: then it can't take their place.
[[nodiscard]] bool fill_record(const Gathered& gathered, const Storage& storage,
                               index::CatalogRecord& record);

/// What a gathering works on.
struct GatherTarget {
    io::Disk& disk;
    const Options& options;
    Uuid store;
    std::uint64_t store_seed;
    const SegmentTable& table;
    Storage& storage;
};

/// Writes the extents of neighbouring packs into one, in order of segment and sequence, small ones
/// joined, with a directory and the merged space order, step by step (ARCHITECTURE.md,
/// "Gathering"). Owns no thread; whoever holds the drain's role calls `step`, with no drain under
/// way. Blocks only for its own reads and writes.
class Gather {
public:
    explicit Gather(const GatherTarget& target) : target_(target) {}
    ~Gather() { give_up(); }
    Gather(const Gather&) = delete;
    Gather& operator=(const Gather&) = delete;

    enum class Choice : std::uint8_t {
        due,  ///< what `choose_run` says
        all,  ///< what `choose_any` says
    };
    /// Does a little. False if there is nothing to gather. After an error it is given up: what was
    /// written doesn't count, and is removed. `corrupt`: those packs are left alone from now on.
    [[nodiscard]] Result<bool> step(Choice choice);
    /// The pack that is finished; it is taken over.
    [[nodiscard]] std::optional<Gathered> take_finished();
    /// Forgets the one under way.
    void give_up() noexcept;
    [[nodiscard]] bool is_idle() const noexcept { return phase_ == Phase::idle; }
    /// Bytes written to gathered packs.
    [[nodiscard]] std::uint64_t written_bytes() const noexcept { return written_bytes_; }

private:
    /// A step writes so much, up to multiples of it: as the drain does.
    static constexpr std::uint64_t step_bytes = 2 << 20;

    enum class Phase : std::uint8_t { idle, scan, copy, directory, order, finish, finished };

    [[nodiscard]] Result<bool> next_phase(Choice choice);
    [[nodiscard]] Result<void> work();
    [[nodiscard]] bool has_sources() const noexcept;
    [[nodiscard]] std::optional<GatherRun> choose(Choice choice) const;
    [[nodiscard]] Result<void> begin(const GatherRun& run);
    [[nodiscard]] Result<void> open_sources(std::span<const PackState> packs);
    [[nodiscard]] bool has_spare(const PackState& pack) const;
    [[nodiscard]] Result<void> scan();
    [[nodiscard]] Result<void> go_without_rest();
    void sum_up();
    [[nodiscard]] Result<void> begin_copy();
    [[nodiscard]] Result<void> copy();
    [[nodiscard]] Result<void> copy_next();
    std::uint64_t add(Bytes extent);
    void finish_extent();
    [[nodiscard]] Result<void> begin_order();
    [[nodiscard]] Result<void> add_order();
    struct Part;
    [[nodiscard]] bool begin_pass();
    void begin_section();
    [[nodiscard]] std::optional<std::uint64_t> previous_of(const Part& part) const;
    [[nodiscard]] Result<void> add_section(const Part& part);
    [[nodiscard]] Error other_than_counted() const;
    void finish_section();
    [[nodiscard]] Result<void> finish();
    [[nodiscard]] Result<void> write_out(bool all);
    void forget() noexcept;
    [[nodiscard]] io::WriteMode mode() const noexcept;
    [[nodiscard]] std::uint64_t offset() const noexcept { return written_ + out_.size(); }

    /// A section of one of the packs.
    struct Part {
        std::size_t source = 0;
        const index::OrderSection* section = nullptr;
        std::uint32_t pieces_before = 0;  // of the packs before
    };

    GatherTarget target_;
    std::set<std::uint32_t> left_alone_;  // packs that can't be gathered
    std::set<std::uint32_t> full_;        // that have as many extents as one may have
    std::uint64_t written_bytes_ = 0;

    // Of the one under way.
    Phase phase_ = Phase::idle;
    Gathered gathered_;
    std::unique_ptr<io::File> file_;
    std::vector<std::unique_ptr<GatherSource>> sources_;
    std::size_t scanned_ = 0;        // sources
    std::size_t extents_ = 0;        // of those
    std::vector<std::size_t> heap_;  // sources by their current extents, lowest first
    std::vector<std::byte> out_;     // what comes behind what is written
    std::uint64_t written_ = 0;      // bytes of the file
    std::uint64_t synced_ = 0;       // likewise
    index::DirectoryBuilder directory_;
    std::vector<std::byte> directory_bytes_;
    std::size_t directory_written_ = 0;
    segment::FrameJoiner joiner_;      // the frame that comes behind `out_`
    std::uint64_t extent_offset_ = 0;  // of the last extent
    std::uint64_t copied_records_ = 0;
    std::uint64_t ordered_records_ = 0;  // of those, in the space order
    std::vector<Part> parts_;            // by space, then as the packs stand
    std::size_t part_ = 0;               // the next one
    std::size_t space_begin_ = 0;        // the current space's parts
    std::size_t space_end_ = 0;
    bool counting_ = false;            // before the current space is encoded
    std::uint64_t space_records_ = 0;  // kept of the current space
    std::optional<index::OrderSectionEncoder> encoder_;
    std::size_t entries_ = 0;  // looked at in this step
};

}  // namespace braid
