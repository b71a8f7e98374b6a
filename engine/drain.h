#pragma once

#include <braid/result.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "engine/catalog_rewrite.h"
#include "engine/gather.h"
#include "engine/segment_table.h"
#include "engine/sequencer.h"
#include "engine/storage.h"
#include "engine/trim.h"
#include "engine/watermarks.h"
#include "io/aligned_buffer.h"
#include "io/disk.h"

namespace braid {

/// What a drain works on.
struct DrainTarget {
    io::Disk& disk;
    const Options& options;
    Uuid store;
    std::uint64_t store_seed;
    SegmentTable& table;
    ConsumerTable& consumers;   ///< under commit_mutex
    LeaseTable& leases;         ///< likewise
    const TransactionIds& ids;  ///< likewise
    segment::Arena& arena;
    Storage& storage;
    const Watermarks& watermarks;
    std::mutex& commit_mutex;    ///< of the sequencer
    const Sequencer& sequencer;  ///< under that mutex
};

/// Moves what is durable out of tails into one pack, and for segments that bring much, into pieces,
/// in the order of steps that makes a crash anywhere harmless (ARCHITECTURE.md, "Drain"). Owns no
/// thread: whoever holds the drain's role calls `step`, with the same queue until `is_idle`.
class Drain {
public:
    /// Goes on behind the catalog that was loaded, or in a new file where its end is torn.
    Drain(const DrainTarget& target, const index::LoadedCatalog& catalog);

    /// Does what can be done without waiting. True if a drain is under way or was finished by this
    /// very call, false if there is nothing to drain. After an error the drain is given up: what it
    /// has written doesn't count, everything is still in memory and in the log, and the next step
    /// begins anew. So it is after std::bad_alloc, unless the catalog has the drain: then the next
    /// step publishes what is left to be. `block`: first waits for one of its writes, if any is in
    /// flight.
    [[nodiscard]] Result<bool> step(io::Queue& queue, bool block);
    [[nodiscard]] bool is_idle() const noexcept { return phase_ == Phase::idle; }
    /// Asks the next drain to trim, and to do nothing else; what is to be trimmed is drained. An
    /// earlier request that wasn't met is forgotten.
    void request(Trim trim) { trim_ = std::move(trim); }
    void forget_trim() { trim_.reset(); }
    /// Asks the next drain, behind a trim, to put a gathered pack in the place of others, and to do
    /// nothing else. The pack is given up where that can't be.
    void request(Gathered gathered) { gathered_ = std::move(gathered); }
    [[nodiscard]] bool is_to_gather() const noexcept { return gathered_.has_value(); }
    /// Begins a new catalog file if that shortens it much, for the next opening; while idle. Where
    /// that fails a sound catalog is left, the old one or the new one.
    void shorten_catalog() noexcept;
    /// Whether the catalog may have a record, or not, that doesn't count: no file may be touched
    /// then of which it may speak.
    [[nodiscard]] bool is_catalog_doubtful() const noexcept { return catalog_doubtful_; }
    /// Begins the catalog anew, while idle.
    [[nodiscard]] Result<void> settle_catalog();
    /// Gathered packs that took the place of others.
    [[nodiscard]] std::uint64_t gathered() const noexcept { return gathered_count_; }
    /// Drains finished, and bytes of frames in them.
    [[nodiscard]] std::uint64_t drains() const noexcept { return drains_; }
    [[nodiscard]] std::uint64_t drained_bytes() const noexcept { return drained_bytes_; }
    /// Bytes written to packs, pieces and catalogs for them.
    [[nodiscard]] std::uint64_t stored_bytes() const noexcept { return stored_bytes_; }

private:
    enum class Phase : std::uint8_t {
        idle,
        build,  // the pack is written as it grows
        write,
        sync,
        synced,
        record,
        sync_record,
        publish,
    };

    /// What a drain has for one segment.
    struct Work {
        SegmentState* segment = nullptr;
        SpaceId space;
        bool is_new = false;             // nothing of it was ever drained
        std::uint64_t frames_bytes = 0;  // padded
        index::SegmentUpdate update;
        std::uint32_t piece = 0;         // 1 + index in record_.pieces; 0: into the pack
        std::uint64_t piece_output = 0;  // index in outputs_
        std::uint32_t last_frame = 0;    // index in frames_
    };
    /// What a drain knows of one frame.
    struct Frame {
        std::uint32_t work;        // index in work_
        std::uint32_t next = 0;    // of the segment, index in frames_; 0: none
        std::uint64_t offset = 0;  // where it is written, by itself or joined; 0: not yet
    };
    /// A file to be written: its bytes go to `offset`.
    struct Output {
        std::string name;
        std::uint64_t offset = 0;
        bool truncate = false;
        bool direct = false;  ///< all of it is written in whole blocks
        std::vector<std::byte> bytes{};
        std::uint64_t submitted = 0;
        std::uint64_t handed_over = 0;     ///< bytes before `offset` that were its own
        std::unique_ptr<io::File> file{};  ///< while it is being written

