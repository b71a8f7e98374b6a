#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bench {

/// What a store is filled with before it is read.
struct ReadSetup {
    std::string directory;  ///< empty, its own
    std::uint64_t records = 0;
    std::uint32_t segments = 1;     ///< numbered from 0, written to in turns
    std::uint32_t transaction = 1;  ///< records of one transaction, all of them to one segment
    bool drained = true;            ///< what a store moves from memory to files by itself is moved
    bool pieces = false;            ///< drained to a file for each segment, where there is such
    bool in_order_of_commit = false;  ///< a second copy of all records in that order is kept

    /// The segment of a record, counted from 0 in the order of commit, and its number in it,
    /// from 1.
    [[nodiscard]] std::uint32_t segment_of(std::uint64_t record) const {
        return static_cast<std::uint32_t>(record / transaction % segments);
    }
    [[nodiscard]] std::uint64_t sequence_of(std::uint64_t record) const {
        return record / transaction / segments * transaction + record % transaction + 1;
    }
};

/// A filled store. The first byte of each payload read is looked at. One thread.
class ReadPeer {
public:
    virtual ~ReadPeer() = default;
    /// A whole segment from its beginning; the number of records.
    virtual std::uint64_t scan(std::uint32_t segment) = 0;
    /// One record; its payload's first byte.
    virtual unsigned get(std::uint32_t segment, std::uint64_t sequence) = 0;
    /// At most `limit` records of all segments in the order of commit, beyond the first `after`;
    /// their number.
    virtual std::uint64_t scan_space(std::uint64_t after, std::uint64_t limit) = 0;
    /// Closes and opens the store, so that it remembers nothing but what is on disk; false: can't.
    virtual bool reopen() { return false; }
    /// Commits 100 records to another segment every millisecond, from another thread, until
    /// `end_writing`; false: can't.
    virtual bool begin_writing() { return false; }
    virtual void end_writing() {}
};

/// A store that can be read from.
struct ReadPeerKind {
    std::string name;
    std::function<std::unique_ptr<ReadPeer>(const ReadSetup&)> fill;
};

/// Those that this program was built with; Braid comes first.
const std::vector<ReadPeerKind>& read_peer_kinds();

// One for each file; the list above knows which are there.
ReadPeerKind braid_read_peer();
ReadPeerKind floor_read_peer();
ReadPeerKind leveldb_read_peer();
ReadPeerKind lmdb_read_peer();
ReadPeerKind rocksdb_read_peer();
ReadPeerKind sqlite_read_peer();

}  // namespace bench
