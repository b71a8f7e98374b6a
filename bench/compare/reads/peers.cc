#include "bench/compare/reads/read_peer.h"

namespace bench {

const std::vector<ReadPeerKind>& read_peer_kinds() {
    static const std::vector<ReadPeerKind> kinds{
        braid_read_peer(),
#ifdef BENCH_HAS_LMDB
        lmdb_read_peer(),
#endif
#ifdef BENCH_HAS_ROCKSDB
        rocksdb_read_peer(),
#endif
#ifdef BENCH_HAS_LEVELDB
        leveldb_read_peer(),
#endif
#ifdef BENCH_HAS_SQLITE
        sqlite_read_peer(),
#endif
        floor_read_peer(),
    };
    return kinds;
}

}  // namespace bench
