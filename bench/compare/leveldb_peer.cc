#include <fmt/format.h>
#include <leveldb/db.h>
#include <leveldb/write_batch.h>

#include "bench/compare/keys.h"
#include "bench/compare/peer.h"
#include "bench/place.h"

namespace bench {
namespace {

void must_be(const leveldb::Status& status) {
    if (!status.ok()) give_up("leveldb: " + status.ToString());
}

class LeveldbSession : public Session {
public:
    LeveldbSession(leveldb::DB& db, Sequences& sequences, bool durable)
        : db_(db), sequences_(sequences) {
        options_.sync = durable;
    }
    void commit(std::span<const Append> appends) override {
        batch_.Clear();
        for (const Append& append : appends) {
            const Key key(append.segment, sequences_.take(append.segment));
            batch_.Put({key.bytes().data(), key.bytes().size()},
                       {append.payload.data(), append.payload.size()});
        }
        must_be(db_.Write(options_, &batch_));
    }

private:
    leveldb::DB& db_;
    Sequences& sequences_;
    leveldb::WriteOptions options_;
    leveldb::WriteBatch batch_;
};

class LeveldbPeer : public Peer {
public:
    explicit LeveldbPeer(const Setup& setup) : durable_(setup.durable), sequences_(setup.segments) {
        leveldb::Options options;
        options.create_if_missing = true;
        options.write_buffer_size = std::size_t{64} << 20;
        options.compression = leveldb::kNoCompression;
        leveldb::DB* db = nullptr;
        must_be(leveldb::DB::Open(options, setup.directory, &db));
        db_.reset(db);
    }
    std::unique_ptr<Session> session() override {
        return std::make_unique<LeveldbSession>(*db_, sequences_, durable_);
    }
    /// There is no call for it but a write that is synced.
    void flush() override {
        leveldb::WriteOptions options;
        options.sync = true;
        must_be(db_->Put(options, "flush", ""));
    }
    unsigned get(std::uint32_t segment, std::uint64_t sequence) override {
        const Key key(segment, sequence);
        leveldb::ReadOptions options;
        options.verify_checksums = true;
        must_be(db_->Get(options, {key.bytes().data(), key.bytes().size()}, &found_));
        return static_cast<unsigned char>(found_[0]);
    }

private:
    bool durable_;
    Sequences sequences_;
    std::unique_ptr<leveldb::DB> db_;
    std::string found_;
};

}  // namespace

PeerKind leveldb_peer() {
    return {
        "leveldb",
        fmt::format("LevelDB {}.{}; write_buffer_size 64 MiB (the default's 4 MiB stall it), no "
                    "compression (payloads are random), sync as the row says",
                    leveldb::kMajorVersion, leveldb::kMinorVersion),
        [](const Setup& setup) { return std::make_unique<LeveldbPeer>(setup); }};
}

}  // namespace bench
