#include <braid/store.hpp>
#include <optional>

#include "bench/compare/reads/every_millisecond.h"
#include "bench/compare/reads/read_peer.h"
#include "bench/place.h"
#include "bench/records.h"

namespace bench {
namespace {

braid::Options options_of(const ReadSetup& setup) {
    braid::Options options;
    options.create = true;
    options.io = io_asked();
    options.tail_bytes_max = std::uint64_t{4} << 30;  // drained when that is asked for
    options.log_bytes_max = std::uint64_t{4} << 30;
    options.piece_bytes_min = setup.pieces ? 4 << 10 : 1 << 30;
    options.segment_file_bytes = std::uint64_t{1} << 30;
    return options;
}

class BraidReads : public ReadPeer {
public:
    explicit BraidReads(const ReadSetup& setup)
        : setup_(setup),
          store_(must(braid::Store::open(setup.directory, options_of(setup)))),
          names_(segment_names(setup.segments)) {
        auto transaction = store_.begin();
        for (std::uint64_t record = 0; record < setup.records; ++record) {
            transaction.append(space, names_[setup.segment_of(record)], payload());
            if ((record + 1) % setup.transaction == 0)
                must(transaction.commit(braid::Durability::buffered));
        }
        must(transaction.commit(braid::Durability::buffered));
        must(store_.sync());
        if (setup.drained) must(store_.drain());
        if (setup.segments == 1) readers_.push_back(store_.read_segment(space, names_[0]));
    }
    std::uint64_t scan(std::uint32_t segment) override {
        return walk(store_.read_segment(space, names_[segment]));
    }
    unsigned get(std::uint32_t segment, std::uint64_t sequence) override {
        if (readers_.size() == 1) return first_byte(readers_[0].seek(sequence));
        // More segments than a program would keep readers of.
        auto reader =
            store_.read_segment(space, names_[segment], {.from = sequence, .to = sequence});
        return first_byte(reader.next());
    }
    std::uint64_t scan_space(std::uint64_t after, std::uint64_t limit) override {
        return walk(store_.read_space(space, {.after = after, .limit = limit}));
    }

    bool reopen() override {
        if (!setup_.drained) return false;
        readers_.clear();
        must(store_.close());
        store_ = must(braid::Store::open(setup_.directory, options_of(setup_)));
        return true;
    }
    bool begin_writing() override {
        writer_.emplace([this] {
            auto transaction = store_.begin();
            for (unsigned n = 0; n < 100; ++n)
                transaction.append(space, "written beside", payload());
            must(transaction.commit(braid::Durability::buffered));
        });
        return true;
    }
    void end_writing() override { writer_.reset(); }

private:
    static unsigned first_byte(const braid::Result<braid::Entry>* entry) {
        if (entry == nullptr) give_up("braid: an entry is missing");
        if (!*entry) give_up(entry->error().message());
        return std::to_integer<unsigned>((**entry).payload[0]);
    }
    std::uint64_t walk(braid::Reader reader) {
        std::uint64_t entries = 0;
        for (const auto* entry = reader.next(); entry != nullptr; entry = reader.next()) {
            sum_ += first_byte(entry);
            ++entries;
        }
        return entries;
    }

    ReadSetup setup_;
    braid::Store store_;
    std::vector<std::string> names_;
    std::vector<braid::Reader> readers_;
    unsigned sum_ = 0;
    std::optional<EveryMillisecond> writer_;
};

}  // namespace

ReadPeerKind braid_read_peer() {
    return {"braid", [](const ReadSetup& setup) { return std::make_unique<BraidReads>(setup); }};
}

}  // namespace bench
