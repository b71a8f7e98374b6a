#include <fmt/format.h>
#include <lmdb.h>

#include "bench/compare/keys.h"
#include "bench/compare/peer.h"
#include "bench/place.h"

namespace bench {
namespace {

void must_be(int code) {
    if (code != MDB_SUCCESS) give_up(std::string("lmdb: ") + mdb_strerror(code));
}

MDB_val value_of(std::string_view bytes) {
    return {bytes.size(), const_cast<char*>(bytes.data())};
}

class LmdbSession : public Session {
public:
    LmdbSession(MDB_env* env, MDB_dbi dbi, Sequences& sequences)
        : env_(env), dbi_(dbi), sequences_(sequences) {}
    void commit(std::span<const Append> appends) override {
        MDB_txn* transaction = nullptr;
        must_be(mdb_txn_begin(env_, nullptr, 0, &transaction));
        for (const Append& append : appends) {
            const Key key(append.segment, sequences_.take(append.segment));
            MDB_val name = value_of(key.bytes());
            MDB_val data = value_of(append.payload);
            must_be(mdb_put(transaction, dbi_, &name, &data, 0));
        }
        must_be(mdb_txn_commit(transaction));
    }

private:
    MDB_env* env_;
    MDB_dbi dbi_;
    Sequences& sequences_;
};

class LmdbPeer : public Peer {
public:
    explicit LmdbPeer(const Setup& setup) : sequences_(setup.segments) {
        must_be(mdb_env_create(&env_));
        must_be(mdb_env_set_mapsize(env_, std::size_t{64} << 30));
        must_be(mdb_env_open(env_, setup.directory.c_str(), setup.durable ? 0 : MDB_NOSYNC, 0644));
        MDB_txn* transaction = nullptr;
        must_be(mdb_txn_begin(env_, nullptr, 0, &transaction));
        must_be(mdb_dbi_open(transaction, nullptr, 0, &dbi_));
        must_be(mdb_txn_commit(transaction));
    }
    LmdbPeer(const LmdbPeer&) = delete;
    LmdbPeer& operator=(const LmdbPeer&) = delete;
    ~LmdbPeer() override {
        if (reading_ != nullptr) mdb_txn_abort(reading_);
        mdb_env_close(env_);
    }
    std::unique_ptr<Session> session() override {
        return std::make_unique<LmdbSession>(env_, dbi_, sequences_);
    }
    void flush() override { must_be(mdb_env_sync(env_, 1)); }
    /// All reads in one transaction, as its documentation advises.
    unsigned get(std::uint32_t segment, std::uint64_t sequence) override {
        if (reading_ == nullptr) must_be(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &reading_));
        const Key key(segment, sequence);
        MDB_val name = value_of(key.bytes());
        MDB_val data;
        must_be(mdb_get(reading_, dbi_, &name, &data));
        return *static_cast<const unsigned char*>(data.mv_data);
    }

private:
    Sequences sequences_;
    MDB_env* env_ = nullptr;
    MDB_dbi dbi_ = 0;
    MDB_txn* reading_ = nullptr;
};

}  // namespace

PeerKind lmdb_peer() {
    return {"lmdb",
            fmt::format("{}; map of 64 GiB; MDB_NOSYNC for buffered rows",
                        mdb_version(nullptr, nullptr, nullptr)),
            [](const Setup& setup) { return std::make_unique<LmdbPeer>(setup); }};
}

}  // namespace bench
