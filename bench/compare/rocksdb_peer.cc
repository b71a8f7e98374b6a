#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/version.h>
#include <rocksdb/write_batch.h>

#include "bench/compare/keys.h"
#include "bench/compare/peer.h"
#include "bench/place.h"

namespace bench {
namespace {

void must_be(const rocksdb::Status& status) {
    if (!status.ok()) give_up("rocksdb: " + status.ToString());
}

class RocksdbSession : public Session {
public:
    RocksdbSession(rocksdb::DB& db, Sequences& sequences, bool durable)
        : db_(db), sequences_(sequences) {
        options_.sync = durable;
    }
    void commit(std::span<const Append> appends) override {
        batch_.Clear();
        for (const Append& append : appends) {
            const Key key(append.segment, sequences_.take(append.segment));
            must_be(batch_.Put({key.bytes().data(), key.bytes().size()},
                               {append.payload.data(), append.payload.size()}));
        }
        must_be(db_.Write(options_, &batch_));
    }

private:
    rocksdb::DB& db_;
    Sequences& sequences_;
    rocksdb::WriteOptions options_;
    rocksdb::WriteBatch batch_;
};

class RocksdbPeer : public Peer {
public:
    explicit RocksdbPeer(const Setup& setup) : durable_(setup.durable), sequences_(setup.segments) {
        rocksdb::Options options;
        options.create_if_missing = true;
        options.compression = rocksdb::kNoCompression;
        options.recycle_log_file_num = 4;
        options.enable_pipelined_write = true;
        options.IncreaseParallelism(2);
        rocksdb::DB* db = nullptr;
        must_be(rocksdb::DB::Open(options, setup.directory, &db));
        db_.reset(db);
    }
    std::unique_ptr<Session> session() override {
        return std::make_unique<RocksdbSession>(*db_, sequences_, durable_);
    }
    void flush() override { must_be(db_->SyncWAL()); }

private:
    bool durable_;
    Sequences sequences_;
    std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace

PeerKind rocksdb_peer() {
    return {
        "rocksdb",
        fmt::format("RocksDB {}.{}.{}; log files recycled, pipelined writes, 2 background threads, "
                    "no compression, sync as the row says",
                    ROCKSDB_MAJOR, ROCKSDB_MINOR, ROCKSDB_PATCH),
        [](const Setup& setup) { return std::make_unique<RocksdbPeer>(setup); }};
}

}  // namespace bench
