#pragma once

#include <braid/store.hpp>
#include <optional>

#include "bench/place.h"

namespace bench {

/// Where the entries of a data set lie.
enum class Where : std::uint8_t {
    tails,   ///< not drained: in memory
    packs,   ///< drained, all segments in shared files
    pieces,  ///< drained, each segment in its own file
};

/// What is to be read.
struct DataSetShape {
    Where where = Where::tails;
    std::uint64_t records = 400'000;
    std::size_t segments = 1;               ///< written to in turn
    std::size_t transaction_records = 100;  ///< all of one transaction go to one segment
    bool operator==(const DataSetShape&) const = default;
};

/// A store with entries in it, as a benchmark of reads wants them.
class DataSet {
public:
    explicit DataSet(const DataSetShape& shape);

    [[nodiscard]] const DataSetShape& shape() const noexcept { return shape_; }
    [[nodiscard]] braid::Store& store() noexcept { return *store_; }

private:
    DataSetShape shape_;
    Scratch scratch_;
    std::optional<braid::Store> store_;  // ends before its directory is removed
};

/// The data set of this shape: the one that is there already, or a new one in its place.
DataSet& provide(std::optional<DataSet>& data, const DataSetShape& shape);

/// Appends records without flushing each: `transaction_records` a commit, to one segment after
/// another.
void append_records(braid::Store& store, std::uint64_t records, std::size_t segments,
                    std::size_t transaction_records);

/// Options with which nothing is drained unless it is asked for.
braid::Options undrained_options();

}  // namespace bench
