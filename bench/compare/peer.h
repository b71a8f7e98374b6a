#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// One record of a commit: to which of the run's segments, and what.
struct Append {
    std::uint32_t segment = 0;
    std::string_view payload;
};

/// What a peer is opened for.
struct Setup {
    std::string directory;       ///< its own; empty, or what the same peer left there
    std::uint32_t segments = 1;  ///< numbered from 0
    bool durable = true;         ///< commits are on the disk when they return
};

/// A thread's access to a peer. Ends the program where something fails.
class Session {
public:
    virtual ~Session() = default;
    /// Commits all of it as one transaction, each record behind the last one of its segment.
    virtual void commit(std::span<const Append> appends) = 0;
    /// Waits for commits that are still under way.
    virtual void finish() {}
};

/// A store with a run's segments, empty at first.
class Peer {
public:
    virtual ~Peer() = default;
    /// For one thread; several may be used at once.
    virtual std::unique_ptr<Session> session() = 0;
    /// One whose commits return before they are durable, with thousands under way; null where
    /// there is no such thing.
    virtual std::unique_ptr<Session> async_session() { return nullptr; }
    /// Makes what was committed durable; called every 10 ms where commits aren't.
    virtual void flush() = 0;
    /// Puts what was stored into the state in which single records are found fastest; false where
    /// there is no such state.
    virtual bool gather() { return false; }
    /// Bytes written so far to what is kept, log apart, for each byte that came into it; 0 where it
    /// isn't told.
    virtual double writing() { return 0; }
    /// Reads one record; its payload's first byte. One thread. Not every peer can be asked.
    virtual unsigned get(std::uint32_t segment, std::uint64_t sequence);
};

/// A peer that can be measured.
struct PeerKind {
    std::string name;
    std::string configuration;  ///< in words: version and what differs from its defaults
    std::function<std::unique_ptr<Peer>(const Setup&)> open;
};

/// Those that this program was built with; Braid comes first.
const std::vector<PeerKind>& peer_kinds();

// One for each file; the list above knows which are there.
PeerKind braid_peer();
PeerKind braid_ring_peer();
PeerKind floor_direct_peer();
PeerKind floor_kept_peer();
PeerKind floor_fdatasync_peer();
PeerKind leveldb_peer();
PeerKind lmdb_peer();
PeerKind rocksdb_peer();
PeerKind sqlite_peer();

/// "segment-00000000" and so on: what Braid calls the run's segments. Made where it is needed, as
/// the peers' keys are: to fetch one of a million kept names would take longer.
class SegmentName {
public:
    explicit SegmentName(std::uint32_t segment) {
        for (std::size_t at = text_.size(); at > 8; segment /= 10)
            text_[--at] = static_cast<char>('0' + segment % 10);
    }
    operator std::string_view() const { return {text_.data(), text_.size()}; }

private:
    std::array<char, 16> text_{'s', 'e', 'g', 'm', 'e', 'n', 't', '-'};
};

}  // namespace bench
