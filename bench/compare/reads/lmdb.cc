#include <lmdb.h>

#include <optional>

#include "bench/compare/keys.h"
#include "bench/compare/reads/every_millisecond.h"
#include "bench/compare/reads/read_peer.h"
#include "bench/place.h"
#include "bench/records.h"

namespace bench {
namespace {

void must_be(int code) {
    if (code != MDB_SUCCESS) give_up(std::string("lmdb: ") + mdb_strerror(code));
}

MDB_val value_of(std::string_view bytes) {
    return {bytes.size(), const_cast<char*>(bytes.data())};
}

/// One read transaction and one cursor for all reads: what its documentation advises.
class LmdbReads : public ReadPeer {
public:
    explicit LmdbReads(const ReadSetup& setup) {
        must_be(mdb_env_create(&env_));
        must_be(mdb_env_set_mapsize(env_, std::size_t{64} << 30));
        must_be(mdb_env_set_maxdbs(env_, 2));
        must_be(mdb_env_open(env_, setup.directory.c_str(), MDB_NOSYNC, 0644));
        fill(setup);
        must_be(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &transaction_));
        must_be(mdb_cursor_open(transaction_, by_segment_, &segments_));
        must_be(mdb_cursor_open(transaction_, by_commit_, &commits_));
    }
    LmdbReads(const LmdbReads&) = delete;
    LmdbReads& operator=(const LmdbReads&) = delete;
    ~LmdbReads() override {
        mdb_cursor_close(segments_);
        mdb_cursor_close(commits_);
        mdb_txn_abort(transaction_);
        mdb_env_close(env_);
    }
    std::uint64_t scan(std::uint32_t segment) override {
        const Key last(segment + 1, 0);
        return walk(segments_, Key(segment, 0), last.bytes(), UINT64_MAX);
    }
    unsigned get(std::uint32_t segment, std::uint64_t sequence) override {
        const Key key(segment, sequence);
        MDB_val name = value_of(key.bytes());
        MDB_val data;
        must_be(mdb_get(transaction_, by_segment_, &name, &data));
        return *static_cast<const unsigned char*>(data.mv_data);
    }
    std::uint64_t scan_space(std::uint64_t after, std::uint64_t limit) override {
        const Key last(1, 0);
        return walk(commits_, Key(0, after + 1), last.bytes(), limit);
    }

    bool begin_writing() override {
        writer_.emplace([this] {
            MDB_txn* transaction = nullptr;
            must_be(mdb_txn_begin(env_, nullptr, 0, &transaction));
            for (unsigned n = 0; n < 100; ++n)
                put(transaction, by_segment_, Key(beside, ++written_beside_), 0);
            must_be(mdb_txn_commit(transaction));
        });
        return true;
    }
    void end_writing() override { writer_.reset(); }

private:
    static constexpr std::uint32_t beside = 1U << 30;  // a segment beyond all

    void fill(const ReadSetup& setup) {
        constexpr std::uint64_t records_each = 10'000;
        for (std::uint64_t record = 0; record < setup.records;) {
            MDB_txn* transaction = nullptr;
            must_be(mdb_txn_begin(env_, nullptr, 0, &transaction));
            must_be(mdb_dbi_open(transaction, "by segment", MDB_CREATE, &by_segment_));
            must_be(mdb_dbi_open(transaction, "by commit", MDB_CREATE, &by_commit_));
            for (std::uint64_t n = 0; n < records_each && record < setup.records; ++n, ++record) {
                put(transaction, by_segment_,
                    Key(setup.segment_of(record), setup.sequence_of(record)), 0);
                if (setup.in_order_of_commit)
                    put(transaction, by_commit_, Key(0, record + 1), MDB_APPEND);
            }
            must_be(mdb_txn_commit(transaction));
        }
    }
    static void put(MDB_txn* transaction, MDB_dbi dbi, const Key& key, unsigned flags) {
        MDB_val name = value_of(key.bytes());
        MDB_val data = value_of(payload());
        must_be(mdb_put(transaction, dbi, &name, &data, flags));
    }
    std::uint64_t walk(MDB_cursor* cursor, const Key& from, std::string_view before,
                       std::uint64_t limit) {
        MDB_val name = value_of(from.bytes());
        MDB_val data;
        std::uint64_t records = 0;
        for (int code = mdb_cursor_get(cursor, &name, &data, MDB_SET_RANGE);
             code == MDB_SUCCESS && records < limit;
             code = mdb_cursor_get(cursor, &name, &data, MDB_NEXT)) {
            if (std::string_view(static_cast<const char*>(name.mv_data), name.mv_size) >= before)
                break;
            sum_ += *static_cast<const unsigned char*>(data.mv_data);
            ++records;
        }
        return records;
    }

    MDB_env* env_ = nullptr;
    MDB_dbi by_segment_ = 0;
    MDB_dbi by_commit_ = 0;
    MDB_txn* transaction_ = nullptr;
    MDB_cursor* segments_ = nullptr;
    MDB_cursor* commits_ = nullptr;
    unsigned sum_ = 0;
    std::uint64_t written_beside_ = 0;
    std::optional<EveryMillisecond> writer_;
};

}  // namespace

ReadPeerKind lmdb_read_peer() {
    return {"lmdb", [](const ReadSetup& setup) { return std::make_unique<LmdbReads>(setup); }};
}

}  // namespace bench
