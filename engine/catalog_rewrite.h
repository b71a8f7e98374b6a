#pragma once

#include <braid/result.hpp>

#include "engine/segment_table.h"
#include "engine/storage.h"
#include "index/new_catalog.h"

namespace braid {

/// What a catalog is made of. All of it is the drain's: nothing changes but by drains.
struct CatalogContents {
    const SegmentTable& table;
    const Storage& storage;
};

/// Begins the catalog anew while drains go on. There may be many millions of segments, and no
/// commit is to wait until all are written: so they are written some at a time, one drain after
/// another, each as it is by then. What a drain changes of those that are written is written again,
/// and takes the place of that. In the end comes what isn't of single segments, in one go.
///
/// A drain that fails has its changes in here: then all is to be begun again.
class CatalogRewrite {
public:
    /// Begins catalog file `number`. Blocks.
    [[nodiscard]] static Result<CatalogRewrite> begin(const CatalogContents& contents,
                                                      io::Disk& disk, const Uuid& store,
                                                      std::uint64_t number);

    /// Writes up to `count` of the segments below `end`, between drains; true if more are left.
    /// Blocks.
    [[nodiscard]] Result<bool> add(SegmentId end, std::uint64_t count);
    /// Writes what a drain's record changes of the segments that were written; before the record
    /// is. Blocks.
    [[nodiscard]] Result<void> add_changes(const index::CatalogRecord& drain);
    /// All segments being written: writes the rest, between drains. Consumers, leases and ids are
    /// in `rest` already. `end` and errors as for `index::NewCatalog::finish`.
    [[nodiscard]] Result<void> finish(index::CatalogRecord rest, index::CatalogEnd& end);

    /// It comes to nothing: its space is given back. Only its end may follow.
    void give_up() noexcept { file_.give_up(); }
    [[nodiscard]] io::File& file() noexcept { return file_.file(); }

private:
    CatalogRewrite(const CatalogContents& contents, index::NewCatalog file)
        : contents_(contents), file_(std::move(file)) {}
    [[nodiscard]] index::CatalogRecord with_counters(index::CatalogRecordKind kind) const;
    [[nodiscard]] index::CatalogRecord next_part(SegmentId end);

    CatalogContents contents_;
    index::NewCatalog file_;
    // Those below are named in it, and these segments are written.
    SpaceId next_space_ = 1;
    SegmentId next_segment_ = 1;
};

}  // namespace braid
