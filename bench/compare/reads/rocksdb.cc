#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "bench/compare/keys.h"
#include "bench/compare/reads/read_peer.h"
#include "bench/place.h"
#include "bench/records.h"

namespace bench {
namespace {

void must_be(const rocksdb::Status& status) {
    if (!status.ok()) give_up("rocksdb: " + status.ToString());
}

rocksdb::Slice slice_of(std::string_view bytes) {
    return {bytes.data(), bytes.size()};
}

/// Segments under 0, the copy in the order of commit under 1; checksums are verified.
class RocksdbReads : public ReadPeer {
public:
    explicit RocksdbReads(const ReadSetup& setup) {
        rocksdb::Options options;
        options.create_if_missing = true;
        options.write_buffer_size = std::size_t{setup.drained ? 64U : 2048U} << 20;
        options.compression = rocksdb::kNoCompression;
        rocksdb::DB* db = nullptr;
        must_be(rocksdb::DB::Open(options, setup.directory, &db));
        db_.reset(db);
        options_.verify_checksums = true;
        fill(setup);
    }
    std::uint64_t scan(std::uint32_t segment) override {
        const Key last(segment + 1, 0);
        return walk(Key(segment, 0), last.bytes(), UINT64_MAX);
    }
    unsigned get(std::uint32_t segment, std::uint64_t sequence) override {
        must_be(db_->Get(options_, slice_of(Key(segment, sequence).bytes()), &found_));
        return static_cast<unsigned char>(found_[0]);
    }
    std::uint64_t scan_space(std::uint64_t after, std::uint64_t limit) override {
        const Key last(commits + 1, 0);
        return walk(Key(commits, after + 1), last.bytes(), limit);
    }

private:
    static constexpr std::uint32_t commits = 1U << 30;  // a segment beyond all

    void fill(const ReadSetup& setup) {
        rocksdb::WriteBatch batch;
        for (std::uint64_t record = 0; record < setup.records; ++record) {
            const Key key(setup.segment_of(record), setup.sequence_of(record));
            batch.Put(slice_of(key.bytes()), slice_of(payload()));
            const Key copy(commits, record + 1);
            if (setup.in_order_of_commit) batch.Put(slice_of(copy.bytes()), slice_of(payload()));
            if (record % 1000 != 0) continue;
            must_be(db_->Write({}, &batch));
            batch.Clear();
        }
        must_be(db_->Write({}, &batch));
        if (setup.drained) must_be(db_->CompactRange({}, nullptr, nullptr));
    }
    std::uint64_t walk(const Key& from, std::string_view before, std::uint64_t limit) {
        const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options_));
        std::uint64_t records = 0;
        for (at->Seek(slice_of(from.bytes())); at->Valid() && records < limit; at->Next()) {
            if (at->key().compare(slice_of(before)) >= 0) break;
            sum_ += static_cast<unsigned char>(at->value()[0]);
            ++records;
        }
        must_be(at->status());
        return records;
    }

    std::unique_ptr<rocksdb::DB> db_;
    rocksdb::ReadOptions options_;
    std::string found_;
    unsigned sum_ = 0;
};

}  // namespace

ReadPeerKind rocksdb_read_peer() {
    return {"rocksdb",
            [](const ReadSetup& setup) { return std::make_unique<RocksdbReads>(setup); }};
}

}  // namespace bench