        /// Where what is added next will stand in the file.
        [[nodiscard]] std::uint64_t end() const noexcept { return offset + bytes.size(); }
    };
    /// Bytes of the pack that are being written while the rest is built.
    struct Part {
        io::AlignedBuffer bytes;
        std::size_t writes = 0;  // in flight
    };

    [[nodiscard]] Result<bool> next_phase(io::Queue& queue);
    [[nodiscard]] Result<bool> begin();
    [[nodiscard]] bool collect();
    void collect_frames(Position drained);
    void collect_named();
    void collect_ids(TransactionNumber after, index::CatalogRecord& record);
    void collect_trim();
    [[nodiscard]] bool collect_gathered();
    void choose_mode();
    void assign();
    void assign_frame(const segment::TailNode& node);
    void assign_pieces();
    [[nodiscard]] Result<void> name_outputs();
    void begin_build();
    void reserve_pieces();
    [[nodiscard]] bool build(io::Queue& queue);
    void build_frame(std::size_t index);
    [[nodiscard]] Part& free_part();
    void hand_over(io::Queue& queue, std::size_t bytes);
    void finish_build(io::Queue& queue);
    [[nodiscard]] Result<bool> begin_write();
    void place_frame(std::size_t index, Work& work);
    [[nodiscard]] std::size_t joined_end(std::size_t index) const noexcept;
    [[nodiscard]] bool is_joinable(segment::FrameView frame) const noexcept;
    void finish_piece(Work& work);
    void note_names();
    void count_bodies();
    void finish_record();
    [[nodiscard]] bool is_catalog_long(std::uint64_t snapshots) const noexcept;
    [[nodiscard]] Result<void> rewrite_some();
    [[nodiscard]] Result<void> rewrite_rest();
    [[nodiscard]] Result<bool> rewrite_segments(std::uint64_t count);
    [[nodiscard]] Result<void> finish_rewrite();
    void give_up_rewrite() noexcept;
    [[nodiscard]] Result<void> take_completions(io::Queue& queue, bool block);
    [[nodiscard]] std::span<Output> outputs_at_work() noexcept;
    [[nodiscard]] Result<void> open_outputs();
    void submit_writes(io::Queue& queue);
    void submit_syncs(io::Queue& queue);
    void close_outputs() noexcept;
    void publish();
    void show_stored();
    void publish_segments();
    /// Segments are spread over memory: who goes through them asks for those that come.
    void fetch_segment(std::size_t work) const noexcept {
        if (work < work_.size()) work_[work].segment->fetch();
    }
    static constexpr std::size_t segments_ahead = 16;
    /// Writes end at its multiples: the system then keeps in large pages what is cached of them,
    /// and whoever reads at random through a mapping of it finds its way sooner.
    static constexpr std::size_t write_bytes_max = 2 << 20;
    static constexpr std::size_t writes_in_flight = 8;
    void let_go_of_tails();
    void publish_trims();
    void publish_gathered();
    void remove_gathered_from();
    [[nodiscard]] bool is_gathering() const noexcept {
        return record_.kind == index::CatalogRecordKind::gather;
    }
    void fail(io::Queue& queue);
    void let_go_of_parts();
    void give_up();

    DrainTarget target_;
    Phase phase_ = Phase::idle;
    index::CatalogEnd catalog_;
    bool catalog_doubtful_;  // the next record must go into a fresh file
    std::uint64_t catalog_snapshot_bytes_;
    std::optional<CatalogRewrite> rewrite_;  // under way
    std::optional<Trim> trim_;               // asked for
    std::optional<Gathered> gathered_;       // likewise
    std::unique_ptr<io::File> catalog_file_;
    const io::Queue* queue_ = nullptr;  // that has the writes of the drain under way
    SpaceId next_space_;                // as the catalog has them
    SegmentId next_segment_;

    // Of the drain under way.
    std::vector<std::shared_ptr<segment::Chunk>> chunks_;
    std::vector<const segment::TailNode*> nodes_;  // in position order
    std::vector<Frame> frames_;                    // of each node
    segment::FrameJoiner joiner_;
    std::vector<Work> work_;
    std::vector<std::uint32_t> large_;            // indexes of work for a piece, rising
    std::uint64_t frames_bytes_ = 0;              // of all work
    std::vector<Output> outputs_;                 // the pack first
    std::vector<Part> parts_;                     // of the pack
    std::size_t built_ = 0;                       // nodes
    io::WriteMode mode_ = io::WriteMode::cached;  // of their writes
    std::uint64_t begun_us_ = 0;                  // on the disk's clock
    std::size_t outputs_finished_ = 0;            // written and synced
    index::SpaceOrderBuilder order_;
    index::CatalogRecord record_;
    std::vector<std::byte> record_bytes_;
    bool stored_shown_ = false;       // of what is to be published
    std::size_t segments_shown_ = 0;  // likewise, of work_

    std::optional<std::uint64_t> drained_us_;  // when the last one with frames began
    std::uint64_t drains_ = 0;
    std::uint64_t drained_bytes_ = 0;
    std::uint64_t stored_bytes_ = 0;
    std::uint64_t gathered_count_ = 0;
};

}  // namespace braid
