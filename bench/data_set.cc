#include "bench/data_set.h"

#include <algorithm>

#include "bench/records.h"

namespace bench {

braid::Options undrained_options() {
    braid::Options options;
    options.create = true;
    options.io = io_asked();
    options.tail_bytes_max = std::uint64_t{2} << 30;
    options.log_bytes_max = std::uint64_t{2} << 30;
    return options;
}

void append_records(braid::Store& store, std::uint64_t records, std::size_t segments,
                    std::size_t transaction_records) {
    const auto names = segment_names(segments);
    auto transaction = store.begin();
    for (std::uint64_t done = 0, turn = 0; done < records; ++turn) {
        const auto count = std::min<std::uint64_t>(transaction_records, records - done);
        for (std::uint64_t n = 0; n < count; ++n)
            transaction.append(space, names[turn % segments], payload());
        must(transaction.commit(braid::Durability::buffered));
        done += count;
    }
    must(store.sync());
}

DataSet::DataSet(const DataSetShape& shape) : shape_(shape) {
    braid::Options options = undrained_options();
    options.segment_file_bytes = std::uint64_t{1} << 30;
    options.piece_bytes_min = shape.where == Where::pieces ? 4 << 10 : 1 << 30;
    store_.emplace(must(braid::Store::open(scratch_.path(), options)));
    append_records(*store_, shape.records, shape.segments, shape.transaction_records);
    if (shape.where != Where::tails) must(store_->drain());
}

DataSet& provide(std::optional<DataSet>& data, const DataSetShape& shape) {
    if (!data || data->shape() != shape) {
        data.reset();  // its memory first
        data.emplace(shape);
    }
    return *data;
}

}  // namespace bench
