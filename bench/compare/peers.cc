#include <fmt/format.h>

#include "bench/compare/peer.h"
#include "bench/place.h"

namespace bench {

unsigned Peer::get(std::uint32_t, std::uint64_t) {
    give_up("this peer can't be asked for a record here");
}

const std::vector<PeerKind>& peer_kinds() {
    static const std::vector<PeerKind> kinds{
        braid_peer(),        braid_ring_peer(),
#ifdef BENCH_HAS_ROCKSDB
        rocksdb_peer(),
#endif
#ifdef BENCH_HAS_LEVELDB
        leveldb_peer(),
#endif
#ifdef BENCH_HAS_LMDB
        lmdb_peer(),
#endif
#ifdef BENCH_HAS_SQLITE
        sqlite_peer(),
#endif
        floor_direct_peer(), floor_kept_peer(), floor_fdatasync_peer(),
    };
    return kinds;
}

}  // namespace bench
