#pragma once

#include <braid/result.hpp>
#include <memory>
#include <utility>

#include "index/catalog.h"
#include "io/disk.h"

namespace braid::index {

/// A catalog file that is begun anew. It has another name until it is whole, so that a crash at any
/// point leaves a newest file that is good; one that is never finished is in nobody's way, and the
/// next one overwrites it.
class NewCatalog {
public:
    /// Begins file `number`. Blocks.
    [[nodiscard]] static Result<NewCatalog> begin(io::Disk& disk, const Uuid& store,
                                                  std::uint64_t number);

    /// Appends a part; not durable yet. Blocks.
    [[nodiscard]] Result<void> add(const CatalogRecord& part);
    /// Appends the snapshot, syncs all, renames, syncs the directory, and removes older files.
    /// Moves `end` from the end of the catalog before to the end of this one, or leaves it as it
    /// was after an error: then this file may be there already, or come back after a crash, so
    /// nothing may be appended to the old one, and only another new one may follow. Blocks.
    [[nodiscard]] Result<void> finish(const CatalogRecord& snapshot, CatalogEnd& end);

    /// Removes the file, which isn't finished, as far as that can be done.
    void give_up() noexcept;
    /// For who syncs what there is so far, and leaves the less for `finish`.
    [[nodiscard]] io::File& file() noexcept { return *file_; }

private:
    NewCatalog(io::Disk& disk, const Uuid& store, std::uint64_t number,
               std::unique_ptr<io::File> file);
    [[nodiscard]] Result<void> append(const CatalogRecord& record, CatalogEnd& end);

    io::Disk* disk_;
    Uuid store_;
    std::unique_ptr<io::File> file_;
    CatalogEnd parts_;  ///< where the next part goes
};

/// Writes a new catalog file with `snapshot` as its only record. The store's first file has number
/// 1. `end` and errors as for `NewCatalog::finish`. Blocks.
[[nodiscard]] Result<void> write_catalog_file(io::Disk& disk, const CatalogRecord& snapshot,
                                              const Uuid& store, CatalogEnd& end);

}  // namespace braid::index
